"""The context menu by keyboard."""

from __future__ import annotations

from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QAbstractItemView, QAbstractScrollArea, QApplication


def context_menu() -> None:
    """The menu of what has the focus: Qt knows the menu key only, which many keyboards lack."""
    focus = QApplication.focusWidget()
    if focus is None:
        return
    at = focus.rect().center()
    if isinstance(focus, QAbstractItemView) and focus.currentIndex().isValid():
        at = focus.visualRect(focus.currentIndex()).center()
    to = focus.viewport() if isinstance(focus, QAbstractScrollArea) else focus
    asked = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, at, to.mapToGlobal(at))
    QApplication.sendEvent(to, asked)
