"""Debian machines for tests that install packages: a chroot with a real apt behind a real OpenSSH server.

The system is built once (debootstrap) and kept below ~/.cache/kdeploy-lab, by the hash of its recipe. A test writes
into a layer of its own over it (overlayfs), gone with the test, so that what a machine was made to write can be told.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kdeploy_gui.environments.demo_process import MARKER
from kdeploy_gui.model.environment import Environment
from tests.lab.packages import MANAGERS_SCRIPT
from tests.lab.processes import send_signal, wait_until
from tests.lab.sshd import Sshd

CACHE = Path(os.environ.get("KDEPLOY_LAB_CACHE", Path.home() / ".cache/kdeploy-lab"))
SYSTEM = """debootstrap --variant=minbase --include=openssh-server,sudo,busybox "$suite" "$root" $mirror
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/unsafe"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/doc/* "$root"/usr/share/locale/*
"""
"""Builds the system in $root, from the $mirror that this machine's apt uses itself."""
NEEDED = ("debootstrap", "mount", "chroot")


def unfit() -> str:
    """Why such machines cannot be had here; empty: they can."""
    if os.getuid() != 0:
        return "only root can build and enter a chroot"
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "this kernel has no overlayfs"
    return ""


def system() -> Path:
    """The Debian system; built where it is not there. Takes about a minute then."""
    return _cached("chroot", SYSTEM, ())


def with_managers() -> tuple[Path, ...]:
    """The system with a layer over it that has other package managers and packages for them, the uppermost first."""
    base = system()
    return (_cached("chroot-managers", MANAGERS_SCRIPT, (base,)), base)


def _cached(name: str, recipe: str, below: Sequence[Path]) -> Path:
    key = hashlib.sha256("".join([recipe, _suite(), *map(str, below)]).encode()).hexdigest()[:16]
    place = CACHE / f"{name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            waiting = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=CACHE))
            waiting.chmod(0o755)
            try:
                _build(recipe, waiting, below)
                waiting.rename(place)
            finally:
                shutil.rmtree(waiting, ignore_errors=True)
    return place


def _build(recipe: str, place: Path, below: Sequence[Path]) -> None:
    with ExitStack() as stack:
        root = place
        if below:
            root = stack.enter_context(_mounted(below, place))
            stack.enter_context(_proc(root))
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        environment = {**os.environ, "root": str(root), "suite": _suite(), "mirror": _mirror(), "LC_ALL": "C"}
        done = subprocess.run(
            ["sh", "-euc", recipe],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def _suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def _mirror() -> str:
    """Where this machine's own apt has Debian from; empty: nobody says, so debootstrap's default."""
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(RELEASE)"],
        capture_output=True,
        text=True,
        check=False,
    )
    sites = [line.split() for line in said.stdout.splitlines()]
    return next((site for site, origin, release in sites if (origin, release) == ("Debian", _suite())), "")


@contextmanager
def _mounted(below: Sequence[Path], upper: Path) -> Iterator[Path]:
    """These layers under a new one, mounted where sshd lets nobody out: all folders on the way are root's alone."""
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="kdeploy-lab-", dir="/run"))
        stack.callback(place.rmdir)
        work = Path(tempfile.mkdtemp(prefix=".work-", dir=upper.parent))
        stack.callback(shutil.rmtree, work)
        layers = ":".join(map(str, below))
        options = f"lowerdir={layers},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, place], check=True)
        stack.callback(lambda: subprocess.run(["umount", "-l", place], check=True))
        place.chmod(0o755)
        yield place


@contextmanager
def _proc(root: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    try:
        yield
    finally:
        _end_all_in(root)
        subprocess.run(["umount", "-l", root / "proc"], check=True)


def _end_all_in(root: Path) -> None:
    """SIGKILL whatever runs in a chroot."""

    def gone() -> bool:
        left = processes_in(root)
        for pid in left:
            send_signal(pid, signal.SIGKILL)
        return not left

    wait_until(gone, f"nothing runs in {root}")


def processes_in(root: Path) -> list[int]:
    """Processes that live in a chroot."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(folder / "root") == str(root):
                found.append(int(folder.name))
    return found


class ChrootSshd(Sshd):
    """An sshd whose sessions live in a chroot."""

    def _variables(self) -> list[str]:
        home = f"/home/{self.user()}" if self.accounts else "/root"
        return [f"SetEnv {MARKER}={self.folder} HOME={home}\n"]


@dataclass
class Machine:
    """A machine in a chroot: `root` is its file system, `layer` what was written since it exists."""

    root: Path
    layer: Path
    server: ChrootSshd

    def environment(self, name: str = "board") -> Environment:
        """How kdeploy reaches it."""
        return self.server.environment(name)

    def run(self, *command: str, check: bool = True) -> str:
        """stdout of a command there, as root."""
        done = subprocess.run(
            ["chroot", self.root, *command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"},
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def without(self, *commands: str) -> None:
        """Take commands away."""
        for command in commands:
            for folder in ("usr/bin", "usr/sbin"):
                (self.root / folder / command).unlink(missing_ok=True)

    def writes(self) -> dict[str, tuple[int, int]]:
        """All that the machine's own layer holds: size and time by path."""
        found: dict[str, tuple[int, int]] = {}
        for place, folders, files in os.walk(self.layer):
            for name in (*folders, *files):
                path = Path(place, name)
                state = path.lstat()
                found[str(path.relative_to(self.layer))] = (state.st_size if name in files else 0, state.st_mtime_ns)
        return found


@contextmanager
def machine(folder: Path, layers: Sequence[Path], *, account: bool = False) -> Iterator[Machine]:
    """A machine over these layers, its own layer below `folder`; with `account` its user is not root."""
    with ExitStack() as stack:
        layer = folder / "layer"
        layer.mkdir(parents=True, mode=0o755)
        root = stack.enter_context(_mounted(layers, layer))
        (root / "proc").mkdir(exist_ok=True)
        stack.enter_context(_proc(root))
        _devices(root / "dev")
        server = ChrootSshd(folder / "sshd", accounts=account, options={"ChrootDirectory": str(root)})
        stack.enter_context(server)
        if account:
            _add_account(root, server)
        yield Machine(root, layer, server)


def _devices(folder: Path) -> None:
    for name, numbers in (("null", (1, 3)), ("zero", (1, 5)), ("urandom", (1, 9))):
        path = folder / name
        path.unlink(missing_ok=True)
        os.mknod(path, 0o020666, os.makedev(*numbers))
        path.chmod(0o666)


def _add_account(root: Path, server: Sshd) -> None:
    """The account that sshd knows is known inside, too."""
    name, uid = server.user(), server.home().stat().st_uid
    with (root / "etc/passwd").open("a") as accounts:
        accounts.write(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
    with (root / "etc/shadow").open("a") as passwords:
        passwords.write(f"{name}:*:19000:0:99999:7:::\n")
    with (root / "etc/group").open("a") as groups:
        groups.write(f"{name}:x:{uid}:\n")
    home = root / "home" / name
    home.mkdir(parents=True)
    os.chown(home, uid, uid)
