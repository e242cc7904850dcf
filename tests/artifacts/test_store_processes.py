"""Stores whose programs are killed anywhere, and stores that several programs use at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from kdeploy_gui.artifacts.store import ArtifactStore
from tests.artifacts.racing import ROUNDS, RUNS
from tests.artifacts.stores import check_whole

POINTS = 60
"""Points at which a program is killed, at least: fewer would mean that the work was not watched."""
DEADLINE = 280


def test_a_store_survives_a_kill_at_every_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.artifacts.killed", tmp_path],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= POINTS


def test_programs_that_work_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    numbers = range(1, 4)
    with ExitStack() as ending:
        programs = []
        for number in numbers:
            command = [sys.executable, "-m", "tests.artifacts.racing", str(tmp_path), str(number)]
            programs.append(ending.enter_context(subprocess.Popen(command)))
            ending.callback(programs[-1].kill)
        assert [each.wait(DEADLINE) for each in programs] == [0] * len(programs)
    store = ArtifactStore(tmp_path / "artifacts")
    check_whole(store)
    assert store.verify().good
    shelf = store.shelf()
    assert {each.run for each in shelf.runs} == {number * RUNS + at for number in numbers for at in range(ROUNDS)}
    numbered = [int(each.version) for each in shelf.named("shared")]
    assert numbered == sorted(numbered, reverse=True)
    assert numbered[0] == len(numbers) * ROUNDS
