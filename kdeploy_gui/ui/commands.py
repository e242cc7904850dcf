"""The command registry: one description of every verb, from which menus, tool bars, keys and the palette are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.tips import plain_tip

MENUS = ("File", "Edit", "View", "Run", "Environment", "Tools", "Help")


def always() -> str:
    """Enabled, whatever happens."""
    return ""


@dataclass(frozen=True, slots=True)
class Command:
    """One verb. `enabled` returns why not, or nothing; `no_key` says why it has no shortcut; `scope` limits the key.

    A command with `checked` is a switch: it tells whether it is on.
    """

    id: str
    title: str
    menu: str
    handler: Callable[[], None] = field(repr=False)
    shortcut: str = ""
    icon: str = ""
    enabled: Callable[[], str] = field(default=always, repr=False)
    keywords: str = ""
    no_key: str = ""
    scope: str = ""
    also: tuple[str, ...] = ()
    checked: Callable[[], bool] | None = field(default=None, repr=False)


class Commands(QObject):
    """All commands of one window, each with one shared action."""

    changed = Signal()

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._commands: dict[str, Command] = {}
        self._actions: dict[str, QAction] = {}
        self._shown: dict[str, str] = {}
        look.changed.connect(self._redraw)

    def add(self, *commands: Command) -> None:
        """Register commands; one id may come once only. Raises ValueError."""
        for command in commands:
            if command.id in self._commands:
                raise ValueError(f"two commands are called {command.id}")
            action = QAction(command.title, self)
            action.setObjectName(command.id)
            if command.shortcut:
                action.setShortcuts([QKeySequence(each) for each in (command.shortcut, *command.also)])
            if command.scope:
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setCheckable(command.checked is not None)
            action.triggered.connect(lambda _=False, known=command: self._trigger(known))
            self._commands[command.id] = command
            self._actions[command.id] = action
            self._draw(command)
            self._bring_up_to_date(command)
        self.changed.emit()

    def all(self) -> tuple[Command, ...]:
        """Every command, in the order of the menus."""
        return tuple(sorted(self._commands.values(), key=lambda each: MENUS.index(each.menu)))

    def action(self, name: str) -> QAction:
        """The one action of a command, shared by every menu and button."""
        return self._actions[name]

    def why_not(self, name: str) -> str:
        """Why a command cannot be used now; empty: it can."""
        return self._commands[name].enabled()

    def run(self, name: str) -> None:
        """Do it, if it can be done now."""
        self._trigger(self._commands[name])

    def refresh(self, names: Iterable[str] = ()) -> None:
        """Look again which commands can be used: after a selection or a state has changed."""
        for name in tuple(names) or tuple(self._commands):
            self._bring_up_to_date(self._commands[name])

    def attach(self, widget: QWidget, scope: str) -> None:
        """Give a view the keys of its scope."""
        widget.addActions([self._actions[each.id] for each in self._commands.values() if each.scope == scope])

    def menu(self, parent: QWidget, names: Sequence[str]) -> QMenu:
        """A menu of these commands; an empty name is a separator."""
        self.refresh([name for name in names if name])
        menu = QMenu(parent)
        menu.setToolTipsVisible(True)
        for name in names:
            if name:
                menu.addAction(self._actions[name])
            else:
                menu.addSeparator()
        return menu

    def _trigger(self, command: Command) -> None:
        if not command.enabled():
            command.handler()
        self._bring_up_to_date(command)

    def _bring_up_to_date(self, command: Command) -> None:
        action, why = self._actions[command.id], command.enabled()
        if self._shown.get(command.id) != why:
            self._shown[command.id] = why
            action.setEnabled(not why)
            key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            hint = command.title.removesuffix("...") + (f" ({key})" if key else "")
            action.setToolTip(plain_tip(why) or hint)
        if command.checked is not None:
            action.setChecked(command.checked())

    def _draw(self, command: Command) -> None:
        if command.icon:
            self._actions[command.id].setIcon(self._look.icon(command.icon))

    def _redraw(self) -> None:
        for command in self._commands.values():
            self._draw(command)
