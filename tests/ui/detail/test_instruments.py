"""The instruments tab: its rows from what a run told and a look found, and on the embedded lab, used by keyboard."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.instrument import Reading
from kdeploy_gui.ui.context_menu import context_menu
from kdeploy_gui.ui.detail.evidence import EvidencePopover
from kdeploy_gui.ui.detail.instrument_commands import CHECK, PROVE, STOP
from kdeploy_gui.ui.detail.instrument_rows import Notice, Row, counts, evidence_text, notice, rows, told
from kdeploy_gui.ui.detail.pane import INSTRUMENTS, DetailPane
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.ui.detail.matrix import ABSENT, CATALOGUE, FTRACE, PLAN, SPENT, TOOL, UNKNOWN, look, ran
from tests.ui.log.story import START

Key = Qt.Key
FAILURE = Failure("E-TIMEOUT", Category.NET, "no answer", on_target="", where=Place("vm"), remedy="Look at its cable.")


def texts(found: Row) -> list[str]:
    return [each.text for each in found.cells]


def test_what_was_asked_for_comes_first_and_what_is_required_before_all() -> None:
    found = rows(CATALOGUE, told(ran(SPENT, FTRACE).events), look(ABSENT, TOOL), PLAN)

    assert [each.title for each in found] == [
        "Asked for by net-smoke",
        "ftrace",
        "KASAN",
        "Found, not asked for",
        "Coccinelle",
        "KCSAN",
    ]
    assert [texts(each) for each in found] == [
        ["2"],
        ["ftrace", "Required", "its symbols are there", "/sys/kernel/tracing", "On", "Proven: 12 functions"],
        [
            "KASAN",
            "Wanted",
            "KASAN=y",
            "Yes",
            "Silent until the next boot",
            "Spent: it has reported once",
        ],
        ["2"],
        ["Coccinelle", "Off", "", "No", "Off", "Off: spatch is missing"],
        ["KCSAN", "Off", "KCSAN not set", "", "", "Absent"],
    ]
    assert counts(found) == ((Condition.PROVEN, 1), (Condition.SPENT, 1))


def test_the_newest_of_run_and_look_counts_and_the_want_stays_that_of_the_run() -> None:
    now = replace(FTRACE, wanted="off", state="off", on="no", proven="no", note="switched off", evidence=())
    later, before = look(now), look(now, later=-60.0)
    run = told(ran(FTRACE).events)

    assert texts(rows(CATALOGUE, run, later, PLAN)[1])[1:] == ["Required", "Yes", "Yes", "Off", "Off: switched off"]
    assert texts(rows(CATALOGUE, run, before, PLAN)[1])[-1] == "Proven: 12 functions"


def test_what_nobody_could_read_is_unknown() -> None:
    (_, found) = rows(CATALOGUE, {}, look(UNKNOWN), "")

    assert texts(found) == ["lockdep", "Wanted", "Unknown", "Unknown", "Unknown", "Unknown"]
    assert found.condition is Condition.UNKNOWN
    assert "/proc/lockdep_stats: not read: denied" in evidence_text(found)


def test_the_notice_says_the_worst() -> None:
    run = told(ran(SPENT, FTRACE).events)
    matrix = rows(CATALOGUE, run, None, PLAN)
    off = rows(CATALOGUE, told(ran(replace(FTRACE, on="no", state="off", note="not there")).events), None, PLAN)
    two = rows(CATALOGUE, told(ran(SPENT, replace(SPENT, instrument="lockdep")).events), None, PLAN)

    assert notice(matrix, None, "b1") == Notice("KASAN reports nothing more in this boot", "Reboot.")
    assert notice(two, None, "") == Notice("KASAN and lockdep report nothing more in this boot", "Reboot.")
    assert notice(off, None, "b1") == Notice("Required, and not shown to be on: ftrace", "Not there.")
    assert notice(rows(CATALOGUE, {}, look(ABSENT), PLAN), None, "b1") is None
    booted = notice(matrix, None, "b2")
    assert booted is not None
    assert booted.what == "The machine has booted since"
    failed = replace(look(), failure=FAILURE)
    assert notice((), failed, "b1") == Notice("No answer.", "Look at its cable.")


def test_evidence_is_copied_whole_and_hostile_bytes_are_seen() -> None:
    hostile = replace(SPENT, evidence=(Reading("dmesg", "a\x1b[31mb"),))
    (_, found) = rows(CATALOGUE, {}, look(hostile), "")

    assert evidence_text(found).splitlines() == [
        "KASAN: spent (it has reported once)",
        "boot: b1",
        f"read: {(START + timedelta(seconds=60)).astimezone().isoformat(timespec='seconds')}",
        "dmesg: a\\x1b[31mb",
        "what would help: reboot",
    ]


# On the embedded lab


@pytest.fixture
def board(pane: DetailPane, demo: Session, qtbot: QtBot) -> DetailPane:
    """The pane, with board-1 selected in the fleet."""
    qtbot.waitUntil(lambda: demo.machines.loaded)
    demo.machines.select(["board-1"])
    return pane


def looked(board: DetailPane, demo: Session, qtbot: QtBot, name: str = "board-1") -> None:
    qtbot.waitUntil(lambda: demo.instruments.going(name) is None, timeout=30_000)
    assert board.tabs.currentIndex() == INSTRUMENTS


def test_a_check_fills_the_matrix_and_a_cell_shows_its_evidence(board: DetailPane, demo: Session, qtbot: QtBot) -> None:
    board.tabs.setCurrentIndex(INSTRUMENTS)
    assert not board.instruments.table.isVisible()

    demo.commands.run(CHECK)
    assert demo.commands.why_not(CHECK) == "A check of its instruments goes on"
    looked(board, demo, qtbot)

    table, model = board.instruments.table, board.instruments.model
    assert model.rows[0].title == "Found, not asked for"
    assert len(model.rows) == 1 + len(tuple(demo.services.instruments.all()))
    assert table.hasFocus()
    assert table.currentIndex().row() == 1
    QTest.keyClick(table, Key.Key_Down)
    row = model.rows[table.currentIndex().row()]
    assert row.state is not None
    QTest.keyClick(table, Key.Key_Space)
    popover = QApplication.activePopupWidget()
    assert isinstance(popover, EvidencePopover)
    assert popover.accessibleName() == f"Evidence for {row.title}"
    QTest.keyClick(popover, Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == evidence_text(row)
    QTest.keyClick(popover, Key.Key_Escape)
    assert QApplication.activePopupWidget() is None
    QGuiApplication.clipboard().clear()
    QTest.keyClick(table, Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == evidence_text(row)


def test_a_click_asks_for_evidence_and_heads_cannot_be_chosen(board: DetailPane, demo: Session, qtbot: QtBot) -> None:
    demo.commands.run(CHECK)
    looked(board, demo, qtbot)
    table, model = board.instruments.table, board.instruments.model

    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(model.index(0, 0)).center())
    assert QApplication.activePopupWidget() is None
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(model.index(2, 2)).center())
    popover = QApplication.activePopupWidget()
    assert isinstance(popover, EvidencePopover)
    assert popover.frameGeometry().width() == demo.look.px(560)
    popover.close()


def test_the_menu_of_a_cell_copies_its_evidence(board: DetailPane, demo: Session, qtbot: QtBot) -> None:
    demo.commands.run(CHECK)
    looked(board, demo, qtbot)
    context_menu()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [each.text() for each in menu.actions() if not each.isSeparator()]
    assert texts == ["Check instruments", "Prove instruments", "Collect coverage...", "Show evidence", "Copy evidence"]
    menu.actions()[-1].trigger()
    assert QGuiApplication.clipboard().text() == evidence_text(board.instruments.model.rows[1])
    menu.close()


def test_a_machine_that_is_not_trusted_says_so_above(board: DetailPane, demo: Session, qtbot: QtBot) -> None:
    demo.machines.select(["board-4-reflashed"])
    demo.commands.run(CHECK)
    looked(board, demo, qtbot, "board-4-reflashed")

    assert board.instruments.notice.isVisible()
    assert board.instruments.what.text().startswith("The host key of board-4-reflashed is not the pinned one")


def test_a_proof_that_lasts_is_stopped(
    board: DetailPane, demo: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    future: Future[InstrumentLook] = Future()
    asked: list[bool] = []

    def start(environment: object, *, prove: bool = False) -> Future[InstrumentLook]:
        asked.append(prove)
        return future

    monkeypatch.setattr(demo.services.inventory, "start_instruments", start)
    assert demo.commands.why_not(STOP) == "No check of instruments goes on"
    demo.commands.run(PROVE)
    qtbot.waitUntil(lambda: asked == [True])
    check, prove, stop = board.instrument_tools.buttons
    assert (check.isVisible(), prove.isVisible(), stop.isVisible()) == (False, False, True)
    QTest.mouseClick(stop, Qt.MouseButton.LeftButton)
    looked(board, demo, qtbot)

    assert future.cancelled()
    assert (check.isVisible(), stop.isVisible()) == (True, False)
    assert demo.instruments.result(demo.machines.get("board-1")) is None


def test_nothing_is_looked_at_without_a_machine_or_proven_under_a_run(
    board: DetailPane, demo: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo.machines, "run_of", lambda name: 7)
    assert demo.commands.why_not(PROVE) == "Run 7 works on it"
    assert demo.commands.why_not(CHECK) == ""
    demo.machines.select([])
    assert demo.commands.why_not(CHECK) == "Select an environment first"


def test_a_closed_session_looks_at_nothing(board: DetailPane, demo: Session) -> None:
    environment = demo.machines.get("board-1")
    assert environment is not None
    demo.bridge.close()
    demo.instruments.look(environment, prove=False)
    assert demo.instruments.going("board-1") is None
