"""The contract of a target's packages, held in memory and by scripts in three shells.

apk and opkg cannot be had here: commands that answer as theirs are documented to stand for them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.defaults import CHUNK
from kdeploy_gui.environments.memory_target import MemoryMachine, MemoryTarget
from kdeploy_gui.environments.shell import READ_AHEAD
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import ContentChanged, TargetError
from kdeploy_gui.model.files import ManifestEntry, Placement
from kdeploy_gui.model.packages import Found, Installed, Kind, Meaning, Offers, Order, Presence, Wanted
from kdeploy_gui.ports import Target
from tests.contract.local_shell import LocalShell
from tests.contract.peers import busybox_path
from tests.lab.processes import wait_until
from tests.properties.peers import leftovers

FAKES = Path(__file__).parent / "fakes"
ENDINGS = {"apk": ".apk", "opkg": ".ipk"}


def ignore(_: object) -> None:
    """Output and progress that nobody looks at."""


@dataclass
class Depot:
    """A target with packages that a test can set up."""

    target: Target
    manager: str
    home: Path
    offer: Callable[[str, str], None]
    lock: Callable[[], None]
    cut: Callable[[], None]
    output: list[bytes] = field(default_factory=list)

    async def look(self, name: str, offers: Offers = Offers.NO) -> Found:
        wanted = Wanted(Kind.PACKAGE, name, versioned=True)
        return (await self.target.dependencies(self.manager, [wanted], offers))[wanted]

    async def install(self, *names: str, files: tuple[Placement, ...] = ()) -> Installed:
        order = Order(run=7, manager=self.manager, names=names, files=files)
        return await self.target.install(order, self.output.append, ignore)


def memory() -> Depot:
    machine = MemoryMachine()
    depot = machine.depot

    def offer(name: str, version: str) -> None:
        depot.offered[name] = (*depot.offered.get(name, ()), version)

    return Depot(
        MemoryTarget(machine, LocalContent()),
        "apk",
        Path("/nowhere"),
        offer,
        lambda: depot.endings.append(Installed(Meaning.LOCKED, 99, "locked")),
        lambda: depot.endings.append(Installed(Meaning.UNREACHABLE, 1, "no network")),
    )


def scripted(folder: Path, manager: str, shell: str) -> Depot:
    home, state, commands = folder / "home", folder / "state", folder / "bin"
    for each in (home, state / "installed", state / "offered", commands):
        each.mkdir(parents=True)
    shutil.copy(FAKES / f"{manager}.sh", commands / manager)
    (commands / manager).chmod(0o755)
    path, interpreter = os.defpath, [f"/bin/{shell}"]
    if shell == "busybox":
        path, interpreter = busybox_path(folder / "applets"), [shutil.which("busybox") or "busybox", "sh"]

    def offer(name: str, version: str) -> None:
        with (state / "offered" / name).open("a") as versions:
            versions.write(f"{version}\n")

    return Depot(
        ShellTarget(LocalShell(interpreter, home, f"{commands}:{path}"), LocalContent()),
        manager,
        home,
        offer,
        (state / "locked").touch,
        (state / "offline").touch,
    )


CASES = ["memory", *(f"{manager}-{shell}" for manager in ENDINGS for shell in ("dash", "bash", "busybox"))]


@pytest.fixture(params=CASES)
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> Depot:
    """Each implementation in turn."""
    if request.param == "memory":
        return memory()
    manager, _, shell = request.param.partition("-")
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    return scripted(tmp_path / "board", manager, shell)


async def test_what_is_installed_is_there_afterwards(depot: Depot) -> None:
    depot.offer("one", "1.0-r0")
    depot.offer("one", "2.0-r0")
    assert await depot.look("one") == Found(Presence.MISSING)
    offered = await depot.look("one", Offers.ALL)
    assert set(offered.offered) == {"1.0-r0", "2.0-r0"}

    ended = await depot.install("one")

    assert (ended.meaning, ended.status) == (Meaning.DONE, 0)
    assert await depot.look("one") == Found(Presence.PRESENT, "2.0-r0")
    assert b"one" in b"".join(depot.output)


async def test_what_nobody_offers_is_unknown(depot: Depot) -> None:
    ended = await depot.install("nowhere")
    assert ended.meaning is Meaning.UNKNOWN
    assert "nowhere" in ended.said
    assert (await depot.look("nowhere")).state is Presence.MISSING


async def test_who_is_at_work_is_told_apart_from_failures(depot: Depot) -> None:
    depot.offer("one", "1.0-r0")
    depot.lock()
    ended = await depot.install("one")
    assert ended.meaning is Meaning.LOCKED
    assert ended.status != 0


async def test_sources_that_cannot_be_read_are_told_apart_from_names_that_are_wrong(depot: Depot) -> None:
    depot.cut()
    assert (await depot.install("one")).meaning is Meaning.UNREACHABLE


def package_file(depot: Depot, folder: Path, *, damaged: bool = False) -> Placement:
    source = folder / f"one_3.0-r0_all{ENDINGS[depot.manager]}"
    source.write_bytes(b"bytes of a package")
    digest = hashlib.sha256(b"other bytes here !" if damaged else source.read_bytes()).hexdigest()
    path = f"{depot.home}/.cache/kdeploy/{source.name}"
    return Placement(ManifestEntry(path, digest, 0o600, size=source.stat().st_size), str(source))


async def test_files_are_installed_and_gone(depot: Depot, tmp_path: Path) -> None:
    ended = await depot.install(files=(package_file(depot, tmp_path),))
    assert ended.meaning is Meaning.DONE, ended
    found = await depot.look("one")
    assert (found.state, found.version.split("-")[0]) == (Presence.PRESENT, "3.0")
    assert leftovers(depot.home) == []


async def test_damaged_files_are_never_installed(depot: Depot, tmp_path: Path) -> None:
    with pytest.raises(ContentChanged):
        await depot.install(files=(package_file(depot, tmp_path, damaged=True),))
    assert (await depot.look("one")).state is Presence.MISSING
    assert leftovers(depot.home) == []


AHEAD = 2 * READ_AHEAD * CHUNK


class Halting(LocalContent):
    """Content of which the rest only comes when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def read(self, path: str) -> Iterator[bytes]:
        """What is read ahead, and the rest."""
        data = Path(path).read_bytes()
        yield from (data[at : at + CHUNK] for at in range(0, AHEAD, CHUNK))
        self.go_on.wait(60)
        yield data[AHEAD:]


