"""The fleet grid under the hand: cursor, selection, drilling, and rows that move only when nobody touches them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import StageProgress
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.progress import grid as grid_module
from kdeploy_gui.ui.progress.grid import NOW_LEAST, FleetGrid
from kdeploy_gui.ui.progress.model import COLUMNS, Column, FleetModel
from tests.ui.progress.runs import MIB, NOW, SPLAT, Story, failure, net_smoke


def grid_of(story: Story, look: Look, qtbot: QtBot, *, calm: float = 0.0, width: int = 1176) -> FleetGrid:
    QCursor.setPos(5000, 5000)  # where a test before this one left it, it could keep rows where they are
    model = FleetModel()
    model.show(story.state, NOW)
    grid = FleetGrid(look, model, calm=calm)
    model.setParent(grid)
    qtbot.addWidget(grid)
    grid.resize(width, 400)
    grid.show()
    grid.activateWindow()
    grid.setFocus()
    qtbot.waitUntil(grid.hasFocus)
    return grid


def model_of(grid: FleetGrid) -> FleetModel:
    model = grid.model()
    assert isinstance(model, FleetModel)
    return model


def point(grid: FleetGrid, name: str, column: int) -> QPoint:
    model = model_of(grid)
    return grid.visualRect(model.index(model.place(name), column)).center()


def fail(grid: FleetGrid, story: Story, name: str) -> None:
    story.at = 192
    story.failed(name, 1, because=SPLAT, took=1)
    model_of(grid).update(story.state, {name}, NOW)


def test_enter_drills_into_the_stage_under_the_cursor(look: Look, qtbot: QtBot) -> None:
    grid = grid_of(net_smoke(), look, qtbot)
    drilled: list[tuple[str, Stage | None]] = []
    grid.drilled.connect(lambda name, stage: drilled.append((name, stage)))

    assert grid.current == "vm-kasan"
    QTest.keyClick(grid, Qt.Key.Key_Return)
    for _ in range(Column.STAGES + 3):
        QTest.keyClick(grid, Qt.Key.Key_Right)
    QTest.keyClick(grid, Qt.Key.Key_Down)
    QTest.keyClick(grid, Qt.Key.Key_Enter)
    QTest.mouseDClick(
        grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point(grid, "vm-gcov", 2)
    )

    assert drilled == [("vm-kasan", None), ("imx8mp-evk-2", Stage.DEPLOYING), ("vm-gcov", Stage.PREPARING)]


def test_a_click_chooses_and_tells_once(look: Look, qtbot: QtBot) -> None:
    grid = grid_of(net_smoke(), look, qtbot)
    chosen: list[str] = []
    grid.chosen.connect(chosen.append)

    for column in (4, 5):
        QTest.mouseClick(
            grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point(grid, "rpi5-net", column)
        )
    QTest.keyClick(grid, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)

    assert chosen == ["rpi5-net", "vm-stock"]
    assert grid.chosen_names() == ("rpi5-net", "vm-stock")
    assert grid.currentIndex().column() == 5


def test_names_are_chosen_as_far_as_they_are_shown(look: Look, qtbot: QtBot) -> None:
    grid = grid_of(net_smoke(), look, qtbot)

    grid.choose(["vm-gcov", "somewhere-else", "am62-sk"])
    assert grid.chosen_names() == ("am62-sk", "vm-gcov")
    assert grid.current == "am62-sk"
    grid.choose(["somewhere-else"])
    assert grid.chosen_names() == ("am62-sk", "vm-gcov")


def test_rows_move_when_nobody_touches_them_and_the_selection_follows_the_name(look: Look, qtbot: QtBot) -> None:
    story = net_smoke()
    grid = grid_of(story, look, qtbot)
    grid.go_to("vm-gcov", 5)

    fail(grid, story, "vm-gcov")

    qtbot.waitUntil(lambda: model_of(grid).place("vm-gcov") == 1)
    assert grid.current == "vm-gcov"
    assert grid.chosen_names() == ("vm-gcov",)
    assert (grid.currentIndex().row(), grid.currentIndex().column()) == (1, 5)


def test_rows_do_not_move_under_the_hand(look: Look, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(grid_module, "time", SimpleNamespace(monotonic=lambda: now))
    story = net_smoke()
    grid = grid_of(story, look, qtbot, calm=0.6)
    before = [row.name for row in model_of(grid).shown()]

    def look_again(seconds: float) -> list[str]:
        nonlocal now
        now += seconds
        grid._moving.timeout.emit()
        return [row.name for row in model_of(grid).shown()]

    fail(grid, story, "vm-gcov")
    for _ in range(4):
        QTest.keyClick(grid, Qt.Key.Key_Down)
        assert look_again(0.5) == before

    assert look_again(0.09) == before
    assert look_again(0.02).index("vm-gcov") == 1


def test_the_columns_fit_and_now_goes_first_where_there_is_no_room(look: Look, qtbot: QtBot) -> None:
    grid = grid_of(net_smoke(), look, qtbot)
    seen: list[bool] = []

    for width in (2300, 1176, 1000, 760):
        grid.resize(width, 400)
        shown = [grid.columnWidth(column) for column in range(COLUMNS) if not grid.isColumnHidden(column)]
        assert sum(shown) == grid.viewport().width()
        seen.append(not grid.isColumnHidden(Column.NOW))
        assert grid.isColumnHidden(Column.NOW) or grid.columnWidth(Column.NOW) >= NOW_LEAST

    assert seen == [True, True, False, False]
    assert "Connection" in str(model_of(grid).headerData(3, Qt.Orientation.Horizontal))


def test_rows_follow_density_and_text_size(look: Look, qtbot: QtBot) -> None:
    grid = grid_of(net_smoke(), look, qtbot)

    assert grid.rowHeight(0) == 28
    look.set_density("compact")
    assert grid.rowHeight(0) == 24
    look.set_text_size(150)
    assert grid.rowHeight(0) == 36
    assert grid.horizontalHeader().sizeHint().height() == 57


def test_hostile_text_is_drawn(look: Look, qtbot: QtBot) -> None:
    story = net_smoke()
    story.at = 100
    text = "<img src=x>\x1b]0;x\x07\u202e\x00" + "long " * 200_000
    story.failed("am62-sk", 1, because=failure("E-X", Category.TARGET, text), took=1)
    grid = grid_of(story, look, qtbot)
    QTest.mouseMove(grid.viewport(), point(grid, "vm-gcov", 1))

    assert not grid.grab().isNull()
    look.set_theme("light")
    grid.clearFocus()
    grid.leaveEvent(QEvent(QEvent.Type.Leave))
    assert not grid.grab().isNull()


def test_news_of_three_hundred_rows_is_one_signal_for_each_kind_of_change(look: Look, qtbot: QtBot) -> None:
    names = [f"board-{number:03}" for number in range(300)]
    story = Story(names)
    for name in names:
        story.running(name, 1, 2, 3, progress=StageProgress(MIB, 40 * MIB, "bytes"))
    grid = grid_of(story, look, qtbot)
    model = model_of(grid)
    told: list[tuple[int, int, int, int]] = []
    model.dataChanged.connect(lambda first, last: told.append((first.row(), last.row(), first.column(), last.column())))
    state = story.state
    story.events.clear()
    for name in names:
        story.tell(StageProgress(11 * MIB, 40 * MIB, "bytes"), name, Stage.DEPLOYING, 1)

    model.update(state.after_all(story.events), names, NOW)

    assert told == [(0, 299, each, each) for each in (Column.STAGES + 3, Column.NOW)]
    assert model.at(0).stages[3].share == 11 / 40
