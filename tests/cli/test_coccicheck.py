"""`kdeploy coccicheck` with the real spatch on a small source tree."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.program import kdeploy, running
from tests.cli.test_displays import at_terminal
from tests.lab.processes import is_alive, wait_until
from tests.lab.source_tree import MASKED, REPORTS, SourceTree, needs_spatch

SLOW = REPORTS + "import os, time\nopen('slow.pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    return SourceTree.made(tmp_path / "linux")


@needs_spatch
def test_the_first_run_is_the_baseline_of_later_ones(tree: SourceTree) -> None:
    tree.write("scripts/coccinelle/broken.cocci", "virtual report\n@r@\nexpression E\n@@\n- E\n")
    first = kdeploy("coccicheck", tree.root, "-v")
    assert first.status == 1
    assert first.stdout.splitlines() == [
        "report: 2 findings of 2 semantic patches in 3 files",
        "    lib/twice.c:6:1: ERROR: freed on line 5 already [freed]",
        "    drivers/masked.c:3:9: WARNING: negated before it is masked [negated]",
        "  stored as the baseline of 2 semantic patches",
    ]
    assert sorted(line.partition("] ")[0] for line in first.stderr.splitlines()[:3]) == ["[1/3", "[2/3", "[3/3"]
    assert "freed.cocci: 1 finding in " in first.stderr
    assert "broken.cocci does not parse: line 4, column 0, near '@@'" in first.stderr
    assert "what to do:" in first.stderr

    (tree.root / "scripts/coccinelle/broken.cocci").unlink()
    tree.write("lib/twice.c", f"\n\n{tree.root.joinpath('lib/twice.c').read_text()}")
    (tree.root / "drivers/masked.c").rename(tree.root / "drivers/moved.c")
    later = kdeploy("coccicheck", tree.root, "--fail-on-new")
    assert later.status == 1
    headline, *rest = later.stdout.splitlines()
    assert ", 1 new, 1 gone since " in headline
    assert rest == [
        "  + drivers/moved.c:3:9: WARNING: negated before it is masked [negated]",
        "  - drivers/masked.c:3:9: WARNING: negated before it is masked [negated]",
        "    1 more: -v lists all",
    ]

    quiet = kdeploy("coccicheck", tree.root, "--baseline", "--fail-on-new", "--quiet", "--mode", "report")
    assert (quiet.status, quiet.stdout, quiet.stderr) == (0, "", "")
    after = kdeploy("coccicheck", tree.root, "--fail-on-new", "--json")
    assert after.status == 0
    assert [(each["new"], each["gone"]) for each in after.json["patches"]] == [([], []), ([], [])]


@needs_spatch
def test_differences_are_shown_and_not_made(tree: SourceTree) -> None:
    done = kdeploy("coccicheck", tree.root, "--mode", "patch", "-v")
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines() == [
        "patch: 1 finding of 1 semantic patch in 3 files",
        "    drivers/masked.c:3 [negated]",
        "      -       return !flags & 4;",
        "      +       return !(flags & 4);",
        "  stored as the baseline of 1 semantic patch",
        "  left out: scripts/coccinelle/free/freed.cocci: it has no such mode, only report",
    ]
    assert (tree.root / "drivers/masked.c").read_text() == MASKED


@needs_spatch
def test_what_could_not_be_looked_at_is_told(tree: SourceTree) -> None:
    tree.write("own.cocci", REPORTS + 'print("a line of its own")\nraise ValueError("no")\n')
    tree.write("org.cocci", "virtual org\n")
    done = kdeploy("coccicheck", tree.root, "--cocci", "own.cocci", "--cocci", "org.cocci", "-j", "1")
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[2:] == [
        "  own.cocci could not look at 2 files: drivers/masked.c, lib/twice.c",
        "  own.cocci said 2 lines that name no file",
        "  left out: 1 semantic patch, -v says why",
    ]


@needs_spatch
def test_ctrl_c_ends_it_at_once_with_all_that_runs(tree: SourceTree) -> None:
    tree.write("scripts/coccinelle/slow.cocci", SLOW)
    mark = tree.root / "slow.pid"
    with running("coccicheck", tree.root, "-j", "1", start_new_session=True) as program:
        wait_until(lambda: mark.exists() and mark.read_text() != "", "spatch runs", 60)
        spatch = int(mark.read_text())
        os.kill(program.pid, signal.SIGINT)
        _, complained = program.communicate(timeout=60)
    assert program.returncode == 5
    assert complained.splitlines()[-1] == "interrupted"
    assert not is_alive(spatch)
    (tree.root / "scripts/coccinelle/slow.cocci").unlink()
    assert "0 new, 0 gone" in kdeploy("coccicheck", tree.root).stdout, "what had ended was not stored"


@needs_spatch
def test_a_terminal_gets_a_picture_and_its_cursor_back(tree: SourceTree) -> None:
    status, said = at_terminal(["coccicheck", str(tree.root)])
    assert status == 0
    assert "of 2 semantic patches, " in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert "[1/2]" not in said


def test_without_spatch_it_says_where_to_get_it(tree: SourceTree, tmp_path: Path) -> None:
    done = kdeploy("coccicheck", tree.root, PATH=str(tmp_path))
    assert done.status == 1
    assert "E-COCCI-MISSING" in done.stderr
    assert "Install coccinelle" in done.stderr


@pytest.mark.parametrize("arguments", [("--limit", "soon"), ("--limit", "0s")])
def test_a_mistake_in_the_command_has_status_2(tree: SourceTree, arguments: tuple[str, str]) -> None:
    done = kdeploy("coccicheck", tree.root, *arguments)
    assert done.status == 2
    assert "--limit" in done.stderr
