"""Throw-away accounts with their own homes, for tests that run as root."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.processes import send_signal, wait_until

_LOCKED = 1
_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine that exists for one test."""

    name: str
    uid: int
    home: Path


@contextmanager
def throwaway_accounts(count: int, folder: Path) -> Iterator[tuple[Account, ...]]:
    """Make accounts with homes below `folder`, which they must be able to enter, and remove them with all they ran."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_account(folder)) for _ in range(count))


@contextmanager
def _account(folder: Path) -> Iterator[Account]:
    account = _add(f"kdt-{secrets.token_hex(4)}", folder)
    try:
        yield account
    finally:
        _remove(account)


def _add(name: str, folder: Path) -> Account:
    home = folder / name
    _account_tool("useradd", "-m", "-k", "/dev/null", "-p", "*", "-s", "/bin/sh", "-d", str(home), name)
    return Account(name, home.stat().st_uid, home)


def _remove(account: Account) -> None:
    def gone() -> bool:
        running = _processes_of(account.uid)
        for pid in running:
            send_signal(pid, signal.SIGKILL)
        return not running

    wait_until(gone, f"no process of {account.name} is left")
    _account_tool("userdel", account.name)
    shutil.rmtree(account.home, ignore_errors=True)


def _processes_of(uid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            if folder.stat().st_uid == uid and state != b"Z":
                found.append(int(folder.name))
    return found


def _account_tool(*command: str) -> None:
    """Run a tool that changes /etc/passwd; another one may hold its lock."""
    deadline = time.monotonic() + _DEADLINE
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if done.returncode != _LOCKED or time.monotonic() > deadline:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
