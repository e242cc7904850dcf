"""Large files are hashed while they arrive, and are what was planned or not placed, whatever the machine lacks."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kdeploy_gui import defaults, resources
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import ContentChanged
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement
from tests.contract.local_shell import LocalShell
from tests.contract.peers import busybox_path
from tests.lab.processes import wait_until
from tests.rehearsal import MemoryContent

NOTING = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
exec {real} "$@"
"""
DATA = os.urandom(3 * defaults.RESUME_FROM + 12_345)


class Pieces(MemoryContent):
    """Content that comes piece by piece."""

    def read(self, path: str) -> Iterator[bytes]:
        data = self.data[path]
        return (data[at : at + defaults.CHUNK] for at in range(0, len(data), defaults.CHUNK))


class Machine:
    """This computer with a HOME of its own, and commands for SHA-256 that note what they are asked for."""

    def __init__(self, folder: Path, shell: str, openssl: str) -> None:
        self.commands, self.log, self.home = folder / "bin", folder / "log", folder / "home"
        self.home.mkdir(parents=True)
        path = busybox_path(self.commands) if shell == "busybox" else link_all(self.commands)
        self._note("sha256sum", shutil.which("sha256sum") or "")
        self._note("openssl", openssl)
        self.log.touch()
        interpreter = (shutil.which("busybox") or "", "sh") if shell == "busybox" else ("/bin/dash",)
        content = Pieces({"image": DATA, "small": b"small"})
        self.shell = LocalShell(interpreter, self.home, path)
        self.target = ShellTarget(self.shell, content)

    def _note(self, command: str, real: str) -> None:
        (self.commands / command).unlink(missing_ok=True)
        if real:
            (self.commands / command).write_text(NOTING.format(log=self.log, real=real))
            (self.commands / command).chmod(0o755)

    def batch(self, planned: bytes = DATA) -> Batch:
        """A large and a small file; `planned` is what the large one shall be."""
        sums = (hashlib.sha256(planned).hexdigest(), hashlib.sha256(b"small").hexdigest())
        entries = [
            ManifestEntry(str(self.home / "to" / name), sha256, 0o644, "", size)
            for name, sha256, size in zip(("image", "small"), sums, (len(planned), 5), strict=True)
        ]
        return Batch(1, tuple(Placement(each, Path(each.path).name) for each in entries), ())


def link_all(folder: Path) -> str:
    """A PATH of links to the commands of this computer."""
    folder.mkdir()
    for each in os.defpath.split(":"):
        for command in Path(each).glob("*") if each else ():
            if not (folder / command.name).exists():
                (folder / command.name).symlink_to(command)
    return str(folder)


