"""Buttons of which one is on, in one frame."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from kdeploy_gui.ui.look import Look, Text

HEIGHT, ICON = 28, 16


class Segment(QToolButton):
    """One of them: an action shared with menus, or a text."""

    def __init__(self, command: QAction | str) -> None:
        super().__init__()
        self.setProperty("kind", "segment")
        self.setCheckable(True)
        if isinstance(command, QAction):
            self.setDefaultAction(command)
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        else:
            self.setText(command)
            self.setAccessibleName(command)


class Segments(QWidget):
    """The frame; who owns the buttons decides which one is on."""

    def __init__(self, look: Look, segments: Sequence[Segment], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._segments = tuple(segments)
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(1)
        for each in segments:
            row.addWidget(each)
        look.changed.connect(self._follow)
        self._follow()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the frame and the lines between."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._look.theme.ctl))
        painter.setBrush(self._look.theme.view)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        for each in self._segments[1:]:
            painter.fillRect(each.x() - 1, 1, 1, self.height() - 2, self._look.theme.ctl)

    def _follow(self) -> None:
        px = self._look.px
        self.setFixedHeight(px(HEIGHT))
        for each in self._segments:
            each.setFont(self._look.font(Text.CELL))
            each.setIconSize(QSize(px(ICON), px(ICON)))
            each.setFixedHeight(px(HEIGHT) - 2)
