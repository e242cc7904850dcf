"""The fleet as cards: what goes on in each environment, with the last lines of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.progress.delegate import Brush
from kdeploy_gui.ui.progress.model import FleetModel
from kdeploy_gui.ui.progress.rows import Row, StageCell
from kdeploy_gui.ui.states import Condition

CARD = QSize(320, 176)
GAP = 12
MARGIN = 16
LINES = 3
LETTERS = 400
"""Of a log line; more never fit."""
STEP = 40
"""Pixels per step of the wheel's line."""


class FleetPanes(QAbstractScrollArea):
    """Cards in as many columns as there is room for, in the order of the grid, with a cursor."""

    chosen = Signal(str)
    """The environment under the cursor."""
    drilled = Signal(str, object)
    """Enter or a double click: the environment, and no Stage."""
    scrolled = Signal()
    """Other cards are visible."""

    def __init__(self, look: Look, model: FleetModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._model = model
        self._brush = Brush(look)
        self._tails: Mapping[str, Sequence[str]] = {}
        self._current = ""
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Environments of the run, as cards")
        model.dataChanged.connect(self._update)
        for signal in (model.modelReset, model.layoutChanged, model.rowsInserted, model.rowsRemoved):
            signal.connect(self._place)
        self.verticalScrollBar().valueChanged.connect(self.scrolled)
        look.changed.connect(self._follow)
        self._place()

    @property
    def current(self) -> str:
        """The environment under the cursor; empty: there is none."""
        return self._current if self._model.place(self._current) >= 0 else ""

    def go_to(self, name: str) -> None:
        """Put the cursor on a card and show it."""
        place = self._model.place(name)
        if place < 0:
            return
        if name != self._current:
            self._current = name
            self.setAccessibleDescription(self.said(self._model.at(place)))
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))
            self.chosen.emit(name)
        card, bar = self.card(place), self.verticalScrollBar()
        margin = self._look.px(MARGIN)
        if card.top() < margin:
            bar.setValue(bar.value() + card.top() - margin)
        elif card.bottom() > self.viewport().height() - margin:
            bar.setValue(bar.value() + card.bottom() - self.viewport().height() + margin)
        self._update()

    def visible_names(self) -> tuple[str, ...]:
        """Environments of which some of the card is on the screen."""
        area = self.viewport().rect()
        places = range(self._model.rowCount())
        return tuple(self._model.at(place).name for place in places if self.card(place).intersects(area))

    def show_tails(self, tails: Mapping[str, Sequence[str]]) -> None:
        """Last lines of logs, by environment."""
        self._tails = tails
        self._update()

    def card(self, place: int) -> QRect:
        """Where the card of a row is in the viewport."""
        px, columns = self._look.px, self._columns()
        width, height = px(CARD.width()), px(CARD.height())
        left = px(MARGIN) + place % columns * (width + px(GAP))
        top = px(MARGIN) + place // columns * (height + px(GAP)) - self.verticalScrollBar().value()
        return QRect(left, top, width, height)

    def said(self, row: Row) -> str:
        """A card in words."""
        stage = f", {_stage_line(row)}" if row.stage is not None else ""
        return f"{visible(row.name)}: {row.condition.word}{stage}. {row.now}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows, Home, End and page keys move the cursor; Enter drills."""
        count, columns = self._model.rowCount(), self._columns()
        page = columns * max(1, self.viewport().height() // self._look.px(CARD.height() + GAP))
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -columns,
            Qt.Key.Key_Down: columns,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Home: -count,
            Qt.Key.Key_End: count,
        }
        key = Qt.Key(event.key())
        if key in steps and count:
            place = self._model.place(self._current) if self.current else -steps[key]
            self.go_to(self._model.at(min(max(place + steps[key], 0), count - 1)).name)
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self.current:
            self.drilled.emit(self.current, None)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The cursor goes to the card."""
        name = self._name_at(event)
        if name:
            self.go_to(name)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The press did it."""
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Drill into the card."""
        name = self._name_at(event)
        if name:
            self.drilled.emit(name, None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A cursor is there from the first key on."""
        if not self.current and self._model.rowCount():
            self.go_to(self._model.at(0).name)
        self._update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The cursor looks different without the focus."""
        self._update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break rows anew."""
        self._place()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the visible cards."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self._look.theme.view)
        for place in range(self._model.rowCount()):
            rect = self.card(place)
            if rect.intersects(event.rect()):
                self._card(painter, self._model.at(place), rect)

    def _card(self, painter: QPainter, row: Row, rect: QRect) -> None:
        look, theme, px, brush = self._look, self._look.theme, self._look.px, self._brush
        current = row.name == self._current
        border = theme.accent if current and self.hasFocus() else theme.ctl if current else theme.line
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(border, 2 if current and self.hasFocus() else 1))
        painter.setBrush(theme.view)
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 4, 4)
        inner = rect.adjusted(px(12), px(8), -px(12), -px(8))
        self._title(painter, row, QRect(inner.left(), inner.top(), inner.width(), px(24)))
        self._strip(painter, row, QRect(inner.left(), inner.top() + px(30), inner.width(), px(4)))
        line = QRect(inner.left(), inner.top() + px(38), inner.width(), px(20))
        painter.setFont(look.font(Text.CELL))
        brush.text(painter, brush.elide(_stage_line(row), inner.width() - px(56)), theme.t2, line.left(), line)
        width = brush.metrics.horizontalAdvance(row.elapsed)
        brush.text(painter, row.elapsed, theme.t2, line.right() + 1 - width, line)
        self._bar(painter, row, QRect(inner.left(), inner.top() + px(60), inner.width(), 2))
        token = theme.failed if row.condition is Condition.FAILED else theme.t1
        brush.text(painter, brush.elide(row.now, inner.width()), token, line.left(), line.translated(0, px(28)))
        painter.fillRect(inner.left(), inner.top() + px(94), inner.width(), 1, theme.line)
        self._log(painter, row, QRect(inner.left(), inner.top() + px(100), inner.width(), px(60)))

    def _title(self, painter: QPainter, row: Row, rect: QRect) -> None:
        look, brush = self._look, self._brush
        word = row.condition.word
        width = look.metrics(Text.HEADER).horizontalAdvance(word)
        left = rect.right() + 1 - width - brush.icon - brush.gap
        at = brush.glyph(painter, row.icon, row.condition.token, left, rect)
        painter.setFont(brush.header)
        brush.text(painter, word, look.theme.color(row.condition.word_token), at, rect)
        painter.setFont(brush.name)
        room = left - rect.left() - brush.padding
        name = brush.name_metrics.elidedText(visible(row.name), Qt.TextElideMode.ElideRight, room)
        brush.text(painter, name, look.theme.t1, rect.left(), rect)

    def _strip(self, painter: QPainter, row: Row, rect: QRect) -> None:
        gap = self._look.px(3)
        width = (rect.width() + gap) / len(row.stages)
        for place, cell in enumerate(row.stages):
            part = QRectF(rect.left() + place * width, rect.top(), width - gap, rect.height())
            painter.fillRect(part, self._look.theme.color(_strip_token(cell)))

    def _bar(self, painter: QPainter, row: Row, rect: QRect) -> None:
        cell = row.stages[row.stage] if row.stage is not None else None
        if cell is None or cell.share is None:
            return
        painter.fillRect(rect, self._look.theme.track)
        done = QRect(rect.left(), rect.top(), round(rect.width() * cell.share), rect.height())
        painter.fillRect(done, self._look.theme.color(cell.condition.token))

    def _log(self, painter: QPainter, row: Row, rect: QRect) -> None:
        look = self._look
        painter.setFont(look.font(Text.LOG))
        painter.setPen(look.theme.t3)
        metrics, height = look.metrics(Text.LOG), look.px(18)
        for number, text in enumerate(self._tails.get(row.name, ())[-LINES:]):
            shown = metrics.elidedText(text[:LETTERS], Qt.TextElideMode.ElideRight, rect.width())
            top = rect.top() + number * height
            painter.drawText(rect.left(), top + (height + metrics.capHeight()) // 2, shown)

    def _name_at(self, event: QMouseEvent) -> str:
        point = event.position().toPoint()
        places = range(self._model.rowCount())
        return next((self._model.at(place).name for place in places if self.card(place).contains(point)), "")

    def _columns(self) -> int:
        px = self._look.px
        return max(1, (self.viewport().width() - 2 * px(MARGIN) + px(GAP)) // px(CARD.width() + GAP))

    def _place(self) -> None:
        px = self._look.px
        rows = -(-self._model.rowCount() // self._columns())
        whole = 2 * px(MARGIN) + rows * (px(CARD.height()) + px(GAP)) - px(GAP)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, whole - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(px(STEP))
        self._update()
        self.scrolled.emit()

    def _update(self) -> None:
        self.viewport().update()

    def _follow(self) -> None:
        self._brush.measure()
        self._place()


def _stage_line(row: Row) -> str:
    if row.stage is None:
        return row.condition.word
    stage, cell = list(Stage)[row.stage], row.stages[row.stage]
    return f"{stage.label.capitalize()}, {cell.word}"


def _strip_token(cell: StageCell) -> str:
    return {Condition.DONE: "ready", Condition.PENDING: "track", Condition.NOT_RUN: "track"}.get(
        cell.condition, cell.condition.token
    )