@pytest.fixture(params=["dash", "busybox"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    return Machine(tmp_path, request.param, "")


async def test_a_large_file_is_read_once(machine: Machine) -> None:
    await machine.target.place(machine.batch(), lambda _: None)

    assert (machine.home / "to/image").read_bytes() == DATA
    asked = machine.log.read_text().splitlines()
    assert len([each for each in asked if each in {"", "-"}]) == 1, "by a pipe"
    assert [each.rpartition("/")[2] for each in asked if each.startswith("-c ")] == ["sums"]


OPENSSL = {"works": 'exec {real} "$@"', "fails": "exit 1", "lies": "echo {zeros} '*/dev/null'; echo {zeros} '*'\"$5\""}


def openssl(folder: Path, behaviour: str) -> str:
    """A command of that name."""
    real = shutil.which("openssl")
    if real is None:
        pytest.skip("there is no openssl here")
    command = folder / f"openssl-{behaviour}"
    command.write_text(f"#!/bin/sh\n{OPENSSL[behaviour].format(real=real, zeros='0' * 64)}\n")
    command.chmod(0o755)
    return str(command)


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("behaviour", OPENSSL)
async def test_openssl_hashes_large_files_where_it_works(tmp_path: Path, behaviour: str, shell: str) -> None:
    real, works = openssl(tmp_path, behaviour), behaviour == "works"
    machine = Machine(tmp_path, shell, real)
    paths = [str(machine.home / "to" / name) for name in ("image", "small")]

    await machine.target.place(machine.batch(), lambda _: None)
    placed = machine.log.read_text().splitlines()
    machine.log.write_text("")
    fresh = Machine(tmp_path / "again", shell, real)
    found = await fresh.target.survey(paths)

    assert [found[path].sha256 for path in paths] == [hashlib.sha256(each).hexdigest() for each in (DATA, b"small")]
    looked = fresh.log.read_text().splitlines()
    assert placed.count("dgst -sha256 -r") == (2 if works else 1), "tried on nothing first"
    assert len([each for each in placed if each in {"", "-"}]) == (0 if works else 1)
    asked = f"dgst -sha256 -r /dev/null {' '.join(paths)}"
    assert looked == [asked] if works else looked == [asked, f"-- {' '.join(paths)}"]


@pytest.mark.parametrize("shell", ["dash", "busybox"])
@pytest.mark.parametrize("behaviour", OPENSSL)
async def test_openssl_checks_what_is_large_together(tmp_path: Path, behaviour: str, shell: str) -> None:
    machine = Machine(tmp_path, shell, openssl(tmp_path, behaviour))
    data = {f"b\\{number} *": os.urandom(25_000) for number in range(250)}
    target = ShellTarget(machine.shell, Pieces(data))
    batch = Batch(1, tuple(placement(machine, name, body) for name, body in data.items()), ())

    await target.place(batch, lambda _: None)

    paths = [each.entry.path for each in batch.sent]
    assert [Path(path).read_bytes() for path in paths] == list(data.values())
    placed = machine.log.read_text().splitlines()
    assert len([each for each in placed if each.startswith("-c ")]) == (0 if behaviour == "works" else 1)
    found = await target.survey(paths)
    assert [found[path].sha256 for path in paths] == [hashlib.sha256(each).hexdigest() for each in data.values()]


@pytest.mark.parametrize("at", [1, 249])
async def test_openssl_finds_the_file_that_differs(tmp_path: Path, at: int) -> None:
    machine = Machine(tmp_path, "dash", openssl(tmp_path, "works"))
    data = {f"file-{number}": os.urandom(20_000) for number in range(250)}
    target = ShellTarget(machine.shell, Pieces({**data, f"file-{at}": data["file-2"]}))
    batch = Batch(1, tuple(placement(machine, name, body) for name, body in data.items()), ())

    with pytest.raises(ContentChanged, match=f"file-{at}"):
        await target.place(batch, lambda _: None)

    assert not (machine.home / "to").exists() or not list((machine.home / "to").iterdir())
    assert "dgst" in machine.log.read_text()


@pytest.mark.parametrize("shell", ["dash", "busybox"])
async def test_a_file_that_nobody_may_read_has_no_hash_and_takes_none_from_others(tmp_path: Path, shell: str) -> None:
    machine = Machine(tmp_path, shell, openssl(tmp_path, "works"))
    body = os.urandom(5_000_000)
    for name in ("before", "after"):
        (machine.home / name).write_bytes(body)
    os.symlink("/proc/self/mem", machine.home / "none")
    script = resources.text("remote/transaction.sh") + 'sha256_of 9999999 "$@"'

    done = await machine.shell.run(script, [str(machine.home / name) for name in ("before", "none", "after")])

    digest = hashlib.sha256(body).hexdigest()
    assert done.text.splitlines() == [f"{digest}  {machine.home / name}" for name in ("before", "after")]


async def test_a_little_is_not_worth_starting_openssl(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "dash", openssl(tmp_path, "works"))
    target = ShellTarget(machine.shell, Pieces({"a": b"a"}))
    batch = Batch(1, (placement(machine, "a", b"a"),), ())

    await target.place(batch, lambda _: None)
    await target.survey([each.entry.path for each in batch.sent])

    assert "dgst" not in machine.log.read_text()


def placement(machine: Machine, name: str, data: bytes) -> Placement:
    """A file of a batch."""
    path = str(machine.home / "to" / name)
    return Placement(ManifestEntry(path, hashlib.sha256(data).hexdigest(), 0o644, "", len(data)), name)


async def test_without_a_way_to_follow_it_it_is_read_again(machine: Machine) -> None:
    (machine.commands / "dd").unlink()

    await machine.target.place(machine.batch(), lambda _: None)

    assert (machine.home / "to/image").read_bytes() == DATA
    asked = machine.log.read_text().splitlines()
    assert [each.rpartition("/")[2] for each in asked if each.startswith("-c ")] == ["sums", "sums_large"]


@pytest.mark.parametrize("at", [0, len(DATA) - 1])
async def test_one_byte_that_differs_is_found(machine: Machine, at: int) -> None:
    planned = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]

    with pytest.raises(ContentChanged, match="image"):
        await machine.target.place(machine.batch(planned), lambda _: None)

    assert not (machine.home / "to/image").exists()
    assert not (machine.home / "to/small").exists()


async def test_nothing_goes_on_reading_when_a_transfer_is_cut_short(machine: Machine) -> None:
    arrived = asyncio.Event()

    def told(count: int) -> None:
        if count > len(DATA) // 2:
            arrived.set()

    placing = asyncio.create_task(machine.target.place(machine.batch(), told))
    await arrived.wait()

    placing.cancel()
    await asyncio.gather(placing, return_exceptions=True)

    wait_until(lambda: not followers(machine.home), "the reader ends")


def followers(home: Path) -> list[int]:
    """Processes with that HOME."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"HOME={home}\0".encode() in (each / "environ").read_bytes():
                found.append(int(each.name))
    return found
