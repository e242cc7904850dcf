"""The tools of the log beside the tabs: search with its hits, and what is shown how."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from kdeploy_gui.ui.commands import Commands
from kdeploy_gui.ui.detail.log_page import LogPage
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import IconButton, PlainLabel, SearchField

FIELD = 224
NARROW_FIELD = 168
ICON = 16


class HitField(SearchField):
    """The field of the search; Enter goes on to the next hit, Shift+Enter to the one before."""

    def __init__(self, look: Look, what: str, step: Callable[[int], None]) -> None:
        super().__init__(look, f"Search the {what}")
        self._step = step

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter steps through the hits."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._step(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
            return
        super().keyPressEvent(event)


class LogTools(QWidget):
    """Acts on one page."""

    def __init__(self, look: Look, commands: Commands, page: LogPage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._page = page
        self.field = HitField(look, "log", page.step_hit)
        self.field.setFixedWidth(look.px(FIELD))
        self.field.textChanged.connect(page.search)
        self.field.left.connect(page.view.setFocus)
        self.count = PlainLabel("", look, Text.CELL, "t3")
        self.previous = IconButton("chevron-up", "Previous hit", look)
        self.previous.clicked.connect(self._to_previous)
        self.next = IconButton("chevron-down", "Next hit", look)
        self.next.clicked.connect(self._to_next)
        self.switches = tuple(self._switch(commands, name) for name in ("log.problems", "log.wrap", "log.times"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(4))
        for widget in (self.field, self.count, self.previous, self.next):
            row.addWidget(widget)
        row.addSpacing(look.px(8))
        for switch in self.switches:
            row.addWidget(switch)
        page.searched.connect(self._tell_hits)
        look.changed.connect(self._follow)
        self._follow()
        self._tell_hits()

    def set_narrow(self, narrow: bool) -> None:
        """Show the switches as glyphs only; their names stay in the tooltips."""
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if narrow else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        for switch in self.switches:
            switch.setToolButtonStyle(style)
        self.field.setFixedWidth(self._look.px(NARROW_FIELD if narrow else FIELD))

    def _switch(self, commands: Commands, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(commands.action(name))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setAccessibleName(commands.action(name).text())
        button.setAutoRaise(True)
        return button

    def _to_next(self) -> None:
        self._page.step_hit(1)

    def _to_previous(self) -> None:
        self._page.step_hit(-1)

    def _tell_hits(self) -> None:
        number, total = self._page.hits
        searching = bool(self.field.text())
        self.count.setText((f"{number:,} of {total:,}" if total else "No hit") if searching else "")
        for button in (self.previous, self.next):
            button.setVisible(searching)
            button.setEnabled(total > 0)

    def _follow(self) -> None:
        for switch in self.switches:
            switch.setFont(self._look.font(Text.CELL))
            switch.setIconSize(QSize(self._look.px(ICON), self._look.px(ICON)))
