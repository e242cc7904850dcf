"""The fleet as cards."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.event import Channel, OutputAppended, StageStarted
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.filters import parse
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.progress.model import FleetModel
from kdeploy_gui.ui.progress.panes import FleetPanes
from kdeploy_gui.ui.progress.rows import FILTER_KEYS
from kdeploy_gui.ui.progress.tails import last_lines, newest_told
from tests.ui.progress.runs import NOW, Story, net_smoke


def panes_of(story: Story, look: Look, qtbot: QtBot) -> tuple[FleetPanes, FleetModel]:
    model = FleetModel()
    model.show(story.state, NOW)
    panes = FleetPanes(look, model)
    model.setParent(panes)
    qtbot.addWidget(panes)
    panes.resize(1060, 400)
    panes.show()
    panes.activateWindow()
    panes.setFocus()
    qtbot.waitUntil(panes.hasFocus)
    return panes, model


def test_arrows_move_the_cursor_over_the_cards_and_enter_drills(look: Look, qtbot: QtBot) -> None:
    panes, model = panes_of(net_smoke(), look, qtbot)
    drilled: list[str] = []
    panes.drilled.connect(lambda name, _: drilled.append(name))

    visited = [panes.current]
    for key in (
        Qt.Key.Key_Right,
        Qt.Key.Key_Down,
        Qt.Key.Key_Left,
        Qt.Key.Key_End,
        Qt.Key.Key_Up,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_Home,
        Qt.Key.Key_PageDown,
    ):
        QTest.keyClick(panes, key)
        visited.append(panes.current)
        assert panes.viewport().rect().contains(panes.card(model.place(panes.current)).center())
    QTest.keyClick(panes, Qt.Key.Key_Return)

    names = [row.name for row in model.shown()]
    assert [names.index(name) for name in visited] == [0, 1, 4, 3, 11, 8, 2, 0, 6]
    assert drilled == [panes.current]


def test_a_click_chooses_a_card_and_says_it(look: Look, qtbot: QtBot) -> None:
    panes, model = panes_of(net_smoke(), look, qtbot)
    chosen: list[str] = []
    panes.chosen.connect(chosen.append)
    drilled: list[str] = []
    panes.drilled.connect(lambda name, _: drilled.append(name))
    point = panes.card(model.place("imx8mp-evk-2")).center()

    QTest.mouseClick(panes.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
    QTest.mouseDClick(panes.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)

    assert chosen == drilled == ["imx8mp-evk-2"]
    said = "imx8mp-evk-2: Retrying, Script deployment, Retry 2. No reply for 20 s, trying again in 4 s"
    assert panes.accessibleDescription() == said


def test_cards_follow_the_filter_and_their_cursor_does_not_point_at_nothing(look: Look, qtbot: QtBot) -> None:
    panes, model = panes_of(net_smoke(), look, qtbot)
    assert panes.verticalScrollBar().maximum() > 0
    assert len(panes.visible_names()) == 9

    model.set_filter(parse("status:ready", FILTER_KEYS))  # type: ignore[arg-type]

    assert panes.current == ""
    assert panes.verticalScrollBar().maximum() == 0
    assert panes.visible_names() == ("imx8mp-evk-1", "rk3588-evb", "rpi5-net", "vm-stock")
    panes.go_to("vm-kasan")
    assert panes.current == ""


def test_cards_are_drawn_in_every_look(look: Look, qtbot: QtBot) -> None:
    panes, _ = panes_of(net_smoke(), look, qtbot)
    panes.show_tails({"vm-kasan": ("one", "two " * 5000, "three")})

    dark = panes.grab().toImage()
    look.set_theme("light")
    assert panes.grab().toImage() != dark
    look.set_text_size(150)
    panes.clearFocus()
    assert not panes.grab().isNull()


def test_last_lines_mix_notes_and_output_newest_last() -> None:
    story = Story(["a"])
    data = b"\x1b[31mred\x1b[0m\nsecond <b>\n\nlast \x00 line\n"
    story.tell(StageStarted(), "a", Stage.DEPENDENCIES, 2)
    story.tell(OutputAppended(100, len(data)), "a", Stage.DEPENDENCIES, 2)
    events = [each for each in reversed(story.events) if each.environment]
    read: list[tuple[int, int]] = []

    def take(offset: int, length: int) -> bytes:
        read.append((offset, length))
        return data

    assert last_lines(events, take) == ("Attempt 2", "second <b>", "last \\x00 line")
    assert last_lines(events, take, 1) == ("last \\x00 line",)
    assert read == [(100, len(data))] * 2


def test_a_console_that_prints_all_the_time_pushes_nothing_out() -> None:
    story = Story(["a"])
    story.tell(StageStarted(), "a", Stage.DEPENDENCIES, 2)
    for number in range(50):
        story.tell(OutputAppended(number, 1, Channel.CONSOLE), "a", Stage.DEPENDENCIES, 2)
    newest = newest_told([each for each in story.events if each.environment == "a"], 10)
    assert last_lines(newest, lambda offset, length: b"never read") == ("Attempt 2",)
