"""Cells of plain tables and trees: tick, glyph and text close together, and a hairline below each row."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTreeView

from kdeploy_gui.ui.look import Look, Row

Index = QModelIndex | QPersistentModelIndex
EDGE, PADDING, GAP, ICON = 16, 8, 6, 14
"""Pixels at 100 %: from the edge of the table, from the next cell, from glyph to text, and a glyph's side."""


class Cells(QStyledItemDelegate):
    """Draws what a model's roles say; Qt's own delegate keeps 16 px between glyph and text and knows no hairline."""

    def __init__(self, look: Look, view: QAbstractItemView, row: Row = Row.GRID) -> None:
        super().__init__(view)
        self._look = look
        self._view = view
        self._row = row

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height of a row."""
        width = super().sizeHint(option, index).width() + self._look.px(EDGE - PADDING)
        return QSize(width, self._look.row(self._row))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one cell."""
        shown: Any = QStyleOptionViewItem(option)
        self.initStyleOption(shown, index)
        style, rect, px = self._view.style(), QRect(shown.rect), self._look.px
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, shown, painter, self._view)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, self._look.theme.line)
        at_edge = index.column() == 0 and not isinstance(self._view, QTreeView)
        left = rect.left() + px(EDGE if at_edge else PADDING)
        features = QStyleOptionViewItem.ViewItemFeature
        if shown.features & features.HasCheckIndicator:
            left = self._tick(painter, shown)
        if shown.features & features.HasDecoration and not shown.icon.isNull():
            side = px(ICON)
            pixmap = shown.icon.pixmap(QSize(side, side), painter.device().devicePixelRatio())
            painter.drawPixmap(QPoint(left, rect.top() + (rect.height() - 1 - side) // 2), pixmap)
            left += side + px(GAP)
        metrics = shown.fontMetrics
        text = metrics.elidedText(shown.text, shown.textElideMode, rect.right() - px(PADDING) // 2 - left)
        painter.setFont(shown.font)
        painter.setPen(shown.palette.color(QPalette.ColorRole.Text))
        painter.drawText(QPointF(left, rect.top() + (rect.height() - 1 + metrics.capHeight()) / 2), text)
        if shown.state & QStyle.StateFlag.State_HasFocus:
            style.drawPrimitive(QStyle.PrimitiveElement.PE_FrameFocusRect, shown, painter, self._view)

    def _tick(self, painter: QPainter, option: Any) -> int:
        """Draw the tick where Qt looks for clicks on it; returns where text goes on."""
        style = self._view.style()
        box: Any = QStyleOptionViewItem(option)
        box.rect = style.subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, self._view)
        box.state &= ~(QStyle.StateFlag.State_On | QStyle.StateFlag.State_Off | QStyle.StateFlag.State_HasFocus)
        box.state |= {
            Qt.CheckState.Checked: QStyle.StateFlag.State_On,
            Qt.CheckState.PartiallyChecked: QStyle.StateFlag.State_NoChange,
        }.get(option.checkState, QStyle.StateFlag.State_Off)
        style.drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorItemViewItemCheck, box, painter, self._view)
        return int(box.rect.right()) + 1 + self._look.px(PADDING)
