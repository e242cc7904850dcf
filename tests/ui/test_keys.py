"""Keys that users were promised, each on the command that it is meant for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.wizard import review_commands
from tests.ui.test_main_window import open_window

PROMISED = {
    "": {
        "Ctrl+K": "palette.open",
        "Ctrl+Shift+P": "palette.open",
        "Ctrl+1": "view.fleet",
        "Ctrl+2": "view.errors",
        "Ctrl+3": "view.history",
        "Ctrl+6": "view.draft1",
        "Ctrl+7": "view.draft2",
        "Ctrl+8": "view.draft3",
        "Ctrl+9": "view.draft4",
        "F6": "region.next",
        "Shift+F6": "region.previous",
        "Shift+F10": "menu.context",
        "Alt+Left": "go.back",
        "Alt+Right": "go.forward",
        "Ctrl+N": "deployment.new",
        "F1": "help.first_steps",
        "Ctrl+/": "help.keys",
        "Ctrl+Z": "edit.undo",
        "Ctrl+B": "view.tree",
        "Ctrl++": "text.larger",
        "Ctrl+-": "text.smaller",
        "Ctrl+0": "text.usual",
        "F2": "environment.edit",
        "Ctrl+D": "environment.deploy",
        "F5": "environment.check",
    },
    "environments": {"Del": "environment.remove", "Ctrl+C": "environment.copy_name"},
    "fleet": {
        "Ctrl+J": "fleet.detail",
        "F8": "fleet.next_problem",
        "Shift+F8": "fleet.previous_problem",
        "Ctrl+R": "run.retry",
        "Ctrl+Shift+R": "run.roll_back",
        "Ctrl+Shift+X": "run.cancel",
        "Ctrl+E": "run.report",
    },
    "fleet rows": {"Ctrl+C": "fleet.copy"},
    "log": {
        "Ctrl+F": "log.search",
        "F3": "log.next_hit",
        "Shift+F3": "log.previous_hit",
        "[": "log.previous_stage",
        "]": "log.next_stage",
        "Ctrl+G": "log.go_to_time",
        "Alt+P": "log.problems",
        "Alt+W": "log.wrap",
        "Alt+T": "log.times",
        "Ctrl+C": "log.copy",
        "Ctrl+Shift+C": "log.copy_raw",
    },
    "wizard": {
        "Ctrl+PgDown": "wizard.forward",
        "Ctrl+PgUp": "wizard.back",
        "Ctrl+Return": "wizard.next",
        "Ctrl+Enter": "wizard.next",
        "Ctrl+S": "wizard.save",
    },
    "review": {"Ctrl+.": review_commands.NEXT},
    "errors": {
        **{f"Alt+{number}": f"error.way{number}" for number in range(1, 6)},
        "Ctrl+Shift+C": "error.copy",
        "Ctrl+M": "error.mute",
    },
    "history": {"Ctrl+R": "history.retry", "Ctrl+E": "history.report"},
}


@pytest.fixture
def window(session: Session, qtbot: QtBot) -> Iterator[MainWindow]:
    found = open_window(session, qtbot)
    review_commands.add_commands(session)
    yield found
    found.hide()


def test_every_promised_key_is_on_its_command(window: MainWindow, session: Session) -> None:
    bound = {
        (each.scope, key): each.id for each in session.commands.all() for key in (each.shortcut, *each.also) if key
    }
    missing = {
        f"{scope or 'everywhere'}: {key}": (command, bound.get((scope, key)))
        for scope, keys in PROMISED.items()
        for key, command in keys.items()
        if bound.get((scope, key)) != command
    }
    assert missing == {}


def test_every_key_is_in_the_cheat_sheet_and_the_palette(window: MainWindow, session: Session) -> None:
    window.palette_panel.open()
    shown = {each.title for each in window.palette_panel.model.entries}
    assert {each.title.removesuffix("...") for each in session.commands.all() if each.id != "palette.open"} <= shown
    window.palette_panel.close_palette()


def test_the_context_menu_opens_by_key_where_the_focus_is(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    session.services.inventory.add_all([Environment(name=name, host="127.0.0.1", port=1) for name in ("a", "b")])
    session.machines.reload()
    qtbot.waitUntil(lambda: window.fleet.tree.model.find("b").isValid())
    tree = window.fleet.tree.tree
    tree.setFocus()
    tree.setCurrentIndex(window.fleet.tree.model.find("b"))

    QTest.keyClick(tree, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)

    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert "Remove" in [each.text() for each in menu.actions()]
    assert session.machines.selected == ("b",)
    menu.close()
