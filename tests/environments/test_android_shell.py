"""Android's shell is mksh and its commands are toybox: files come into place there as on any board."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import TargetBusy
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement
from kdeploy_gui.resources import ROOT
from tests.contract.local_shell import LocalShell
from tests.properties.peers import leftovers
from tests.rehearsal import MemoryContent

FILES = {
    "plain": b"new",
    "back\\slash *": os.urandom(1000),
    **{f"{number}": os.urandom(200_000) for number in range(25)},
}


def toybox(folder: Path) -> str:
    """A PATH with nothing but toybox."""
    program = shutil.which("toybox")
    assert program, "toybox is in packaging/system-packages/test.txt"
    folder.mkdir()
    names = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        (folder / name).symlink_to(program)
    return str(folder)


@pytest.fixture(params=["coreutils", "toybox"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> LocalShell:
    path = os.defpath if request.param == "coreutils" else toybox(tmp_path / "bin")
    home = tmp_path / "home"
    home.mkdir()
    return LocalShell(("/bin/mksh",), home, path)


def batch(run: int, folder: Path, files: dict[str, bytes]) -> Batch:
    entries = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = [ManifestEntry(str(folder / name), entries[name], 0o640, "", len(files[name])) for name in files]
    return Batch(run, tuple(Placement(each, Path(each.path).name) for each in manifest), (), keep=2)


async def test_files_come_and_are_taken_back(shell: LocalShell, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "suite"
    older = {name: data[::-1] for name, data in FILES.items()}
    for run, files in ((1, older), (2, FILES)):
        target = ShellTarget(shell, MemoryContent(files))
        facts = await target.facts(FactsQuery(health=True, folders=(str(folder),)))
        assert (facts.machine, facts.uid) == (os.uname().machine, os.getuid())
        assert (await target.facts(FactsQuery())).machine == facts.machine
        paths = [each.entry.path for each in batch(run, folder, files).sent]
        await target.survey(paths, sweep=True)
        await target.place(batch(run, folder, files), lambda _: None)
        found = await target.survey(paths)
        assert {Path(path).name: each.sha256 for path, each in found.items()} == {
            name: hashlib.sha256(data).hexdigest() for name, data in files.items()
        }
        assert {each.mode for each in found.values()} == {0o640}
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == FILES

    back = await ShellTarget(shell, MemoryContent()).restore(2)

    assert len(back.restored) == len(FILES)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == older
    assert not leftovers(tmp_path / "home")


async def test_its_lock_is_one(shell: LocalShell, tmp_path: Path) -> None:
    state = tmp_path / "home/.cache/kdeploy"
    state.mkdir(parents=True)
    target = ShellTarget(shell, MemoryContent(FILES))
    with (state / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TargetBusy):
            await target.survey((), sweep=True)
        with pytest.raises(TargetBusy):
            await target.place(batch(1, tmp_path / "home/suite", FILES), lambda _: None)
    await target.survey((), sweep=True)


@pytest.mark.parametrize("words", [("mksh", "-n"), ("yash", "-n")], ids=["mksh", "yash"])
def test_all_scripts_are_sound_there(words: Sequence[str]) -> None:
    scripts = sorted(ROOT.glob("remote/**/*.sh"))
    assert scripts
    for script in scripts:
        done = subprocess.run([*words, script], capture_output=True, text=True, check=False)
        assert (script.name, done.returncode, done.stderr) == (script.name, 0, "")
