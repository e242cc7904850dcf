"""All keys, made from the registry."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import PlainLabel

SCOPES = {
    "": "Everywhere",
    "environments": "Environments",
    "fleet": "Fleet",
    "log": "Log",
    "wizard": "New deployment",
    "errors": "Errors",
    "history": "History",
}


class CheatSheet:
    """Opens the list beside the window; it may stay open."""

    def __init__(self, session: Session, window: QWidget) -> None:
        self._session = session
        self._window = window

    def open(self) -> None:
        """Show all keys as they are now."""
        sheet = KeyList(self._session, self._window)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.show()


class KeyList(QDialog):
    """Keys by the place where they work."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        look = session.look
        self.setWindowTitle("Keyboard shortcuts")
        self.resize(look.px(560), look.px(640))
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(*[look.px(24)] * 4)
        column.setSpacing(look.px(4))
        column.addWidget(PlainLabel("Keyboard shortcuts", look, Text.TITLE))
        for scope, commands in keyed(session).items():
            column.addSpacing(look.px(12))
            column.addWidget(PlainLabel(SCOPES.get(scope, scope.capitalize()), look, Text.HEADING))
            grid = QGridLayout()
            grid.setColumnStretch(0, 1)
            for row, each in enumerate(commands):
                grid.addWidget(PlainLabel(each.title.removesuffix("..."), look, Text.BODY, "t2"), row, 0)
                grid.addWidget(PlainLabel(keys_of(each), look, Text.LOG), row, 1, Qt.AlignmentFlag.AlignRight)
            column.addLayout(grid)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setAccessibleName("Keyboard shortcuts")
        scroll.setWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)


def keyed(session: Session) -> dict[str, list[Command]]:
    """Commands that have a key, by scope; what works everywhere comes first."""
    found: dict[str, list[Command]] = {"": []}
    for each in session.commands.all():
        if each.shortcut:
            found.setdefault(each.scope, []).append(each)
    return found


def keys_of(command: Command) -> str:
    """Its keys as they are printed on the keyboard."""
    native = QKeySequence.SequenceFormat.NativeText
    return ", ".join(QKeySequence(each).toString(native) for each in (command.shortcut, *command.also) if each)
