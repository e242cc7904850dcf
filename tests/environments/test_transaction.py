"""A machine that goes down at any command of a commit: the next contact finishes or undoes the set."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import KdeployError, TargetError
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement, VersionedSet
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

COMMANDS = ("chmod", "cp", "ln", "mkdir", "mv", "rm", "rmdir", "sha256sum", "stat", "sync", "tar")
"""What place.sh changes the disk with, and some of what it looks with."""
DYING = """#!/bin/sh
count=$(cat {count})
count=$((count + 1))
echo "$count" > {count}
if [ "$count" -eq {at} ]; then
    {before}
    kill -KILL "$PPID"
    kill -KILL $$
fi
exec {real} "$@"
"""


class Machine:
    """This computer, with a HOME of its own and commands that kill the script which runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.home = folder / "home"
        self.count = folder / "count"
        for each in (self.root / "a", self.root / "b", self.home):
            each.mkdir(parents=True)
        self.content = MemoryContent()
        self.whole = ShellTarget(LocalShell(("/bin/sh",), self.home), self.content, "we")

    def dying_at(self, number: int, *, after: bool) -> ShellTarget:
        """The machine goes down at the `number`th command, before it or after it."""
        commands = Path(tempfile.mkdtemp(dir=self.folder))
        for name in COMMANDS:
            real = shutil.which(name)
            before = f'{real} "$@"' if after else ":"
            (commands / name).write_text(DYING.format(count=self.count, at=number, before=before, real=real))
            (commands / name).chmod(0o755)
        self.count.write_text("0")
        path = f"{commands}:{os.defpath}"
        return ShellTarget(LocalShell(("/bin/sh",), self.home, path), self.content, "we")

    def telling(self, log: Path) -> ShellTarget:
        """The machine, with each command in a log before it is done."""
        commands = Path(tempfile.mkdtemp(dir=self.folder))
        for name in COMMANDS:
            (commands / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\nexec {shutil.which(name)} "$@"\n')
            (commands / name).chmod(0o755)
        return ShellTarget(LocalShell(("/bin/sh",), self.home, f"{commands}:{os.defpath}"), self.content, "we")

    def batch(self, version: str, run: int) -> Batch:
        """Two files that exist, one that only this version has, one whose mode changes, and a set of two files."""
        names = ("a/one", "b/two", f"b/only-{version}")
        same = ManifestEntry(f"{self.root}/a/same", hashlib.sha256(b"same").hexdigest(), 0o640 + run % 2, "", 4)
        send = tuple(self._placement(name, version) for name in names)
        return Batch(run, send, (same,), keep=2, sets=(self._set(version),))

    def _set(self, version: str) -> VersionedSet:
        link = f"{self.root}/b/net"
        changed, stays = (self._placement(f"b/net/{name}", way) for name, way in (("x", version), ("in/y", "any")))
        changed, stays = replace(changed, link=link), replace(stays, link=link)
        if version == "old":
            return VersionedSet(link, (changed, stays))
        return VersionedSet(link, (changed,), (stays.entry,))

    def _placement(self, name: str, version: str) -> Placement:
        data = f"{name} {version}".encode()
        source = f"{name} {version}"
        self.content.data[source] = data
        return Placement(
            ManifestEntry(f"{self.root}/{name}", hashlib.sha256(data).hexdigest(), 0o644, "", len(data)), source
        )

    def found(self) -> dict[str, tuple[bytes, int]]:
        """Everything under the root, versions by the link that leads to one."""
        link = self.root / "b/net"
        plain = (each for each in self.root.rglob("*") if "net.kdeploy" not in str(each))
        behind = (link / each.relative_to(link.resolve()) for each in link.resolve().rglob("*"))
        files = (each for each in (*plain, *behind) if each.is_file())
        return {str(each.relative_to(self.root)): (each.read_bytes(), each.stat().st_mode & 0o777) for each in files}

    def versions(self) -> list[str]:
        """The runs whose version of the set is there; each has its list of files."""
        folder = self.root / "b/net.kdeploy"
        names = sorted(each.name for each in folder.glob("*")) if folder.exists() else []
        made = [name for name in names if not name.endswith(".files")]
        assert [f"{name}.files" for name in made] == [name for name in names if name.endswith(".files")]
        return [name.partition("-")[0] for name in made]

    def leftovers(self) -> list[Path]:
        """Staging, records and versions that were not kept to the end."""
        kept = self.home / ".cache/kdeploy/kept"
        return [
            *self.root.rglob(".kdeploy-*"),
            *(self.home / ".cache/kdeploy").glob("*.staging"),
            *(each for each in kept.glob("*") if not each.name[0].isdigit()),
        ]

    def again(self) -> None:
        """As if nothing had happened yet."""
        for each in (self.root, self.home):
            shutil.rmtree(each)
            each.mkdir()
        for name in ("a", "b"):
            (self.root / name).mkdir()
        (self.root / "a/same").write_bytes(b"same")
        (self.root / "a/same").chmod(0o600)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.again()
    return made


async def place(machine: Machine, version: str, run: int, target: ShellTarget | None = None) -> bool:
    """Whether it ended well."""
    try:
        await (target or machine.whole).place(machine.batch(version, run), lambda _: None)
    except KdeployError:
        return False
    return True


async def sweep(machine: Machine, target: ShellTarget | None = None) -> None:
    await (target or machine.whole).survey([f"{machine.root}/a/one"], sweep=True)


async def versions(machine: Machine) -> Sequence[dict[str, tuple[bytes, int]]]:
    """What stands there before and after the second version is placed."""
    assert await place(machine, "old", 1)
    before = machine.found()
    assert await place(machine, "new", 2)
    return before, machine.found()


async def test_what_finds_staged_files_after_a_power_cut_is_on_the_disk_before_them(
    machine: Machine, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    assert await place(machine, "old", 1, machine.telling(log))

    done = log.read_text().splitlines()
    recorded = next(place for place, line in enumerate(done) if line.startswith("sync") and ".staging" in line)
    staged = next(place for place, line in enumerate(done) if line.startswith("mkdir") and "/.kdeploy-" in line)
    assert recorded < staged


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_commit_cut_short_is_finished_or_undone(machine: Machine, after: bool) -> None:
    old, new = await versions(machine)
    assert len(old) == 6
    seen: list[bool] = []
    for number in range(1, 100):
        machine.again()
        assert await place(machine, "old", 1)
        if await place(machine, "new", 2, machine.dying_at(number, after=after)):
            break
        await sweep(machine)
        assert machine.found() in (old, new), number
        assert machine.leftovers() == [], number
        seen.append(machine.found() == new)
        assert machine.versions() == (["1", "2"] if seen[-1] else ["1"]), number
        if seen[-1]:
            await machine.whole.restore(2)
            assert (machine.found(), machine.versions()) == (old, ["1"]), number
    assert machine.found() == new
    assert seen == sorted(seen), "once it is committed, it stays so"
    assert {True, False} == set(seen)


async def test_finishing_may_be_cut_short_as_well(machine: Machine) -> None:
    old, new = await versions(machine)
    at = 1
    for number in range(1, 100):
        machine.again()
        assert await place(machine, "old", 1)
        while await died_too_early(machine, at):
            at += 1
        try:
            await sweep(machine, machine.dying_at(number, after=True))
        except KdeployError:
            await sweep(machine)
            assert machine.found() in (old, new), number
            assert machine.leftovers() == [], number
            continue
        break
    assert number > 3


async def died_too_early(machine: Machine, at: int) -> bool:
    """Let it die at a command of the second version; whether the journal was not on its disk yet."""
    dying = machine.dying_at(at, after=True)
    assert not await place(machine, "new", 2, dying)
    if list(machine.root.rglob("committing")):
        return False
    await sweep(machine)
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_taking_back_cut_short_is_finished_or_undone(machine: Machine, after: bool) -> None:
    old, new = await versions(machine)
    for number in range(1, 100):
        machine.again()
        assert await place(machine, "old", 1)
        assert await place(machine, "new", 2)
        try:
            await machine.dying_at(number, after=after).restore(2)
        except TargetError:
            await sweep(machine)
            assert machine.found() in (old, new), number
            assert machine.leftovers() == [], number
            assert machine.versions() == (["1"] if machine.found() == old else ["1", "2"]), number
            continue
        break
    assert (machine.found(), machine.versions()) == (old, ["1"])
    assert number > 3