async def test_what_a_killed_installation_left_is_swept_by_the_next_contact(tmp_path: Path) -> None:
    """SIGKILL while the files are on their way: nobody is left to clean up."""
    board, content = scripted(tmp_path / "board", "apk", "dash"), Halting()
    shell = LocalShell(["/bin/dash"], board.home, f"{tmp_path}/board/bin:{os.defpath}")
    source = tmp_path / "one_3.0-r0_all.apk"
    source.write_bytes(bytes(AHEAD + 1024))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    entry = ManifestEntry(f"{board.home}/.cache/kdeploy/{source.name}", digest, 0o600, size=AHEAD + 1024)
    order = Order(run=7, manager="apk", files=(Placement(entry, str(source)),))
    installing = asyncio.ensure_future(ShellTarget(shell, content).install(order, ignore, ignore))

    folder = board.home / ".cache/kdeploy"

    def staged() -> bool:
        return any(each.stat().st_size for each in folder.glob("*.part/new/*"))

    await asyncio.to_thread(wait_until, staged, "a part of the file is there")
    (record,) = folder.glob("*.staging")
    os.kill(int(record.read_text().splitlines()[0].removeprefix("pid:")), signal.SIGKILL)
    content.go_on.set()
    with pytest.raises(TargetError):
        await installing
    assert leftovers(board.home)
    await board.target.survey([], sweep=True)
    assert leftovers(board.home) == []
