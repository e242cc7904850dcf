"""The log on the screen: follow, scroll, fold, search, wrap and select as a user does."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.event import StageStarted
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.painting import breaks, columns_of
from kdeploy_gui.ui.log.rows import tell
from kdeploy_gui.ui.log.view import LogView
from kdeploy_gui.ui.look import Look
from tests.ui.log.story import Story, failed_story, index_all, passed_story

Key = Qt.Key


class Live:
    """A running stage with many lines, and more when asked."""

    def __init__(self, view: LogView, lines: int) -> None:
        self.view = view
        self.story = Story()
        self.story.tell(StageStarted(), Stage.DEPENDENCIES)
        self.document = LogDocument(self.story.read, "vm-kasan", 118)
        self.view.set_document(self.document)
        self.taken = 0
        self.more(lines)

    def more(self, lines: int, text: str = "line") -> None:
        self.story.output(b"".join(f"{text} {number}\n".encode() for number in range(lines)), Stage.DEPENDENCIES)
        self.document.add(tell(self.story.events[self.taken :]))
        self.taken = len(self.story.events)
        index_all(self.document)
        self.view.refresh()


@pytest.fixture
def view(look: Look, qtbot: QtBot) -> LogView:
    made = LogView(look)
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show()
    return made


def wheel(view: LogView, notches: int) -> None:
    spot = QPointF(50, 50)
    event = QWheelEvent(
        spot,
        view.viewport().mapToGlobal(spot),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


def test_the_end_is_followed_until_one_scrolls_up(view: LogView) -> None:
    live = Live(view, 100)
    assert (view.following, view.is_at_end) == (True, True)

    wheel(view, 1)
    assert (view.following, view.is_at_end) == (False, False)
    top = view.document.address(view.position[0])
    live.more(46)
    assert view.document.address(view.position[0]) == top
    assert view.new_lines == 46

    QTest.keyClick(view, Key.Key_End)
    assert view.following
    assert view.is_at_end
    assert view.new_lines == 0
    live.more(10)
    assert view.is_at_end


@pytest.mark.parametrize("how", ["Page up", "Scroll bar", "Arrow"])
def test_every_way_up_ends_following(view: LogView, how: str) -> None:
    Live(view, 100)
    if how == "Page up":
        QTest.keyClick(view, Key.Key_PageUp)
    elif how == "Scroll bar":
        view.verticalScrollBar().setValue(view.verticalScrollBar().value() - 5)
    else:
        QTest.keyClick(view, Key.Key_Home)

    assert not view.following


def test_scrolling_down_to_the_end_follows_again(view: LogView) -> None:
    Live(view, 100)
    wheel(view, 3)
    assert not view.following
    wheel(view, -3)
    assert view.following


def test_a_click_folds_a_stage_and_rows_stay(view: LogView) -> None:
    view.set_document(failed_story().document())
    rows = view.count()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(60, 5))
    assert view.count() == rows + 4
    assert not view.following

    QTest.keyClick(view, Key.Key_Left)
    assert view.count() == rows
    assert view.text_of(view.current).startswith("Stages 1 to 4 passed, Done, folded")
    QTest.keyClick(view, Key.Key_Return)
    assert view.count() == rows + 4
    QTest.keyClick(view, Key.Key_Down)
    QTest.keyClick(view, Key.Key_Right)
    assert view.count() > rows + 4


def test_stages_are_stepped_through(view: LogView) -> None:
    view.set_document(failed_story().document())
    view.select(0)
    view.step_stage(1)
    assert view.text_of(view.current).startswith("5 Instrumentation setup, Failed, open. Stopped")
    view.step_stage(-1)
    assert view.current == 0


def test_lines_are_selected_and_copied(view: LogView) -> None:
    view.set_document(failed_story().document())
    view.select(2)
    QTest.keyClick(view, Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected() == (2, 3)
    assert view.accessibleDescription().endswith("target all quiet")

    QTest.keyClick(view, Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().split("\n")[0] == "vm-kasan, run 118, 5 instrumentation setup"
    assert view.copied(raw=True)() == "BUG: KASAN: slab-use-after-free\nall quiet"

    QTest.keyClick(view, Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert view.selected() == (0, view.count() - 1)


def test_dragging_selects_rows(view: LogView) -> None:
    Live(view, 100)
    view.place(10)
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(300, 20))
    first = view.current
    view.mouseMoveEvent(_move(100))
    view.mouseMoveEvent(_move(view.viewport().height() + 30))

    assert view.selected()[0] == first
    assert view.selected()[1] > first + 5


def _move(y: int) -> QMouseEvent:
    spot = QPointF(300, y)
    button = Qt.MouseButton.LeftButton
    return QMouseEvent(QEvent.Type.MouseMove, spot, spot, button, button, Qt.KeyboardModifier.NoModifier)


def test_wrapped_lines_can_be_scrolled_through(view: LogView) -> None:
    live = Live(view, 3)
    live.more(1, "x" * 9000)
    live.more(2)
    view.set_wrap(True)
    assert view.horizontalScrollBar().maximum() == 0
    long_row = next(row for row in range(view.count()) if view.lines_in(row) > 1)
    assert view.lines_in(long_row) > view.viewport().height() // view.line_height
    assert view.is_at_end
    positions = [view.position]
    for _ in range(100):
        view.scroll_lines(-1)
        positions.append(view.position)

    assert positions == sorted(positions, reverse=True)
    assert positions[-1] == (0, 0)
    assert (long_row, 5) in positions
    assert view.row_at(view.viewport().height() - 1) > 0

    view.set_wrap(False)
    view.grab()
    assert view.horizontalScrollBar().maximum() > 1000


def test_the_place_is_kept_when_more_comes_and_when_the_size_changes(view: LogView) -> None:
    live = Live(view, 200)
    view.place(50)
    view.scroll_lines(-10)
    address = view.document.address(view.position[0])
    live.more(100)
    view.resize(700, 220)

    assert view.document.address(view.position[0]) == address
    view.follow_end()
    view.resize(900, 300)
    assert view.is_at_end


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_is_painted(view: LogView, look: Look, theme: str) -> None:
    look.set_theme(theme)
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    hostile = "\x1b[31mred\x1b[0m <b>x</b> \u202e\x00 日本語 e\u0301 kasan KASAN\n".encode() + b"\xff\n"
    story.output(hostile + b"E: broken\n" + b"y" * 50_000 + b"\n", Stage.DEPENDENCIES)
    view.set_document(story.document())
    view.set_needle("kasan")
    view.hit = view.document.address(1)
    before = view.grab().toImage()
    view.set_needle("")
    assert view.grab().toImage() != before
    view.set_times(False)
    view.set_wrap(True)
    view.select(1)
    view.grab()

    assert not view.times


def test_an_empty_log_says_so(view: LogView) -> None:
    blank = view.grab().toImage()
    view.say("Nothing has happened here yet")
    assert view.grab().toImage() != blank
    for key in (Key.Key_Down, Key.Key_PageUp, Key.Key_Left, Key.Key_End):
        QTest.keyClick(view, key)
    view.show_time(view.document.begin)
    view.copy()
    assert view.selected() == (-1, -1)
    assert view.here == (0, 0, 0)


def test_a_time_and_an_address_are_gone_to(view: LogView) -> None:
    document = failed_story().document()
    view.set_document(document)
    view.show_time(document.begin)
    header = document.header_of(Stage.DEPENDENCIES)
    view.show_address((header[0], 0, 0))

    assert view.text_of(view.current).endswith("Reading package lists")
    assert view.sight(view.current) is not None
    assert view.sight(10_000) is None


def test_another_text_size_measures_anew(view: LogView, look: Look) -> None:
    view.set_document(passed_story().document())
    before = view.height_of(0), view.height_of(3)
    look.set_text_size(150)

    assert (view.height_of(0), view.height_of(3)) == (36, 27)
    assert before == (24, 18)


def test_columns() -> None:
    assert columns_of("日本e\u0301") == 5
    assert breaks("日本語", 4) == [0, 2]
    assert breaks("", 4) == [0]
    assert breaks("abcdefgh", 4) == [0, 4]
