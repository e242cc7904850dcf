"""A small panel under the tree in which one line is typed: tags, or the name of a filter."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, Hairline, Kind, PlainLabel


class LineEditor(QWidget):
    """Asks for one line. Enter accepts it; it stays open until somebody closes it. Esc leaves."""

    accepted = Signal(str)
    left = Signal()

    def __init__(self, look: Look, accept: str) -> None:
        super().__init__()
        self.title = PlainLabel("", look, Text.HEADER, wrap=True)
        self.field = QLineEdit()
        self.field.setAccessibleName(accept)
        self.hint = PlainLabel("", look, Text.CELL, "t3", wrap=True)
        self.problem = PlainLabel("", look, Text.CELL, "failed", wrap=True)
        self.accept = Button(accept, look, Kind.PRIMARY, dense=True)
        cancel = Button("Cancel", look, dense=True)
        self.accept.clicked.connect(self._accept)
        cancel.clicked.connect(self.leave)
        self.field.returnPressed.connect(self._accept)
        buttons = QHBoxLayout()
        buttons.setSpacing(look.px(8))
        buttons.addStretch()
        buttons.addWidget(cancel)
        buttons.addWidget(self.accept)
        inner = QVBoxLayout()
        inner.setContentsMargins(look.px(12), look.px(8), look.px(12), look.px(12))
        inner.setSpacing(look.px(6))
        for each in (self.title, self.field, self.hint, self.problem):
            inner.addWidget(each)
        inner.addLayout(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(Hairline(look))
        column.addLayout(inner)
        self.hide()

    def open(self, title: str, text: str, hint: str = "") -> None:
        """Ask."""
        self.title.setText(title)
        self.field.setAccessibleName(self.title.text())
        self.field.setText(text)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.refuse("")
        self.show()
        self.field.selectAll()
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def refuse(self, why: str) -> None:
        """Say why the line cannot be taken; nothing: it can."""
        self.problem.setText(why)
        self.problem.setVisible(bool(why))
        self.field.setAccessibleDescription(self.problem.text())

    def leave(self) -> None:
        """Close without a change."""
        if not self.isHidden():
            self.hide()
            self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves."""
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
            return
        super().keyPressEvent(event)

    def _accept(self) -> None:
        self.accepted.emit(self.field.text().strip())
