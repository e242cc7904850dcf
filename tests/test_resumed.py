"""Large files whose transfer a lost link cut short: the next attempt, or the next run, goes on where they were."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import Lab
from tests.lab.chaos import Chaos, Direction
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.soak.board import Board
from tests.soak.kills import Fault, Tally, report, soak, strike

pytestmark = pytest.mark.sshd

MIB = 1 << 20
SIZE = 9 * MIB
REACHED = 6 * MIB
RATE = 6 * MIB


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path) -> Lab:
    """An empty lab, and a folder for plans."""
    return Lab(kdeploy_home, tmp_path / "plan")


@pytest.fixture
def board(lab: Lab, sshd: Sshd, chaos: Chaos) -> Board:
    """A machine with the first version of a large file."""
    return Board(lab, sshd, chaos, SIZE)


@pytest.mark.parametrize("fault", Fault)
def test_a_large_file_goes_on_where_it_was(board: Board, fault: Fault) -> None:
    passed = board.chaos.passed
    board.chaos.rate = RATE
    before = passed[Direction.TO_SERVER]
    with board.deploying(1) as process:
        wait_until(lambda: passed[Direction.TO_SERVER] - before >= REACHED, "most of the bytes pass", 30)
        strike(board, fault, process)
        cut = passed[Direction.TO_SERVER]
        assert board.torn() == []
        board.chaos.rate = 0
        status = process.wait(60)
    if fault is Fault.CLIENT:
        board.settle()
        cut = passed[Direction.TO_SERVER]
        status = board.deploy(1)
    assert status == 0
    (note,) = board.notes()
    found = re.fullmatch(r"/.*/files/large resumed at ([0-9.]+) of 9\.0 MiB", note)
    assert found, note
    assert float(found[1]) >= 1
    sent = passed[Direction.TO_SERVER] - cut
    assert sent < board.total - (float(found[1]) - 1) * MIB
    assert board.differs(1) == []
    board.settle()
    assert (board.left(), board.orphans(), board.is_locked()) == ([], [], False)


def test_what_nobody_goes_on_with_is_removed(board: Board) -> None:
    """Killed on the way to the second version; then the first one is wanted again, and stands there already."""
    board.chaos.rate = RATE
    before = board.chaos.passed[Direction.TO_SERVER]
    with board.deploying(1) as process:
        wait_until(lambda: board.chaos.passed[Direction.TO_SERVER] - before >= REACHED, "most of the bytes pass", 30)
        process.kill()
        process.wait()
    board.settle()
    wait_until(lambda: not board.orphans(), "the machine sees that nobody is there")
    assert board.left()
    assert board.deploy(0) == 0
    assert (board.notes(), board.left(), board.differs(0)) == ([], [], [])


def test_the_soak_counts_what_it_finds(tmp_path_factory: pytest.TempPathFactory) -> None:
    tally = soak("1KiB", 4, 7, tmp_path_factory.mktemp("soak"))
    assert (tally.points, tally.failures, set(tally.faults)) == (4, 0, set(Fault)), tally
    head, line = report([tally])
    assert head.split()[:2] == ["size", "points"]
    assert "torn 0, leftovers 0, orphans 0, locks 0, unmended 0" in line
    assert Tally("1KiB", torn=1, locks=2).failures == 3
