"""Fixtures for real peers, available to every test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kdeploy_gui.model.environment import Environment
from tests.lab import debian, guest_image, notifications
from tests.lab import libvirtd as daemons
from tests.lab.chaos import Chaos
from tests.lab.debian import Machine
from tests.lab.guest import GuestFiles
from tests.lab.guest import guest_files as copy_guest_files
from tests.lab.libvirtd import Domain, Libvirtd
from tests.lab.notifications import SessionBus
from tests.lab.sshd import Sshd, sshd_program

MakeSshd = Callable[..., Sshd]
Mount = Callable[[str], Path]
MakeDisk = Callable[..., Path]
MakeMachine = Callable[..., Machine]
MakeChaos = Callable[[Environment], Chaos]


@pytest.fixture
def make_sshd(tmp_path: Path) -> Iterator[MakeSshd]:
    """Start OpenSSH servers with the settings of `Sshd`; they stop with the test."""
    if sshd_program() is None:
        pytest.skip("the OpenSSH server is not installed (openssh-server)")
    with ExitStack() as stack:
        count = 0

        def make(**settings: Any) -> Sshd:
            nonlocal count
            count += 1
            if settings.get("accounts") and os.getuid() != 0:
                pytest.skip("only root can make accounts")
            return stack.enter_context(Sshd(tmp_path / f"sshd-{count}", **settings))

        yield make


@pytest.fixture
def sshd(make_sshd: MakeSshd) -> Sshd:
    """A server with one logical host: the current user with a home of its own."""
    return make_sshd()


@pytest.fixture
def make_chaos() -> Iterator[MakeChaos]:
    """Put proxies that misbehave in front of environments."""
    with ExitStack() as stack:
        yield lambda environment: stack.enter_context(Chaos(environment.host, environment.port))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    """Mount a file system in memory with these options (`size=8m`, `ro`, ...); root only."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    with ExitStack() as stack:

        def mount(options: str) -> Path:
            place = tmp_path / f"mount {options}"
            place.mkdir()
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
            if done.returncode:
                pytest.skip(f"mounting is not possible here: {done.stderr.decode()}")
            stack.callback(lambda: subprocess.run(["umount", "-l", place], check=True))
            return place

        yield mount


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Mount a new ext4 of some MiB, made with further words for mkfs.ext4; root only, where loop devices work."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    with ExitStack() as stack:

        def make(mebibytes: int, *words: str) -> Path:
            place = tmp_path / f"disk of {mebibytes}"
            place.mkdir()
            image = tmp_path / f"{mebibytes}.img"
            with image.open("wb") as file:
                file.truncate(mebibytes << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", *words, image], check=True)
            done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True)
            if done.returncode:
                pytest.skip(f"loop devices do not work here: {done.stderr.decode()}")
            stack.callback(lambda: subprocess.run(["umount", "-l", place], check=True))
            return place

        yield make


@pytest.fixture
def chaos(sshd: Sshd, make_chaos: MakeChaos) -> Chaos:
    """A proxy in front of the `sshd` fixture's host."""
    return make_chaos(sshd.environment())


@pytest.fixture
def make_machine(tmp_path: Path) -> Iterator[MakeMachine]:
    """Start Debian machines with the settings of `debian.machine`; `managers`: dnf, zypper, pacman and pip are there.

    The first one ever is built, which takes a minute or two: its test needs a longer time limit.
    """
    reason = debian.unfit()
    if reason:
        pytest.skip(reason)
    with ExitStack() as stack:
        count = 0

        def make(*, managers: bool = False, account: bool = False) -> Machine:
            nonlocal count
            count += 1
            layers = debian.with_managers() if managers else (debian.system(),)
            return stack.enter_context(debian.machine(tmp_path / f"machine-{count}", layers, account=account))

        yield make


@pytest.fixture
def session_bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionBus]:
    """A D-Bus session of the test's own; the program finds it as it finds that of a desktop."""
    if reason := notifications.unfit():
        pytest.skip(reason)
    with TemporaryDirectory(prefix="kdn-") as folder, SessionBus(Path(folder)) as running:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", running.address)
        yield running


@pytest.fixture(scope="session")
def guest_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestFiles]:
    """Kernel, initrd and disk of the guest of this test session; the first one ever is built, in half a minute."""
    reason = guest_image.unfit()
    if reason:
        pytest.skip(f"no guests here: {reason}")
    with TemporaryDirectory(prefix="kdg-") as folder:  # pytest's folders are closed to other accounts
        Path(folder).chmod(0o755)
        yield copy_guest_files(Path(folder) / "guest")


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    """A libvirtd of this test session's own; a test that killed it starts it again."""
    reason = daemons.unfit()
    if reason:
        pytest.skip(f"no libvirt daemon here: {reason}")
    with Libvirtd() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def tiny_domain(libvirtd: Libvirtd, guest_files: GuestFiles) -> Domain:
    """The defined guest of this test session; whoever needs it up starts it and leaves it up."""
    return libvirtd.define("kd-tiny", guest_files)
