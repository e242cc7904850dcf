"""Runs as a table over pages of the history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from PySide6.QtCore import QModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.event import Body, EnvironmentFinished, Event, RunFinished
from kdeploy_gui.model.history import RunCount, RunField, RunQuery, RunTerm
from kdeploy_gui.model.stage import Outcome, Status
from kdeploy_gui.ui.history.table import PAGE, PIECES, Column, RunTable
from kdeploy_gui.ui.session import Session
from tests.ui.history.past import Past, failure

ROOT = QModelIndex()
BOARD = ("board-1",)


@pytest.fixture
def past(session: Session) -> Past:
    return Past(session.services.history)


def searched(session: Session, qtbot: QtBot, query: RunQuery | None = None) -> RunTable:
    table = RunTable(session, session.bridge)
    with qtbot.waitSignal(table.counted):
        table.search(query or RunQuery())
    return table


def runs_of(table: RunTable) -> list[int]:
    return [int(str(table.index(row, Column.RUN).data())) for row in range(table.rowCount())]


def text(table: RunTable, run: int, column: Column, role: int = Qt.ItemDataRole.DisplayRole) -> str:
    return str(table.index(table.row_of(run), column).data(role))


def test_older_pages_are_appended_when_they_are_asked_for(
    session: Session, past: Past, qtbot: QtBot, qtmodeltester: ModelTester
) -> None:
    for _ in range(PAGE + 20):
        past.run(environments=BOARD)
    table = searched(session, qtbot)
    qtmodeltester.check(table)  # type: ignore[no-untyped-call]
    assert runs_of(table) == list(range(PAGE + 20, 20, -1))

    assert table.canFetchMore(ROOT)
    table.fetchMore(ROOT)
    table.fetchMore(ROOT)

    qtbot.waitUntil(lambda: table.rowCount() == PAGE + 20)
    assert runs_of(table) == list(range(PAGE + 20, 0, -1))
    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert not table.canFetchMore(ROOT)
    table.fetchMore(ROOT)
    assert table.row_of(1) == PAGE + 19
    assert table.row_of(PAGE + 21) == -1


def test_a_new_search_is_not_mixed_with_pages_of_the_one_before(session: Session, past: Past, qtbot: QtBot) -> None:
    for number in range(PAGE + 20):
        past.run(environments=BOARD, plan="odd" if number % 2 else "even")
    table = searched(session, qtbot)
    odd = RunQuery(terms=(RunTerm(RunField.PLAN, "odd"),))

    table.fetchMore(ROOT)
    table.search(RunQuery(search="nothing is called so"))
    table.search(odd)
    table.fetchMore(ROOT)

    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert runs_of(table) == list(range(PAGE + 20, 0, -2))


def test_the_way_to_an_old_run_is_read_at_once(session: Session, past: Past, qtbot: QtBot) -> None:
    for _ in range(PAGE + 20):
        past.run(environments=BOARD)
    table = RunTable(session, session.bridge)

    with qtbot.waitSignal(table.counted):
        table.search_through(3)

    assert table.row_of(3) == PAGE + 17


def test_matches_are_counted_among_all_runs(session: Session, past: Past, qtbot: QtBot) -> None:
    for code in ("E-NOSPC", "E-AUTH", "E-NOSPC"):
        past.run(environments=BOARD, failed={"board-1": failure(code, "board-1")})
    table = RunTable(session, session.bridge)

    with qtbot.waitSignal(table.counted) as counted:
        table.search(RunQuery(terms=(RunTerm(RunField.CODE, "E-NO*"),)))

    assert counted.args == [RunCount(2, 3)]
    assert runs_of(table) == [3, 1]


def test_a_run_that_goes_on_is_shown_as_it_is_now(session: Session, past: Past, qtbot: QtBot) -> None:
    run = past.run(timedelta(minutes=3), environments=("board-1", "board-2"), outcome=None)
    table = searched(session, qtbot)
    assert text(table, run, Column.OUTCOME) == "Running"
    session.runs.open(run)
    state = session.runs.state
    qtbot.waitUntil(lambda: state(run) is not None)
    seen = state(run)
    assert seen is not None

    failed = EnvironmentFinished(Status.FAILED, False, failure("E-NOSPC", "board-2"))
    events: list[tuple[Body, str]] = [
        (EnvironmentFinished(Status.COMPLETED, True), "board-1"),
        (failed, "board-2"),
        (RunFinished(Outcome.FAILED), ""),
    ]
    for seq, (body, name) in enumerate(events, start=seen.last_seq + 1):
        now = seen.submitted or table.record(0).submitted  # type: ignore[union-attr]
        event = Event(seq=seq, time=now + timedelta(minutes=4), run=run, body=body, environment=name)
        session.services.history.append([event])

    qtbot.waitUntil(lambda: text(table, run, Column.OUTCOME) == "Failed E-NOSPC board-2")
    assert text(table, run, Column.ENVIRONMENTS) == "1 of 2 ready"
    assert text(table, run, Column.TIME) == "4:00"
    session.services.history.release(run)


def test_runs_that_came_meanwhile_are_put_on_top(session: Session, past: Past, qtbot: QtBot) -> None:
    past.run(environments=BOARD)
    table = searched(session, qtbot)
    newer = past.run(environments=BOARD)

    with qtbot.waitSignals([table.rowsInserted, table.counted]):
        table.look_for_newer()

    assert runs_of(table) == [newer, 1]


def test_a_page_of_newer_runs_begins_the_list_anew(session: Session, past: Past, qtbot: QtBot) -> None:
    past.run(environments=BOARD)
    table = searched(session, qtbot)
    for _ in range(PAGE + 1):
        past.run(environments=BOARD)

    with qtbot.waitSignal(table.modelReset):
        table.look_for_newer()

    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert runs_of(table) == list(range(PAGE + 2, 2, -1))


def test_every_cell_says_what_it_is_and_foreign_text_stays_text(session: Session, past: Past, qtbot: QtBot) -> None:
    hostile = "<b>bold</b>\x1b[31m\u202e"
    run = past.run(plan=hostile, environments=BOARD)
    table = searched(session, qtbot)

    assert text(table, run, Column.PLAN) == r"<b>bold</b>\x1b[31m\u202e"
    assert text(table, run, Column.PLAN, Qt.ItemDataRole.ToolTipRole).startswith("<qt>&lt;b&gt;bold")
    for column, said in zip(
        Column, ["Run 1", r"Plan <b>", "Started ", "Time 6:10", "Environments 1 of 1"], strict=False
    ):
        assert text(table, run, column, Qt.ItemDataRole.AccessibleTextRole).startswith(said)
    assert table.index(0, Column.OUTCOME).data(PIECES)[0].icon == "check-circle"
    assert table.index(0, Column.OUTCOME).data(Qt.ItemDataRole.EditRole) is None
