"""The program as a process: killed, told to end, started twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdeploy_gui.doctor import home_folders
from tests.cli.program import BUFFERED, Json, Lab, kdeploy
from tests.lab.chaos import Chaos, Direction
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import leftovers

SIZE = 3_000_000
RATE = 300_000
"""Bytes per second: the transfer takes long enough to be met in its middle."""
RAISED = "This plugin does not support raise()\n"
"""What the offscreen platform says when a window is brought to the front."""
PLAIN = ("-c", "from kdeploy_gui.__main__ import window; window()")
TELLING = ("-m", "tests.ui.telling_window")
DEPLOYING = ("-m", "tests.ui.deploying_window")


@contextmanager
def window(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A window of its own process; killed if the test ends first."""
    environment = {**os.environ, **BUFFERED, "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(
        [sys.executable, *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_open(home: Path) -> bool:
    return (home / "window.sock").exists() or any(home.rglob("window.sock"))


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path, sshd: Sshd, chaos: Chaos) -> Lab:
    """One machine behind a slow line, and a plan with a large file."""
    lab = Lab(kdeploy_home, tmp_path / "plan")
    lab.add(chaos.environment(sshd.environment("board-a")))
    lab.write_plan(size=SIZE)
    return lab


def reach_the_transfer(chaos: Chaos) -> None:
    chaos.rate = RATE
    wait_until(lambda: chaos.passed[Direction.TO_SERVER] > SIZE // 10, "bytes move", 30)


def newest() -> Json:
    runs: list[Json] = kdeploy("history", "--json").json["runs"]
    return runs[0]


@pytest.mark.sshd
def test_a_killed_window_leaves_an_interrupted_run_that_can_be_retried(lab: Lab, sshd: Sshd, chaos: Chaos) -> None:
    with window(*DEPLOYING, str(lab.plan)) as process:
        reach_the_transfer(chaos)
        process.kill()
        process.wait()
    chaos.rate = 0
    assert newest()["outcome"] == "interrupted"
    wait_until(lambda: chaos.open_connections == 0, "the killed window's connection ends")

    assert kdeploy("retry", str(newest()["run"])).status == 0

    assert (sshd.home() / "suite/big.bin").read_bytes() == (lab.folder / "big.bin").read_bytes()
    assert leftovers(sshd.home()) == []


@pytest.mark.sshd
def test_the_window_after_a_killed_one_says_what_was_interrupted_and_what_to_do(lab: Lab, chaos: Chaos) -> None:
    with window(*DEPLOYING, str(lab.plan)) as process:
        reach_the_transfer(chaos)
        process.kill()
        process.wait()

    with window(*TELLING) as second:
        said, _ = second.communicate(timeout=60)

    assert second.returncode == 0, said
    told = json.loads(said.splitlines()[-1])
    assert (told["run"], told["state"], told["rows"]) == ("Run 1", "Interrupted", ["Interrupted"])
    happened, to_do = told["notice"]
    assert happened == "Run 1 was interrupted: kdeploy ended while it went on (E-INTERRUPTED)"
    assert "Retry what failed" in to_do
    assert told["retry"]
    assert told["history"] == ["interrupted"]


@pytest.mark.sshd
def test_a_window_told_to_end_cancels_its_run_and_ends_well(lab: Lab, sshd: Sshd, chaos: Chaos) -> None:
    with window(*DEPLOYING, str(lab.plan)) as process:
        reach_the_transfer(chaos)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=100) == 0, process.stdout
    chaos.rate = 0
    assert newest()["outcome"] == "cancelled"
    placed = sshd.home() / "suite/big.bin"
    assert not placed.exists() or placed.read_bytes() == (lab.folder / "big.bin").read_bytes()
    wait_until(lambda: not leftovers(sshd.home()), "the machine cleans up")
    assert not list(lab.home.rglob("crashes/*.txt"))


def test_a_second_start_shows_the_first_window_and_ends(kdeploy_home: Path) -> None:
    with window(*PLAIN) as first:
        wait_until(lambda: is_open(kdeploy_home), "the window is open", 30)
        with window(*PLAIN) as second:
            said, _ = second.communicate(timeout=60)
            assert (second.returncode, said) == (0, "")
        assert first.poll() is None
        assert home_folders([kdeploy_home]).ok
        first.send_signal(signal.SIGTERM)
        said, _ = first.communicate(timeout=60)
        assert (first.returncode, said) == (0, RAISED)
    assert home_folders([kdeploy_home]).ok
    assert not list(kdeploy_home.rglob("crashes/*.txt"))
