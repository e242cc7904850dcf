"""How the cells of the fleet grid are drawn: icon, word, time, a bar under work that goes on."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.progress.model import Column, FleetModel
from kdeploy_gui.ui.progress.rows import Row, StageCell
from kdeploy_gui.ui.states import Condition

ICON = 14
"""Pixels of an icon in a cell at 100 %."""
EDGE = 16
PADDING = 8
ELIDED_KEPT = 4096

_OWN_COLOUR = frozenset({Condition.RUNNING, Condition.RETRYING})
"""States of stages whose word has the colour of its icon, as the emphasised ones have."""


class Brush:
    """Draws icons and texts of one kind of row on one baseline; measures once per look."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._elided: dict[tuple[str, int], str] = {}
        self.measure()

    def measure(self) -> None:
        """Take the measures of the present look."""
        look = self.look
        self.name, self.cell, self.header = look.font(Text.NAME), look.font(Text.CELL), look.font(Text.HEADER)
        self.name_metrics: QFontMetrics = look.metrics(Text.NAME)
        self.metrics: QFontMetrics = look.metrics(Text.CELL)
        self.icon, self.gap = look.px(ICON), look.px(5)
        self.edge, self.padding = look.px(EDGE), look.px(PADDING)
        self._elided.clear()

    def baseline(self, rect: QRect) -> float:
        """Where text stands in a row, names and cells alike."""
        return rect.top() + (rect.height() - 1 + self.name_metrics.capHeight()) / 2

    def elide(self, text: str, width: int) -> str:
        """`text` shortened at its end to `width`."""
        key = (text, width)
        if key not in self._elided:
            if len(self._elided) > ELIDED_KEPT:
                self._elided.clear()
            self._elided[key] = self.metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
        return self._elided[key]

    def glyph(self, painter: QPainter, icon: str, token: str, left: int, rect: QRect) -> int:
        """Draw an icon; returns where text goes on."""
        ratio = painter.device().devicePixelRatio()
        top = rect.top() + (rect.height() - 1 - self.icon) / 2
        painter.drawPixmap(QPointF(left, round(top)), self.look.pixmap(icon, token, self.icon, ratio))
        return left + self.icon + self.gap

    def text(self, painter: QPainter, text: str, color: QColor, left: float, rect: QRect) -> None:
        """Draw a text of cells."""
        painter.setPen(color)
        painter.drawText(QPointF(left, self.baseline(rect)), text)


