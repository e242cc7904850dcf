"""The pane of one environment on the embedded lab, used as a user does."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.detail import log_page
from kdeploy_gui.ui.detail.log_page import StoredOutput
from kdeploy_gui.ui.detail.pane import FACTS, LOG, READINESS, STEPS, DetailPane
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.states import Condition
from tests.ui.log.story import texts

Key = Qt.Key
Control, Alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier

PERF = "present" if shutil.which("perf") else "missing"
"""What the boards of the demo, which have the tools of this machine, say of perf."""


@pytest.fixture
def run(demo: Session, qtbot: QtBot) -> int:
    """A run of the sample plan that has ended."""
    sample = demo.services.sample_plan
    assert sample is not None
    planned = demo.services.plans.check(sample)
    assert planned.plan is not None
    ended: list[int] = []
    demo.runs.ended.connect(ended.append)
    number = demo.services.submit(planned.plan)
    demo.runs.open(number)
    qtbot.waitUntil(lambda: ended == [number], timeout=30_000)
    return number


def show(pane: DetailPane, run: int, name: str, qtbot: QtBot, stage: Stage | None = None) -> None:
    pane.show_environment(run, name, stage)
    qtbot.waitUntil(lambda: pane.log.is_complete)


def shown(pane: DetailPane) -> list[str]:
    return texts(pane.log.view.document)


def test_a_failed_environment_opens_where_it_stopped(pane: DetailPane, demo: Session, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-6-bare", qtbot)

    assert pane.title.name.text() == "board-6-bare"
    assert pane.title.state.accessibleName() == "Failed"
    assert "board on 127.0.0.1" in pane.title.about.text()
    assert shown(pane)[1].startswith("[3 Dependency installation] Stopped: awk is missing")
    moved: list[Place] = []
    demo.navigator.moved.connect(moved.append)
    QTest.mouseClick(pane.title.open_error, Qt.MouseButton.LeftButton)
    assert moved == [Place(Where.ERRORS, run, "board-6-bare")]


def test_a_run_is_watched_while_it_goes_on(pane: DetailPane, demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    planned = demo.services.plans.check(sample)
    assert planned.plan is not None
    run = demo.services.submit(planned.plan)
    pane.show_environment(run, "board-1")
    qtbot.waitUntil(lambda: pane.log.is_complete and not pane.log.view.document.goes_on, timeout=30_000)

    assert shown(pane)[0].startswith("[Stages 1 to 5 passed]")
    assert shown(pane)[-1] == "Ready"
    qtbot.waitUntil(lambda: pane.title.state.accessibleName() == "Ready")
    assert not pane.title.open_error.isVisible()


def test_the_whole_log_is_searched(pane: DetailPane, demo: Session, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-1", qtbot)
    pane.focus_first()
    QTest.keyClick(pane.log.view, Key.Key_F, Control)
    QTest.keyClicks(pane.tools.field, "sent ")
    qtbot.waitUntil(lambda: pane.tools.count.text() == "1 of 13")
    assert "Sent " in pane.log.view.text_of(pane.log.view.current)

    QTest.keyClick(pane.tools.field, Key.Key_Return)
    assert pane.tools.count.text() == "2 of 13"
    QTest.keyClick(pane.tools.field, Key.Key_F3)
    assert pane.tools.count.text() == "3 of 13"
    for _ in range(3):
        QTest.keyClick(pane.tools.field, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert pane.tools.count.text() == "13 of 13"
    QTest.mouseClick(pane.tools.next, Qt.MouseButton.LeftButton)
    QTest.mouseClick(pane.tools.previous, Qt.MouseButton.LeftButton)
    demo.commands.run("log.previous_hit")
    assert pane.tools.count.text() == "12 of 13"

    pane.tools.field.setText("nowhere to be found")
    qtbot.waitUntil(lambda: pane.log.is_complete)
    assert pane.tools.count.text() == "No hit"
    QTest.keyClick(pane.tools.field, Key.Key_Escape)
    assert pane.tools.count.text() == ""
    QTest.keyClick(pane.tools.field, Key.Key_Escape)
    assert pane.log.view.hasFocus()


def test_the_keys_of_the_log(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-6-bare", qtbot)
    view = pane.log.view
    pane.focus_first()
    QTest.keyClick(view, Key.Key_W, Alt)
    QTest.keyClick(view, Key.Key_T, Alt)
    assert (view.wrap, view.times) == (True, False)

    QTest.keyClick(view, Key.Key_P, Alt)
    qtbot.waitUntil(lambda: pane.log.is_complete)
    assert "awk missing" in shown(pane)
    assert not any(text.startswith("perf present") for text in shown(pane))
    assert pane.tools.switches[0].isChecked()
    pane.log.search(f"perf {PERF}")
    qtbot.waitUntil(lambda: pane.log.hits == (1, 1))
    assert pane.tools.switches[0].isChecked() is (PERF == "missing"), "a hit that tells of no problem shows all"

    QTest.keyClick(view, Key.Key_Home)
    QTest.keyClick(view, Key.Key_BracketRight)
    assert view.text_of(view.current).startswith("3 Dependency installation")
    QTest.keyClick(view, Key.Key_BracketLeft)
    assert view.current == 0
    QTest.keyClick(view, Key.Key_BracketRight)
    QTest.keyClick(view, Key.Key_C, Control)
    assert QGuiApplication.clipboard().text().startswith(f"board-6-bare, run {run}, 3 dependency installation")
    QTest.keyClick(view, Key.Key_C, Control | Qt.KeyboardModifier.ShiftModifier)
    assert QGuiApplication.clipboard().text().startswith("3 Dependency installation")


def test_a_time_is_gone_to(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-1", qtbot)
    view, bar = pane.log.view, pane.log.bar
    pane.focus_first()
    QTest.keyClick(view, Key.Key_G, Control)
    assert bar.time.hasFocus()
    QTest.keyClicks(bar.time, "25:99")
    QTest.keyClick(bar.time, Key.Key_Return)
    assert bar.lines == "Write a time as 14:32 or 14:32:51"

    later = view.document.begin.astimezone() + timedelta(minutes=2)
    bar.time.setText(f"{later:%H:%M:%S}")
    QTest.keyClick(bar.time, Key.Key_Return)
    assert view.current == view.count() - 1
    assert view.hasFocus()
    assert not bar.time.isVisible()


def test_a_stage_is_gone_to(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    pane.tabs.setCurrentIndex(STEPS)
    show(pane, run, "board-1", qtbot, Stage.DEPLOYING)
    assert pane.tabs.currentIndex() == LOG
    assert pane.log.view.text_of(pane.log.view.current).startswith("4 Script deployment, Done, open")

    show(pane, run, "board-1", qtbot, Stage.CONNECTING)
    assert pane.log.view.text_of(pane.log.view.current).startswith("2 Environment connection")


def test_steps_say_status_start_duration_attempts_and_parts(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-6-bare", qtbot)
    pane.tabs.setCurrentIndex(STEPS)
    model = pane.steps.model

    rows = [[model.index(row, column).data() for column in range(6)] for row in range(6)]
    assert [row[0] for row in rows][2:4] == ["3 Dependency installation", "4 Script deployment"]
    assert [row[1] for row in rows] == ["Done", "Done", "Failed", "Not run", "Not run", "Not run"]
    assert all(row[2] for row in rows[:3])
    assert rows[2][4:] == ["1", "awk is missing (E-TOOL-MISSING)"]
    parts = model.index(2, 0)
    assert [model.index(row, 1, parts).data() for row in range(model.rowCount(parts))] == ["Missing", PERF.title()]


def test_facts_are_filtered(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-1", qtbot)
    pane.tabs.setCurrentIndex(FACTS)
    table = pane.facts.model
    names = [table.index(row, 0).data() for row in range(table.rowCount())]
    assert {"Kernel", "Boot id", "Load"} <= set(names)
    assert table.index(0, 2).data().startswith(("today", "yesterday"))

    pane.focus_first()
    QTest.keyClicks(pane.facts.field, "boot")
    assert [table.index(row, 0).data() for row in range(table.rowCount())] == ["Boot id"]


def test_readiness_names_what_it_stands_on(pane: DetailPane, demo: Session, run: int, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: demo.machines.condition("board-1")[0] is Condition.READY)
    show(pane, run, "board-1", qtbot)
    pane.tabs.setCurrentIndex(READINESS)
    model = pane.readiness.model
    qtbot.waitUntil(lambda: model.rowCount() == 5)

    states = {model.index(row, 0).data(): model.index(row, 1).data() for row in range(5)}
    assert states == {"Boot": "Same", "Kernel build": "Same", "Files": "Same", "Instruments": "Unknown", "Time": ""}
    assert pane.readiness.state.accessibleName() == "Ready"
    assert re.match(r"All \d+ checks passed in run \d+", pane.readiness.reason.text())
    changes = pane.readiness.changes_model
    qtbot.waitUntil(lambda: changes.rowCount() == 1)
    assert [changes.index(0, column).data() for column in (1, 2)] == ["Ready", f"run {run}"]
    assert changes.index(0, 3).data() == pane.readiness.reason.text()

    show(pane, run, "board-6-bare", qtbot)
    assert pane.readiness.empty.isVisible()


def test_nothing_is_shown_of_nothing(pane: DetailPane, demo: Session) -> None:
    assert pane.title.name.text() == ""
    assert demo.commands.why_not("log.copy") == "No run has worked on this environment yet"
    pane.show_environment(0, "board-1")
    for tab in (LOG, STEPS, FACTS, READINESS):
        pane.tabs.setCurrentIndex(tab)
        pane.grab()
    assert pane.regions() == (pane.readiness.table,)


def test_tools_lose_their_words_where_it_is_narrow(pane: DetailPane, qtbot: QtBot) -> None:
    pane.resize(760, 420)
    assert all(each.toolButtonStyle() is Qt.ToolButtonStyle.ToolButtonIconOnly for each in pane.tools.switches)
    qtbot.waitUntil(lambda: pane.minimumSizeHint().width() <= 760)
    pane.resize(1176, 420)
    assert all(each.toolButtonStyle() is not Qt.ToolButtonStyle.ToolButtonIconOnly for each in pane.tools.switches)


def test_everything_that_takes_the_focus_has_a_name(pane: DetailPane) -> None:
    widgets = [each for each in pane.findChildren(QWidget) if each.focusPolicy() != Qt.FocusPolicy.NoFocus]
    own = [each for each in widgets if not each.objectName().startswith("qt_")]

    assert [each for each in own if not each.accessibleName() and not each.parent().inherits("QAbstractItemView")] == []


def test_output_that_cannot_be_read_says_so() -> None:
    class Broken:
        def read(self, run: int, environment: str, offset: int = 0, length: int = -1) -> bytes:
            raise LocalError("E-IO", "the disk has an error")

    output = StoredOutput(Broken(), 1, "x")  # type: ignore[arg-type]

    assert output(0, 10) == b""
    assert output.problem == "the disk has an error"


def test_many_lines_are_copied_off_the_ui_thread(
    pane: DetailPane, run: int, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(pane, run, "board-1", qtbot)
    monkeypatch.setattr(log_page, "LONG", 2)
    pane.log.view.select_all()
    pane.log.copy()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text().endswith("Ready"))


def test_another_environment_takes_search_and_filter_along(pane: DetailPane, run: int, qtbot: QtBot) -> None:
    show(pane, run, "board-1", qtbot)
    pane.tools.field.setText("missing")
    pane.log.show_problems(True)
    show(pane, run, "board-6-bare", qtbot)

    assert pane.log.hits[1] >= 3
    assert "awk missing" in shown(pane)
    assert not any(text.startswith("perf present") for text in shown(pane))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_tab_is_drawn_in_every_size(pane: DetailPane, demo: Session, run: int, qtbot: QtBot, theme: str) -> None:
    show(pane, run, "board-1", qtbot)
    demo.look.set_theme(theme)
    demo.look.set_text_size(150)
    for tab in (LOG, STEPS, FACTS, READINESS):
        pane.tabs.setCurrentIndex(tab)
        qtbot.waitUntil(lambda: pane.grab().toImage().pixelColor(2, 60) == demo.look.theme.view)
    assert pane.log.bar.height() == demo.look.px(28)
    tips = [pane.facts.model.index(0, column).data(Qt.ItemDataRole.ToolTipRole) for column in range(3)]
    assert all(tips)
