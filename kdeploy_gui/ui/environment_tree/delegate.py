"""Draws the rows of the tree: state, name, word."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel
from kdeploy_gui.ui.environment_tree.nodes import Node
from kdeploy_gui.ui.look import Look, Row, Text

Index = QModelIndex | QPersistentModelIndex
SHIFT = 8
"""Pixels by which everything stands farther right than Qt puts it."""
ELIDED_KEPT = 4096


class EnvironmentDelegate(QStyledItemDelegate):
    """One row: icon, name, and at the right the word of its state or the size of its group."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look
        self._elided: dict[tuple[str, int, Text], str] = {}
        look.changed.connect(self._elided.clear)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height of the design."""
        return QSize(self._look.px(120), self._look.row(Row.TREE))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row on the ground that the view has drawn."""
        model = index.model()
        node = model.node(index) if isinstance(model, EnvironmentModel) else None
        if node is None or not isinstance(model, EnvironmentModel):
            return
        rect: QRect = option.rect  # type: ignore[attr-defined]
        if node.environment is None:
            self._texts(painter, rect, self._look.px(SHIFT + 6), node, str(node.size), "t2")
            return
        look = self._look
        state = model.state(node.name)
        side = look.px(16)
        pixmap = look.pixmap(state.icon, state.token, side, painter.device().devicePixelRatio())
        left = rect.left() + look.px(SHIFT - 12)
        painter.drawPixmap(left, rect.top() + (rect.height() - side) // 2, pixmap)
        self._texts(painter, rect, look.px(SHIFT + 10), node, state.word, state.word_token)

    def _texts(self, painter: QPainter, rect: QRect, indent: int, node: Node, word: str, token: str) -> None:
        look = self._look
        names, cells = look.metrics(Text.NAME), look.metrics(Text.CELL)
        baseline = rect.top() + (rect.height() + names.capHeight()) / 2
        left, right = rect.left() + indent, rect.right() + 1 - look.px(12) - cells.horizontalAdvance(word)
        painter.setFont(look.font(Text.CELL))
        painter.setPen(look.theme.color(token))
        painter.drawText(QPointF(right, baseline), word)
        painter.setFont(look.font(_style(node)))
        painter.setPen(look.theme.t1)
        painter.drawText(QPointF(left, baseline), self._elide(node, right - look.px(8) - left))

    def _elide(self, node: Node, width: int) -> str:
        style = _style(node)
        key = (node.name, width, style)
        if key not in self._elided:
            if len(self._elided) > ELIDED_KEPT:
                self._elided.clear()
            metrics = self._look.metrics(style)
            self._elided[key] = metrics.elidedText(visible(node.name), Qt.TextElideMode.ElideRight, width)
        return self._elided[key]


def _style(node: Node) -> Text:
    return Text.BODY if node.environment is None else Text.NAME
