"""The command registry: one description, many faces."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.commands import Command, Commands
from kdeploy_gui.ui.look import Look


@pytest.fixture
def commands(look: Look) -> Commands:
    return Commands(look)


def test_a_command_runs_from_its_action_and_its_key(commands: Commands, qtbot: QtBot) -> None:
    done: list[str] = []
    commands.add(Command("a.b", "Do it", "File", lambda: done.append("it"), "Ctrl+D"))
    window = QWidget()
    qtbot.addWidget(window)
    window.addAction(commands.action("a.b"))
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    commands.action("a.b").trigger()
    QTest.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)

    assert done == ["it", "it"]


def test_a_disabled_command_says_why_and_does_nothing(commands: Commands) -> None:
    done: list[str] = []
    why = ["Choose an environment first"]
    commands.add(Command("a.b", "Do it", "File", lambda: done.append("it"), enabled=lambda: why[0]))

    commands.run("a.b")
    action = commands.action("a.b")

    assert done == []
    assert not action.isEnabled()
    assert action.toolTip() == "Choose an environment first"
    why[0] = ""
    commands.refresh()
    assert action.isEnabled()
    assert "Do it" in action.toolTip()


def test_two_commands_with_one_name_are_a_mistake(commands: Commands) -> None:
    commands.add(Command("a.b", "Do it", "File", lambda: None))
    with pytest.raises(ValueError, match=r"a\.b"):
        commands.add(Command("a.b", "Do it", "File", lambda: None))


def test_a_menu_shows_the_shared_actions(commands: Commands, qtbot: QtBot) -> None:
    commands.add(Command("a.b", "Do it", "File", lambda: None), Command("a.c", "Do that", "File", lambda: None))
    parent = QWidget()
    qtbot.addWidget(parent)

    menu = commands.menu(parent, ["a.c", "", "a.b"])

    assert [each.text() for each in menu.actions()] == ["Do that", "", "Do it"]
    assert menu.actions()[0] is commands.action("a.c")


def test_scoped_keys_belong_to_their_view(commands: Commands, qtbot: QtBot) -> None:
    done: list[str] = []
    commands.add(
        Command("log.end", "Follow", "View", lambda: done.append("log"), "End", scope="log"),
        Command("grid.end", "Last", "View", lambda: done.append("grid"), "End", scope="grid"),
    )
    window = QWidget()
    log, grid = QWidget(window), QWidget(window)
    for each in (log, grid):
        each.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    qtbot.addWidget(window)
    commands.attach(log, "log")
    commands.attach(grid, "grid")
    window.show()
    grid.setFocus()
    qtbot.waitUntil(grid.hasFocus)

    QTest.keyClick(grid, Qt.Key.Key_End)

    assert done == ["grid"]
