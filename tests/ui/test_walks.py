"""From the empty window to a report and a run found in history: once by keyboard alone, once by mouse.

Real dialogs, real questions: nothing is answered for the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import home_from_environment
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.application import Program
from kdeploy_gui.ui.environment_form.trust import TrustPage
from kdeploy_gui.ui.errors.problem_list import Entry
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.wizard.page import REVIEW, WizardPage
from tests.ui.conftest import finish

CTRL, ALT, NONE = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.NoModifier,
)
PATIENCE = 30_000
CODES = {"E-HOSTKEY-CHANGED", "E-AUTH", "E-TOOL-MISSING"}


@pytest.fixture
def program(
    qapp: QApplication,
    look: Look,
    kdeploy_home: Path,
    ui_loop: asyncio.AbstractEventLoop,
    unexpected: list[BaseException],
) -> Iterator[Program]:
    program = Program(qapp, look, home_from_environment(), None)
    program.start(demo=False)
    yield program
    session = window_of(program).session
    session.close()
    finish(session)
    program.close()
    assert not unexpected


def window_of(program: Program) -> MainWindow:
    assert program.window is not None
    return program.window


def dialog(qtbot: QtBot) -> QDialog:
    """The question that is open."""

    def found() -> list[QDialog]:
        return [each for each in QApplication.topLevelWidgets() if isinstance(each, QDialog) and each.isVisible()]

    qtbot.waitUntil(lambda: len(found()) == 1, timeout=PATIENCE)
    asked = found()[0]
    qtbot.waitUntil(lambda: asked.isActiveWindow() and asked.focusWidget() is not None, timeout=PATIENCE)
    return asked


def buttons(parent: QWidget) -> dict[str, QPushButton]:
    return {each.text(): each for each in parent.findChildren(QPushButton) if each.isVisible()}


class Keyboard:
    """Keys, to where the keyboard goes at that time."""

    def __init__(self, program: Program, qtbot: QtBot) -> None:
        self._program = program
        self._qtbot = qtbot

    def press(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        QTest.keyClick(self._focus(), key, modifiers)

    def write(self, text: str) -> None:
        QTest.keyClicks(self._focus(), text)

    def tab_to(self, wanted: QWidget) -> None:
        """Tab until it has the focus: it must be reachable."""
        for _ in range(60):
            if wanted.hasFocus():
                return
            self.press(Qt.Key.Key_Tab)
        raise AssertionError(f"{wanted} is not reached by Tab")

    def _focus(self) -> QWidget:
        """A closed question gives it back: offscreen, where no window manager does it, by our hand."""
        if QApplication.platformName() == "offscreen" and QApplication.activeWindow() is None:
            window_of(self._program).activateWindow()
        self._qtbot.waitUntil(lambda: QApplication.activeWindow() is not None, timeout=PATIENCE)
        to = QApplication.focusWidget() or QApplication.activeWindow()
        assert to is not None
        return to


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def in_demo(program: Program, qtbot: QtBot) -> MainWindow:
    qtbot.waitUntil(
        lambda: program.window is not None and program.window.windowTitle() == "kdeploy - demo lab", timeout=PATIENCE
    )
    window = window_of(program)
    window.resize(1440, 900)
    machines = window.session.machines
    qtbot.waitUntil(window.isActiveWindow, timeout=PATIENCE)
    qtbot.waitUntil(
        lambda: (
            len(machines.environments) == 6 and not any(machines.is_checking(e.name) for e in machines.environments)
        ),
        timeout=PATIENCE,
    )
    return window


def wizard(window: MainWindow, qtbot: QtBot) -> WizardPage:
    qtbot.waitUntil(lambda: isinstance(window.current(), WizardPage), timeout=PATIENCE)
    page = window.current()
    assert isinstance(page, WizardPage)
    return page


def see_each_failure(window: MainWindow, move: Callable[[], None]) -> None:
    """Each of the three is told whole; ends on the changed host key."""
    seen: set[str] = set()
    for _ in range(12):
        cause = window.errors.cause
        if cause is not None:
            seen.add(cause.newest.failure.code)
            assert_told_whole(window)
            if seen == CODES and cause.newest.failure.code == "E-HOSTKEY-CHANGED":
                return
        move()
    raise AssertionError(f"only {seen} were seen")


def assert_told_whole(window: MainWindow) -> None:
    """The page says what happened, where, how the target is now, and what to do."""
    cause = window.errors.cause
    assert cause is not None
    failure = cause.newest.failure
    said = "\n".join(each.text() for each in window.errors.detail.findChildren(QLabel) if each.isVisible())
    for part in (sentence(failure.message), cause.newest.environment, failure.on_target, failure.remedy):
        assert part
        assert part in said
    assert window.errors.detail.actions_shown


def assert_run_is_open(window: MainWindow, run: int, qtbot: QtBot) -> None:
    """The run of the history is shown in the fleet view, as it ended."""
    page = window.fleet.fleet
    qtbot.waitUntil(lambda: window.current() is window.fleet and page.model.run.run == run, timeout=PATIENCE)
    assert page.isVisible()
    assert page.header.name.text() == f"Run {run}"
    assert page.model.rowCount() == 6
    assert page.header.left.text() == "Failed"


def is_trusted(window: MainWindow) -> bool:
    check = window.session.machines.result("board-4-reflashed")
    return check is not None and check.failure is None


def ended(window: MainWindow, run: int) -> Callable[[], bool]:
    def check() -> bool:
        state = window.session.runs.state(run)
        return state is not None and state.outcome is not None

    return check


def assert_mended(window: MainWindow) -> None:
    state = window.session.runs.state(2)
    assert state is not None
    assert state.outcome is Outcome.SUCCEEDED
    assert list(state.environments) == ["board-4-reflashed"]
    assert state.environments["board-4-reflashed"].ready


def test_by_keyboard_alone(program: Program, qtbot: QtBot, tmp_path: Path) -> None:
    keys = Keyboard(program, qtbot)
    qtbot.waitUntil(window_of(program).isActiveWindow, timeout=PATIENCE)
    qtbot.waitUntil(window_of(program).fleet.start.isVisible, timeout=PATIENCE)
    keys.press(Qt.Key.Key_K, CTRL)
    keys.write("start demo")
    keys.press(Qt.Key.Key_Return)
    window = in_demo(program, qtbot)

    keys.press(Qt.Key.Key_N, CTRL)
    page = wizard(window, qtbot)
    for _ in range(REVIEW):
        keys.press(Qt.Key.Key_Return, CTRL)
    qtbot.waitUntil(page.forward.isEnabled, timeout=PATIENCE)
    keys.press(Qt.Key.Key_Return, CTRL)
    qtbot.waitUntil(lambda: window.errors.inbox.open_count == 3, timeout=PATIENCE)

    keys.press(Qt.Key.Key_2, CTRL)
    moves = iter([Qt.Key.Key_Up] * 4 + [Qt.Key.Key_Down] * 4 + [Qt.Key.Key_Up] * 4)
    see_each_failure(window, lambda: keys.press(next(moves)))
    keys.press(Qt.Key.Key_1, ALT)
    trust = window.current()
    assert isinstance(trust, TrustPage)
    pin = next(each for each in trust.findChildren(QPushButton) if "pin" in each.text().lower())
    qtbot.waitUntil(lambda: pin.isVisible() and pin.isEnabled(), timeout=PATIENCE)
    keys.tab_to(pin)
    keys.press(Qt.Key.Key_Space)
    keys.tab_to(buttons(dialog(qtbot))["Replace the pin"])
    keys.press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: is_trusted(window), timeout=PATIENCE)

    keys.press(Qt.Key.Key_2, CTRL)
    moves = iter([Qt.Key.Key_Up] * 4 + [Qt.Key.Key_Down] * 4 + [Qt.Key.Key_Up] * 4)
    see_each_failure(window, lambda: keys.press(next(moves)))
    keys.press(Qt.Key.Key_3, ALT)
    dialog(qtbot)
    keys.press(Qt.Key.Key_Return)
    qtbot.waitUntil(ended(window, 2), timeout=PATIENCE)
    assert_mended(window)

    keys.press(Qt.Key.Key_1, CTRL)
    keys.press(Qt.Key.Key_E, CTRL)
    assert isinstance(dialog(qtbot), QFileDialog)
    report = tmp_path / "report.html"
    keys.write(str(report))
    keys.press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: report.exists() and "</html>" in report.read_text(), timeout=PATIENCE)
    assert "board-4-reflashed" in report.read_text()

    keys.press(Qt.Key.Key_3, CTRL)
    keys.press(Qt.Key.Key_F, CTRL)
    keys.write("code:E-AUTH")
    rows = window.history.view.model()
    qtbot.waitUntil(lambda: rows.rowCount() == 1, timeout=PATIENCE)
    assert rows.index(0, 0).data() == "1"
    keys.press(Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: rows.rowCount() == 2, timeout=PATIENCE)
    keys.press(Qt.Key.Key_End)
    keys.press(Qt.Key.Key_Return)
    assert_run_is_open(window, 1, qtbot)


def test_by_mouse(program: Program, qtbot: QtBot, tmp_path: Path) -> None:
    qtbot.waitUntil(window_of(program).isActiveWindow, timeout=PATIENCE)
    qtbot.waitUntil(window_of(program).fleet.start.isVisible, timeout=PATIENCE)
    click(buttons(window_of(program).fleet.start)["Start demo lab"])
    window = in_demo(program, qtbot)

    click(window.top.new)
    page = wizard(window, qtbot)
    for step in range(REVIEW):
        assert page.bar.current == step
        click(page.forward)
    qtbot.waitUntil(page.forward.isEnabled, timeout=PATIENCE)
    assert page.forward.text() == "Deploy to 6 environments"
    click(page.forward)
    qtbot.waitUntil(lambda: window.errors.inbox.open_count == 3, timeout=PATIENCE)

    click(window.top.add("errors", "Errors"))
    choose(window, "E-TOOL-MISSING")
    choose(window, "E-AUTH")
    choose(window, "E-HOSTKEY-CHANGED")
    click(buttons(window.errors.detail)["Compare keys..."])
    trust = window.current()
    pin = next(each for each in trust.findChildren(QPushButton) if "pin" in each.text().lower())
    qtbot.waitUntil(lambda: pin.isVisible() and pin.isEnabled(), timeout=PATIENCE)
    click(pin)
    click(buttons(dialog(qtbot))["Replace the pin"])
    qtbot.waitUntil(lambda: is_trusted(window), timeout=PATIENCE)

    click(window.top.add("errors", "Errors"))
    choose(window, "E-HOSTKEY-CHANGED")
    click(buttons(window.errors.detail)["Retry..."])
    click(buttons(dialog(qtbot))["Retry"])
    qtbot.waitUntil(ended(window, 2), timeout=PATIENCE)
    assert_mended(window)

    qtbot.waitUntil(lambda: "Report..." in buttons(window.fleet), timeout=PATIENCE)
    click(buttons(window.fleet)["Report..."])
    asked = dialog(qtbot)
    assert isinstance(asked, QFileDialog)
    report = tmp_path / "report.html"
    name = asked.findChild(QLineEdit)
    assert name is not None
    name.setText(str(report))
    click(next(each for text, each in buttons(asked).items() if "Save" in text.replace("&", "")))
    qtbot.waitUntil(lambda: report.exists() and "</html>" in report.read_text(), timeout=PATIENCE)

    click(window.top.add("history", "History"))
    rows = window.history.view.model()
    qtbot.waitUntil(lambda: rows.rowCount() == 2, timeout=PATIENCE)
    click(window.history.filter.field)
    QTest.keyClicks(window.history.filter.field, "code:E-AUTH")  # a filter is typed, whatever hand is on the mouse
    qtbot.waitUntil(lambda: rows.rowCount() == 1, timeout=PATIENCE)
    at = window.history.view.visualRect(rows.index(0, 0)).center()
    QTest.mouseClick(window.history.view.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    QTest.mouseDClick(window.history.view.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    assert_run_is_open(window, 1, qtbot)


def choose(window: MainWindow, code: str) -> None:
    """Click the entry of a failure."""
    view = window.errors.list
    for row in range(view.problems.rowCount()):
        if isinstance(view.problems.item(view.problems.index(row)), Entry):
            at = view.visualRect(view.problems.index(row)).center()
            QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, NONE, at)
        cause = window.errors.cause
        if cause is not None and cause.newest.failure.code == code:
            assert_told_whole(window)
            return
    raise AssertionError(f"{code} is not in the list")