class FleetDelegate(QStyledItemDelegate):
    """Draws every cell of the grid."""

    def __init__(self, look: Look, view: QAbstractItemView) -> None:
        super().__init__(view)
        self._look = look
        self._view = view
        self.brush = Brush(look)
        self.hovered = -1

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw one cell."""
        model = index.model()
        if not isinstance(model, FleetModel):
            return
        row, column = model.at(index.row()), index.column()
        rect, selected = _asked(option)
        self._ground(painter, rect, row, column, selected, index.row() == self.hovered)
        painter.setFont(self.brush.cell)
        match column:
            case Column.ENVIRONMENT:
                self._name(painter, row, rect)
            case Column.STATE:
                self._state(painter, row, rect)
            case Column.TIME:
                width = self.brush.metrics.horizontalAdvance(row.elapsed)
                left = rect.right() + 1 - self.brush.padding - width
                self.brush.text(painter, row.elapsed, self._look.theme.t2, left, rect)
            case Column.NOW:
                self._now(painter, row, rect)
            case _:
                self._stage(painter, row.stages[column - Column.STAGES], rect)
        if index == self._view.currentIndex() and self._view.hasFocus():
            painter.setPen(QPen(self._look.theme.accent, 2))
            painter.drawRect(rect.adjusted(1, 1, -1, -2))

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Rows and columns have sizes of their own."""
        return QSize(0, 0)

    def _ground(self, painter: QPainter, rect: QRect, row: Row, column: int, selected: bool, hovered: bool) -> None:
        theme = self._look.theme
        place = column - Column.STAGES
        if selected:
            ground = theme.sel if self._view.hasFocus() else theme.seloff
        elif 0 <= place < len(row.stages) and row.stages[place].condition is Condition.FAILED:
            ground = theme.failbg
        else:
            ground = theme.hover if hovered else theme.view
        painter.fillRect(rect, ground)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, theme.line)
        if selected and column == Column.ENVIRONMENT:
            painter.fillRect(rect.left(), rect.top(), 2, rect.height(), theme.accent)

    def _name(self, painter: QPainter, row: Row, rect: QRect) -> None:
        brush = self.brush
        painter.setFont(brush.name)
        painter.setPen(self._look.theme.t1)
        width = rect.width() - brush.edge - brush.padding
        text = brush.name_metrics.elidedText(visible(row.name), Qt.TextElideMode.ElideRight, width)
        painter.drawText(QPointF(rect.left() + brush.edge, brush.baseline(rect)), text)

    def _state(self, painter: QPainter, row: Row, rect: QRect) -> None:
        condition = row.condition
        left = self.brush.glyph(painter, row.icon, condition.token, rect.left() + self.brush.padding, rect)
        painter.setFont(self.brush.header)
        self.brush.text(painter, condition.word, self._look.theme.color(condition.word_token), left, rect)

    def _stage(self, painter: QPainter, cell: StageCell, rect: QRect) -> None:
        brush, theme, condition = self.brush, self._look.theme, cell.condition
        left = brush.glyph(painter, cell.icon, condition.token, rect.left() + brush.padding, rect)
        right = rect.right() + 1 - brush.padding
        if condition is Condition.DONE:
            brush.text(painter, cell.time, theme.t2, left, rect)
            return
        strong = condition in _OWN_COLOUR or condition.emphasised
        token = condition.token if strong or condition is Condition.PENDING else "t2"
        painter.setFont(brush.header if strong else brush.cell)
        brush.text(painter, brush.elide(cell.word, right - left + brush.gap), theme.color(token), left, rect)
        painter.setFont(brush.cell)
        width = brush.metrics.horizontalAdvance(cell.time)
        if cell.time and left + brush.metrics.horizontalAdvance(cell.word) + brush.gap + width <= right:
            brush.text(painter, cell.time, theme.t2, right - width, rect)
        if cell.share is not None:
            self._bar(painter, cell, rect.left() + brush.padding, right, rect.bottom() - 2)

    def _bar(self, painter: QPainter, cell: StageCell, left: int, right: int, top: int) -> None:
        theme = self._look.theme
        painter.fillRect(left, top, right - left, 2, theme.track)
        painter.fillRect(left, top, round((right - left) * (cell.share or 0.0)), 2, theme.color(cell.condition.token))

    def _now(self, painter: QPainter, row: Row, rect: QRect) -> None:
        brush = self.brush
        token = "failed" if row.condition is Condition.FAILED else "t2"
        width = rect.width() - brush.padding - brush.edge
        text = brush.elide(row.now, width)
        brush.text(painter, text, self._look.theme.color(token), rect.left() + brush.padding, rect)


def stage_width(brush: Brush) -> int:
    """How wide a stage's column must be for its widest text."""
    text = max(
        brush.look.metrics(Text.HEADER).horizontalAdvance(each) for each in ("10 of 14", "Retry 10", "Cancelled")
    )
    time = brush.metrics.horizontalAdvance("00:00")
    return 2 * brush.padding + brush.icon + 2 * brush.gap + text + time


def _asked(option: QStyleOptionViewItem) -> tuple[QRect, bool]:
    """Where to draw, and whether the cell is selected."""
    rect: QRect = option.rect  # type: ignore[attr-defined]
    return rect, bool(option.state & QStyle.StateFlag.State_Selected)  # type: ignore[attr-defined]
