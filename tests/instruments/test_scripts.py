"""The scripts of instruments on this machine, under every shell that machines have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui import resources
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.instruments.evidence import Seen, question, seen_in
from kdeploy_gui.instruments.helper import COMPILERS, compiler, kcov_helper
from kdeploy_gui.instruments.proving import judged
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.instrument import Finding, State, Switch, Switched
from kdeploy_gui.resources import ROOT
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

EVIDENCE = resources.text("remote/kernel_config.sh") + resources.text("remote/evidence.sh")
SHELLS = [("dash",), ("bash",), ("busybox", "sh")]
every_shell = pytest.mark.parametrize("words", SHELLS, ids=lambda each: each[0])
ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "armv6l": 40, "armv7l": 40, "armv8l": 40}
"""e_machine of the ELF header, elf(5)."""
ALONE = (
    *(("unshare", "--mount") if os.getuid() == 0 else ("env",)),
    *(
        "sh",
        "-c",
        'before=$1 after=$2; shift 2; cat /proc/mounts > "$before"; "$@"; s=$?; cat /proc/mounts > "$after"; exit $s',
    ),
    "sh",
)
"""Runs a command where no other test mounts anything, and tells the mounts before and after it."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROOFS = sorted(each.stem for each in (ROOT / "remote/proofs").glob("*.sh") if each.stem != "common")


def target(words: tuple[str, ...], home: Path) -> ShellTarget:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    return ShellTarget(LocalShell((program, *words[1:]), home, PATH), MemoryContent())


async def look(words: tuple[str, ...], home: Path) -> Seen:
    script = EVIDENCE
    done = await target(words, home).execute(Command(script, (question(Catalogue().all()),)))
    seen = seen_in(done, {})
    assert seen is not None
    assert done.stderr == b""
    return seen


@every_shell
async def test_evidence_is_what_this_machine_says_itself(tmp_path: Path, words: tuple[str, ...]) -> None:
    seen = await look(words, tmp_path)
    assert seen.uid == os.getuid()
    assert seen.release == os.uname().release
    assert seen.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert seen.cmdline == Path("/proc/cmdline").read_text().strip()
    level = Path("/proc/sys/kernel/perf_event_paranoid")
    if level.exists():
        assert seen.files[str(level)] == level.read_text().strip()
    holes = Path("/sys/devices/system/cpu/vulnerabilities")
    if holes.is_dir():
        told = {path: value for path, value in seen.files.items() if path.startswith(str(holes))}
        assert told == {str(each): each.read_text().strip() for each in holes.iterdir()}


async def test_all_shells_say_the_same(tmp_path: Path) -> None:
    answers = [await look(words, tmp_path) for words in SHELLS if shutil.which(words[0])]
    assert all(
        replace(each, log=None, processes=frozenset()) == replace(answers[0], log=None, processes=frozenset())
        for each in answers
    )


@every_shell
async def test_one_round_trip_finds_all(tmp_path: Path, words: tuple[str, ...]) -> None:
    catalogue = Catalogue()
    found = await catalogue.detect(target(words, tmp_path), [each.name for each in catalogue.all()])
    assert list(found) == [each.name for each in catalogue.all()]
    assert all(each.boot_id for each in found.values())
    assert all(each.state is not State.PROVEN for each in found.values()), "looking proves nothing"


async def test_nothing_is_asked_for_no_instruments(tmp_path: Path) -> None:
    assert await Catalogue().detect(target(SHELLS[0], tmp_path), []) == {}


@every_shell
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_what_others_may_not_read_is_told_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("1")
    tmp_path.chmod(0o755)
    asked = f"file\t{closed}/file\nthere\t{closed}/f*\nfile\t/proc/no-such\nthere\t/proc/no-such*\nend\t\n"
    seen = seen_in(as_nobody(words, EVIDENCE, asked), {})
    assert seen is not None
    denied = "Permission denied"
    assert seen.unread == {**seen.unread, f"{closed}/file": denied, f"{closed}/f*": denied}
    assert seen.lacks("/proc/no-such")
    assert seen.has("/proc/no-such*") is False
    assert seen.has(f"{closed}/f*") is None


def as_nobody(words: tuple[str, ...], script: str, *arguments: str) -> Completed:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(
        [program, *words[1:], "-c", script, "sh", *arguments],
        user="nobody",
        env={"PATH": PATH},
        cwd="/",
        capture_output=True,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr)


@every_shell
@pytest.mark.parametrize("name", PROOFS)
async def test_every_proof_comes_to_an_end_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    script = resources.text("remote/proofs/common.sh") + resources.text(f"remote/proofs/{name}.sh")
    if name == "kfence" and not Path("/sys/module/kfence").exists():
        script = script.replace("sleep 1", "true")
    done = await target((*ALONE, str(before), str(after), *words), tmp_path).execute(Command(script, ("",)))
    proof = judged(name, done)
    assert proof.restored == "", done.text
    assert proof.ok is not None or proof.because or proof.cause
    assert after.read_text() == before.read_text()


@every_shell
async def test_perf_is_proven_by_what_it_counted(tmp_path: Path, words: tuple[str, ...]) -> None:
    catalogue = Catalogue()
    machine = target(words, tmp_path)
    found = (await catalogue.detect(machine, ["perf"]))["perf"]
    if found.state is not State.ACTIVE:
        pytest.skip(f"perf cannot be used here: {found.note}")
    proven = await catalogue.prove(machine, found, os.uname().machine)
    assert proven.state is State.PROVEN
    assert "task clock" in proven.shown
    assert not list(tmp_path.iterdir())


