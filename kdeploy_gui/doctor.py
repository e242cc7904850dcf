"""Checks of this workstation. None of them changes anything."""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import shutil
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kdeploy_gui.model.check import Finding
from kdeploy_gui.model.figures import size

DEADLINE = 10.0
"""Seconds until a check that does not answer counts as failed."""
DISK_WARNING = 1_000_000_000
"""Free bytes below which the data folder's disk needs attention."""
INODE_WARNING = 1000
AGENT_TIMEOUT = 3.0
START_AGENT = "eval $(ssh-agent); ssh-add"
OPENSSH_TOOLS = ("ssh", "ssh-keygen", "ssh-add", "ssh-copy-id")
TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")

Check = Callable[[], Finding]


def examine(checks: Sequence[tuple[str, Check]], deadline: float = DEADLINE) -> tuple[Finding, ...]:
    """Run checks side by side; one that does not answer within `deadline` seconds is reported as such."""
    answers: dict[int, Finding] = {}
    threads = [
        threading.Thread(target=_answer, args=(answers, place, check), name=subject, daemon=True)
        for place, (subject, check) in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + deadline
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    silent = f"did not answer within {deadline:g} s"
    return tuple(answers.get(place, Finding(subject, False, silent)) for place, (subject, _) in enumerate(checks))


def _answer(answers: dict[int, Finding], place: int, check: Check) -> None:
    answers[place] = check()


def own_checks(data: Path, folders: Sequence[Path], sqlite_version: str) -> list[tuple[str, Check]]:
    """The checks that need nothing but this machine; `data` holds the history, `folders` are all of kdeploy's."""
    return [
        ("Python", python),
        ("home folders", lambda: home_folders(folders)),
        ("disk", lambda: disk(data)),
        ("SQLite", lambda: sqlite(sqlite_version)),
        ("clock", clock),
        ("OpenSSH tools", openssh_tools),
        ("ssh agent", lambda: ssh_agent(os.environ.get("SSH_AUTH_SOCK", ""))),
        ("display", display),
    ]


def python() -> Finding:
    """The interpreter."""
    return Finding("Python", True, f"{platform.python_version()} at {sys.executable}")


def home_folders(folders: Sequence[Path]) -> Finding:
    """Whether kdeploy's folders and files are ours alone."""
    open_to_others: list[str] = []
    foreign: list[str] = []
    for path in (each for folder in folders for each in (folder, *sorted(folder.glob("*")))):
        try:
            about = path.stat()
        except FileNotFoundError:
            continue
        if about.st_uid != os.getuid():
            foreign.append(str(path))
        elif stat.S_IMODE(about.st_mode) & 0o077:
            open_to_others.append(str(path))
    if foreign:
        return Finding(
            "home folders", False, f"belong to somebody else: {', '.join(foreign)}", "use a KDEPLOY_HOME of your own"
        )
    if open_to_others:
        command = shlex.join(["chmod", "go=", *open_to_others])
        return Finding("home folders", False, f"open to others: {', '.join(open_to_others)}", command)
    return Finding("home folders", True, " and ".join(dict.fromkeys(map(str, folders))))


def disk(data: Path) -> Finding:
    """Space and inodes for the history and its output files."""
    nearest = next(each for each in (data, *data.parents) if each.exists())
    free = shutil.disk_usage(nearest).free
    about = os.statvfs(nearest)
    words = f"{size(free)} free at {nearest}"
    if about.f_files and about.f_favail < INODE_WARNING:
        return Finding(
            "disk", False, f"{about.f_favail} inodes free at {nearest}", f"remove files there: df -i {nearest}"
        )
    if free < DISK_WARNING:
        return Finding("disk", False, words, "free space there, or point KDEPLOY_HOME at another disk")
    return Finding("disk", True, words)


def sqlite(version: str) -> Finding:
    """The SQLite library; versions before 3.51.3 (3.50.7, 3.44.6) may lose commits when a WAL file is reset."""
    try:
        numbers = tuple(int(part) for part in version.split(".")[:3])
    except ValueError:
        return Finding("SQLite", False, f"unreadable version '{version}'")
    if numbers < (3, 37, 0):
        return Finding("SQLite", False, f"{version} is too old", "use a Python that brings SQLite 3.37 or newer")
    fixed = numbers >= (3, 51, 3) or (3, 50, 7) <= numbers < (3, 51) or (3, 44, 6) <= numbers < (3, 45)
    known = (
        "" if fixed else "; has the WAL-reset fault (fixed in 3.51.3, 3.50.7, 3.44.6), which one writer does not meet"
    )
    return Finding("SQLite", True, version + known)


class _Timex(ctypes.Structure):
    """The head of `struct timex` (linux/timex.h); the kernel fills in the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


STA_UNSYNC = 0x0040


def clock() -> Finding:
    """Whether a time service keeps this clock right: timestamps here and on the machines are compared."""
    if TIMESYNC_MARK.exists():
        return Finding("clock", True, "synchronised (systemd-timesyncd)")
    state = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex") or libc.adjtimex(ctypes.byref(state)) < 0:
        return Finding("clock", None, "not known whether a time service keeps it right")
    if state.status & STA_UNSYNC:
        words = "no time service (systemd-timesyncd, chrony, ntpd) keeps it right"
        return Finding("clock", False, words, "timedatectl set-ntp true")
    return Finding("clock", True, "synchronised")


def openssh_tools() -> Finding:
    """The programs that remedies name; kdeploy itself needs none of them."""
    missing = [each for each in OPENSSH_TOOLS if shutil.which(each) is None]
    if missing:
        return Finding("OpenSSH tools", None, f"missing: {', '.join(missing)}", "apt-get install openssh-client")
    return Finding("OpenSSH tools", True, ", ".join(OPENSSH_TOOLS))


def ssh_agent(address: str) -> Finding:
    """Whether the agent at a socket answers, and how many keys it holds (RFC: draft-ietf-sshm-ssh-agent, 4.4)."""
    if not address:
        return Finding(
            "ssh agent", None, "none in this session: `identity_file` is needed", "eval $(ssh-agent); ssh-add"
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(AGENT_TIMEOUT)
            connection.connect(address)
            connection.sendall(struct.pack(">IB", 1, 11))
            answer = _exactly(connection, 9)
    except OSError as error:
        words = f"{address} does not answer: {error.strerror or error}"
        return Finding("ssh agent", False, words, START_AGENT)
    _, kind, keys = struct.unpack(">IBI", answer)
    if kind != 12:
        return Finding("ssh agent", False, f"{address} does not answer as an agent does", START_AGENT)
    if keys == 0:
        return Finding("ssh agent", None, "answers, holds no keys", "ssh-add")
    return Finding("ssh agent", True, f"answers, holds {keys} key{'s' if keys != 1 else ''}")


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("it closed the connection")
        received += part
    return received


def display() -> Finding:
    """Whether a window could open here."""
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return Finding("display", True, f"{variable}={os.environ[variable]}")
    return Finding("display", None, "none: the command line works, a window needs a desktop or `ssh -X`")
