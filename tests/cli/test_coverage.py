"""`kdeploy coverage` over a real SSH server: counters of a real gcov, in a folder that stands for debugfs there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import Answer, Lab, kdeploy, running
from tests.lab.fixtures import MakeSshd
from tests.lab.gcov_tree import LINES, LINES_RUN, GcovTree, needs_lcov
from tests.lab.processes import wait_until

DEBUG = "/sys/kernel/debug"
BOUND = f"unshare -m sh -c 'mount --bind {{debug}} {DEBUG} && exec sh -c \"$SSH_ORIGINAL_COMMAND\"'"
"""Each session has a debugfs of its own."""

STUCK = """#!/bin/sh
case $1 in *.gcda) ;; *) exec /bin/cat "$@" ;; esac
copy=$(readlink /proc/$$/fd/1)
echo "$copy" >"{begun}.new"
mv "{begun}.new" "{begun}"
sleep 600
"""
"""A `cat` that never comes to the end of counters, and says where their copy is."""


def can_bind() -> bool:
    probe = ["unshare", "-m", "mount", "--bind", "/etc", DEBUG]
    return os.getuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can put a folder in the place of debugfs"),
]


@pytest.fixture
def board(lab: Lab, make_sshd: MakeSshd, tmp_path: Path) -> Path:
    """A machine `board-a` whose debugfs is the folder that this names."""
    if not can_bind():
        pytest.skip("nothing can be mounted here")
    debug = tmp_path / "debug"
    debug.mkdir()
    server = make_sshd(options={"ForceCommand": BOUND.format(debug=debug)})
    lab.add(server.environment("board-a"))
    return debug


@pytest.fixture
def kernel(board: Path, tmp_path: Path) -> GcovTree:
    board.rmdir()
    return GcovTree.made(tmp_path)


def collect(tmp_path: Path, *words: str | Path) -> Answer:
    return kdeploy("coverage", "board-a", "--out", tmp_path / "out", *words)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


@needs_lcov
def test_counters_become_a_report_of_the_build_that_runs(kernel: GcovTree, tmp_path: Path) -> None:
    counters = kernel.notes.read_bytes()

    done = collect(tmp_path, "--build-tree", kernel.tree, "--json")

    assert done.status == 0, done.stdout + done.stderr
    data, report = done.json["data"], done.json["report"]
    folder = Path(data["folder"])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert names(tmp_path / "out") == [folder.name]
    assert folder.name.startswith("board-a-")
    assert folder.name.endswith(f"-{boot[:8]}")
    assert (folder / "gcda" / kernel.notes.relative_to(kernel.debug / "gcov")).read_bytes() == counters
    about = json.loads((folder / "about.json").read_text())
    assert (about["boot_id"], about["kernel_release"]) == (boot, os.uname().release)
    assert about["files"] == data["files"] == 1
    assert (report["sources"], report["lines"], report["lines_run"]) == (1, LINES, LINES_RUN)
    page = Path(report["page"])
    assert "board-a" in page.read_text()
    assert f"SF:{kernel.tree}/fs/open.c" in (folder / "report" / "coverage.info").read_text()
    assert list(page.parent.rglob("open.c.gcov.html")), "the source was not found at its place here"
    assert (kernel.debug / "gcov" / "reset").read_text() == ""


def test_without_a_build_tree_there_are_the_counters_and_reset_comes_after_them(
    kernel: GcovTree, tmp_path: Path
) -> None:
    done = collect(tmp_path, "--reset")

    assert done.status == 0, done.stderr
    assert "1 file of counters" in done.stdout
    assert "all counters there were set to zero after that" in done.stdout
    assert (kernel.debug / "gcov" / "reset").read_text() == "1\n"
    (folder,) = (tmp_path / "out").iterdir()
    assert names(folder) == ["about.json", "gcda"]


@needs_lcov
def test_another_build_is_refused_with_both_values(kernel: GcovTree, tmp_path: Path) -> None:
    notes = bytearray(Path("/sys/kernel/notes").read_bytes())
    at = notes.index(b"GNU\0") + 4
    before, notes[at] = notes[at], notes[at] ^ 1
    kernel.build(notes=bytes(notes))
    done = collect(tmp_path, "--build-tree", kernel.tree, "--json")
    assert (done.status, done.json["error"]["code"]) == (2, "E-COVERAGE-BUILD")
    assert all(f"{each:02x}" in done.json["error"]["message"] for each in (before, notes[at]))

    (kernel.tree / "vmlinux").unlink()
    (kernel.tree / "include/config/kernel.release").write_text("6.1.0-other\n")
    done = collect(tmp_path, "--build-tree", kernel.tree, "--json")
    assert (done.status, done.json["error"]["code"]) == (2, "E-COVERAGE-BUILD")
    assert "it is 6.1.0-other, what runs is " + os.uname().release in done.json["error"]["message"]
    assert not (tmp_path / "out").exists()


@needs_lcov
def test_a_build_without_its_notes_leaves_the_counters(kernel: GcovTree, tmp_path: Path) -> None:
    (kernel.tree / "fs" / "open.gcno").unlink()
    done = collect(tmp_path, "--build-tree", kernel.tree, "--json")
    (folder,) = (tmp_path / "out").iterdir()
    assert (done.status, done.json["error"]["code"]) == (2, "E-COVERAGE-NOTES")
    assert str(folder) in done.json["error"]["remedy"]
    assert names(folder) == ["about.json", "gcda"]


def test_tools_that_are_missing_are_named_with_their_packages(kernel: GcovTree, tmp_path: Path) -> None:
    done = collect(tmp_path, "--build-tree", kernel.tree, "--gcov", "gcov-of-nobody", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "E-COVERAGE-TOOLS")
    assert "gcov-of-nobody" in done.json["error"]["message"]
    assert "apt install lcov gcc" in done.json["error"]["remedy"]


@pytest.mark.parametrize(("folder", "code"), [("gcov/linux", "E-COVERAGE-EMPTY"), ("other", "E-COVERAGE-ABSENT")])
def test_kernels_that_count_nothing(board: Path, tmp_path: Path, folder: str, code: str) -> None:
    (board / folder).mkdir(parents=True)
    done = collect(tmp_path, "--json")
    assert (done.status, done.json["error"]["code"]) == (1, code)
    assert names(tmp_path / "out") == []


def test_what_has_no_place_to_go_is_said(kernel: GcovTree, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = kdeploy("coverage", "board-a", "--out", tmp_path / "file" / "out", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "E-WRITE")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda each: each.name)
def test_one_that_is_ended_in_the_middle_leaves_no_folder_with_a_name(
    lab: Lab, make_sshd: MakeSshd, tmp_path: Path, number: signal.Signals
) -> None:
    debug, stubs, begun, out = (tmp_path / each for each in ("debug", "stubs", "begun", "out"))
    (debug / "gcov").mkdir(parents=True)
    (debug / "gcov" / "open.gcda").touch()
    stubs.mkdir()
    (stubs / "cat").write_text(STUCK.format(begun=begun))
    (stubs / "cat").chmod(0o755)
    bound = BOUND.format(debug=debug).replace("exec sh", f"PATH={stubs}:$PATH exec sh")
    server = make_sshd(options={"ForceCommand": bound})
    lab.add(server.environment("board-a"))

    with running("coverage", "board-a", "--out", out, start_new_session=True) as program:
        wait_until(begun.exists, "the first file is read")
        program.send_signal(number)
        status = program.wait()

    there = Path(begun.read_text().strip()).parents[1]
    assert there.name.startswith(".kdeploy-")
    if number is signal.SIGINT:
        assert (status, names(out)) == (5, [])
        wait_until(lambda: not there.exists(), "nothing is left there")
    else:
        assert [each for each in names(out) if not each.endswith(".part")] == []
        assert len(names(out)) == 1
        server.stop()
        shutil.rmtree(there)
