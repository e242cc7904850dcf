"""Draws the rows of the tree: state, name, word."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel, Node
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.machines import Machines

Index = QModelIndex | QPersistentModelIndex


class EnvironmentDelegate(QStyledItemDelegate):
    """One row: icon, name, and at the right the word of its state or the size of its group."""

    def __init__(self, machines: Machines, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._machines = machines
        self._look = look

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height of the design."""
        return QSize(self._look.px(120), self._look.row(Row.TREE))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        model = index.model()
        node = model.node(index) if isinstance(model, EnvironmentModel) else None
        if node is None:
            return
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        look = self._look
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            active = state & QStyle.StateFlag.State_Active and state & QStyle.StateFlag.State_HasFocus
            painter.fillRect(rect, look.theme.sel if active else look.theme.seloff)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, look.theme.hover)
        if node.environment is None:
            self._texts(
                painter, rect.adjusted(look.px(4), 0, -look.px(12), 0), node.name, str(len(node.environments())), "t2"
            )
        else:
            self._environment(painter, rect, node)
        painter.restore()

    def _environment(self, painter: QPainter, rect: QRect, node: Node) -> None:
        look = self._look
        condition, _ = self._machines.condition(node.name)
        side = look.px(16)
        left = rect.left() + look.px(4)
        pixmap = look.pixmap(condition.icon, condition.token, side, painter.device().devicePixelRatioF())
        painter.drawPixmap(left, rect.top() + (rect.height() - side) // 2, pixmap)
        box = rect.adjusted(look.px(28), 0, -look.px(12), 0)
        self._texts(painter, box, node.name, condition.word, condition.word_token)

    def _texts(self, painter: QPainter, box: QRect, name: str, word: str, token: str) -> None:
        look = self._look
        painter.setFont(look.font(Text.CELL))
        painter.setPen(look.theme.color(token))
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, word)
        room = box.width() - look.metrics(Text.CELL).horizontalAdvance(word) - look.px(8)
        painter.setFont(look.font(Text.NAME))
        painter.setPen(look.theme.t1)
        shown = look.metrics(Text.NAME).elidedText(visible(name), Qt.TextElideMode.ElideRight, room)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