@every_shell
async def test_a_perf_that_is_broken_is_never_working(tmp_path: Path, words: tuple[str, ...]) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "perf").write_text("#!/bin/sh\necho 'WARNING: perf not found for kernel 6.1' >&2\nexit 2\n")
    (tools / "perf").chmod(0o755)
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    machine = ShellTarget(LocalShell((program, *words[1:]), tmp_path, f"{tools}:{PATH}"), MemoryContent())
    found = Finding(instrument="perf", state=State.ACTIVE, built_in=True, reachable=True)
    result = await Catalogue().prove(machine, found, "x86_64")
    assert result.state is State.OFF
    assert "perf not found for kernel" in result.note
    assert result.proven is False


PROOF = resources.text("remote/proofs/common.sh") + 'later "rm -rf $1"\nmkdir $1\n'


@every_shell
async def test_a_proof_that_is_told_to_end_puts_all_back(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = tmp_path / "made"
    done = await target(words, tmp_path).execute(Command(PROOF + "kill -TERM $$\nsay late yes\n", (str(place),)))
    assert done.status == 143
    assert not place.exists()
    assert "restored\tyes" in done.text
    assert "late" not in done.text


@every_shell
async def test_a_proof_goes_on_to_its_end_without_anybody_to_tell(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = tmp_path / "made"
    script = PROOF + "kill -HUP $$\nkill -PIPE $$\nsay end_reached yes\n"
    done = await target(words, tmp_path).execute(Command(script, (str(place),)))
    assert "end_reached\tyes" in done.text
    assert not place.exists()


@every_shell
async def test_what_cannot_be_put_back_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = resources.text("remote/proofs/common.sh") + "later 'rmdir /proc/no-such'\nsay read 1\n"
    proof = judged("vulnerabilities", await target(words, tmp_path).execute(Command(script)))
    assert proof.ok is True
    assert proof.restored == "rmdir /proc/no-such"


def switches(*paths: Path) -> Mapping[str, Switch]:
    return {str(each): Switch(cures="x", path=str(each), on="1") for each in paths}


async def throw(machine: ShellTarget, *words: str) -> Completed:
    return await machine.execute(Command(resources.text("remote/switch.sh"), words))


@every_shell
async def test_a_switch_is_thrown_read_back_and_taken_back(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = tmp_path / "switch"
    place.write_text("0 4 1 7\n")
    machine = target(words, tmp_path)
    done = await throw(machine, "write", str(place), "1", "*")
    assert done.text == f"ok\t{place}\t0 4 1 7\t1\t\n"
    thrown = Switched(switches(place)[str(place)], "0 4 1 7", "1", "boot-1")
    assert await Catalogue().take_back(machine, [thrown]) == {}
    assert place.read_text() == "0 4 1 7\n"


@every_shell
async def test_what_somebody_else_has_changed_since_stays(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = tmp_path / "switch"
    place.write_text("5\n")
    thrown = Switched(switches(place)[str(place)], "0", "1", "boot-1")
    left = await Catalogue().take_back(target(words, tmp_path), [thrown])
    assert left == {str(place): "somebody has changed it since: it is '5'"}
    assert place.read_text() == "5\n"


@every_shell
async def test_a_switch_that_does_not_move_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = await throw(target(words, tmp_path), "write", "/proc/no-such/switch", "1", "*")
    assert done.text.startswith("failed\t/proc/no-such/switch\t")


@every_shell
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
async def test_a_file_system_is_mounted_once_and_unmounted_by_whom_it_was(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    machine = target(words, tmp_path)
    mount = ("mount", str(place), "tmpfs", "*")
    umount = ("umount", str(place), "tmpfs", "*")
    done = await throw(machine, *mount, *mount, *umount, *umount)
    assert [line.split("\t")[0] for line in done.text.splitlines()] == ["ok", "same", "ok", "same"]
    assert str(place) not in Path("/proc/mounts").read_text()


@every_shell
@pytest.mark.parametrize("path", sorted(ROOT.glob("remote/proofs/*.sh")), ids=lambda each: each.name)
def test_scripts_are_sound_shell(words: tuple[str, ...], path: Path) -> None:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run([program, *words[1:], "-n", path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("machine", "number"), [*ELF_MACHINES.items()])
def test_the_helper_is_small_and_built_for_its_machine(machine: str, number: int) -> None:
    if not compiler(machine):
        pytest.skip("there is no compiler for this machine")
    text = kcov_helper(machine)
    data = bytes(int(each, 8) for each in text.split("\\")[1:])
    assert data.startswith(b"\x7fELF")
    assert int.from_bytes(data[18:20], "little") == number
    assert len(data) < 8192


def test_no_helper_is_known_for_other_machines() -> None:
    assert ELF_MACHINES.keys() == COMPILERS.keys()
    assert kcov_helper("vax") == ""


@every_shell
async def test_the_helper_says_why_it_cannot_count(tmp_path: Path, words: tuple[str, ...]) -> None:
    machine = os.uname().machine
    if not compiler(machine) or Path("/sys/kernel/debug/kcov").exists() or os.getuid() != 0:
        pytest.skip("no compiler, or KCOV is here")
    script = resources.text("remote/proofs/common.sh") + resources.text("remote/proofs/kcov.sh")
    without_python = script.replace("command -v python3", "false")
    done = await target(words, tmp_path).execute(Command(without_python, (kcov_helper(machine),)))
    proof = judged("kcov", done)
    assert proof.ok is False
    assert proof.because == "open: error 2"
    assert not list(Path("/run").glob(".kdeploy-kcov*"))
