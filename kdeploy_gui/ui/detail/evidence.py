"""What an instrument's state stands on, beside the cell that says it."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import (
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPolygonF,
    QRegion,
)
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.detail.instrument_rows import Row, evidence_text
from kdeploy_gui.ui.detail.words import when
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, Hairline, IconButton, IconLabel, Kind, PlainLabel

WIDTH, POINTER, INDENT = 560, 8, 28
"""Pixels at 100 %: of all of it, of the pointer's height, and from the left edge to the pointer."""


class EvidencePopover(QFrame):
    """The evidence for one row. Esc or a click elsewhere closes it, Ctrl+C copies it."""

    def __init__(self, row: Row, look: Look, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._row = row
        self._look = look
        self._below = True
        self.setAccessibleName(f"Evidence for {row.title}")
        self.setFixedWidth(look.px(WIDTH))
        self._column = QVBoxLayout(self)
        self._column.setSpacing(look.px(8))
        self._column.addLayout(self._head())
        self._column.addWidget(Hairline(look))
        self._column.addLayout(self._evidence())
        state = row.state
        if state is not None and state.remedy:
            self._column.addWidget(Hairline(look))
            remedy = visible(f"{state.remedy[:1].upper()}{state.remedy[1:]}")
            self._column.addWidget(PlainLabel(remedy, look, Text.CELL, "t2", selectable=True, wrap=True))

    def open_at(self, cell: QRect) -> None:
        """Show it where it hides least of what lies around `cell`, a rectangle on the screen."""
        look = self._look
        free = self.screen().availableGeometry()
        edge, pointer = look.px(16), look.px(POINTER)
        height = self._column.heightForWidth(self.width()) + pointer
        self._below = cell.bottom() + height <= free.bottom() or cell.top() - height < free.top()
        top, bottom = (edge + pointer, edge) if self._below else (edge, edge + pointer)
        self._column.setContentsMargins(edge, top, edge, bottom)
        self.setFixedHeight(self._column.heightForWidth(self.width()))
        left = min(max(cell.left(), free.left()), free.right() - self.width())
        self.setMask(QRegion(self._outline().toFillPolygon().toPolygon()))
        self.move(QPoint(left, cell.bottom() + 1 if self._below else cell.top() - self.height()))
        self.show()
        self.copy.setFocus(Qt.FocusReason.PopupFocusReason)

    def _head(self) -> QHBoxLayout:
        look, row = self._look, self._row
        condition = row.condition
        note = visible(row.state.note if row.state is not None and row.state.note else row.finds)
        self.copy = Button("Copy", look, Kind.FLAT, icon="content-copy", dense=True)
        self.copy.clicked.connect(self._copy)
        close = IconButton("close", "Close", look)
        close.clicked.connect(self.close)
        texts = QVBoxLayout()
        texts.setSpacing(look.px(2))
        texts.addWidget(PlainLabel(f"{row.title}: {condition.word.lower()}", look, Text.NAME))
        texts.addWidget(PlainLabel(note, look, Text.CELL, "t2", selectable=True, wrap=True))
        line = QHBoxLayout()
        line.setSpacing(look.px(8))
        line.addWidget(IconLabel(condition.icon, look, condition.token), 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(texts, 1)
        line.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return line

    def _evidence(self) -> QGridLayout:
        look, state = self._look, self._row.state
        grid = QGridLayout()
        grid.setHorizontalSpacing(look.px(12))
        grid.setVerticalSpacing(look.px(4))
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, look.px(176))
        readings = state.evidence if state is not None else ()
        lines = [(each.path, f"{'not read: ' if each.failed else ''}{each.value}") for each in readings]
        lines += [("Boot", state.boot_id or "not known")] if state is not None else []
        lines += [("Read", when(self._row.read))] if self._row.read is not None else []
        for number, (name, value) in enumerate(lines):
            path = PlainLabel(name, look, Text.CELL, "t2", wrap=True)
            path.setFixedWidth(look.px(176))
            grid.addWidget(path, number, 0, Qt.AlignmentFlag.AlignTop)
            shown = PlainLabel(value, look, Text.LOG, selectable=True, wrap=True)
            grid.addWidget(shown, number, 1, Qt.AlignmentFlag.AlignTop)
        return grid

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(evidence_text(self._row))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes, Ctrl+C copies."""
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw ground, border and pointer."""
        painter = QPainter(self)
        painter.setPen(self._look.theme.ctl)
        painter.setBrush(self._look.theme.raised)
        painter.drawPath(self._outline())

    def _outline(self) -> QPainterPath:
        """A box with a pointer to its cell; it is also the window's shape: not every desktop has translucent ones."""
        pointer, middle = self._look.px(POINTER), self._look.px(INDENT)
        right, bottom = self.width() - 1, self.height() - 1
        corners = [
            (0, pointer),
            (middle - pointer, pointer),
            (middle, 0),
            (middle + pointer, pointer),
            (right, pointer),
        ]
        corners += [(right, bottom), (0, bottom)]
        path = QPainterPath()
        path.addPolygon(QPolygonF([QPointF(x, y if self._below else bottom - y) for x, y in corners]))
        path.closeSubpath()
        return path
