"""How a row of the history is drawn, and the table that shows it."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from kdeploy_gui.ui.history.table import PIECES, Column, RunTable
from kdeploy_gui.ui.history.words import Piece
from kdeploy_gui.ui.look import Look, Row

PADDING = 8
FIRST = 16
"""Pixels left of the first column at 100 %."""
ICON = 14
GAP = 6
WIDTHS = {
    Column.RUN: (64, 56),
    Column.PLAN: (136, 104),
    Column.STARTED: (152, 136),
    Column.TIME: (88, 76),
    Column.ENVIRONMENTS: (132, 116),
}
"""Pixels at 100 %: usual ones, and those in a narrow view."""
NARROW, WITHOUT_PLAN = 760, 640
"""Widths of the view below which columns shrink, and below which the plan goes to the summary alone."""
MOST_ELIDED = 4000


class PieceDelegate(QStyledItemDelegate):
    """Draws a cell as glyphs and texts in a row; what does not fit is elided at its end."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look
        self._view = parent
        self._elided: dict[tuple[Piece, int], str] = {}
        look.changed.connect(self._elided.clear)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw ground, hairline and pieces."""
        look = self._look
        rect: QRect = option.rect  # type: ignore[attr-defined]
        self._view.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, self._view)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.theme.line)
        column = index.column()
        inner = rect.adjusted(look.px(FIRST if column == Column.RUN else PADDING), 0, -look.px(PADDING), 0)
        pieces: tuple[Piece, ...] = index.data(PIECES) or ()
        if column == Column.TIME and pieces:
            width = look.metrics(pieces[0].style).horizontalAdvance(pieces[0].text)
            inner.setLeft(max(inner.left(), inner.right() - width))
        self._draw(painter, inner, pieces)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """The height of a row; the width of a column does not follow its cells."""
        return QSize(0, self._look.row(Row.HISTORY))

    def _draw(self, painter: QPainter, inner: QRect, pieces: tuple[Piece, ...]) -> None:
        look, x = self._look, inner.left()
        for piece in pieces:
            if x >= inner.right():
                return
            if piece.icon:
                side = look.px(ICON)
                ratio = painter.device().devicePixelRatioF()
                top = inner.top() + (inner.height() - side) // 2
                painter.drawPixmap(x, top, look.pixmap(piece.icon, piece.icon_token, side, ratio))
                x += side + look.px(GAP)
            room = QRect(x, inner.top(), inner.right() - x, inner.height())
            text = self._fitting(piece, room.width())
            painter.setFont(look.font(piece.style))
            painter.setPen(look.theme.color(piece.token))
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, text)
            x += look.metrics(piece.style).horizontalAdvance(text) + look.px(PADDING)

    def _fitting(self, piece: Piece, width: int) -> str:
        key = (piece, width)
        if key not in self._elided:
            if len(self._elided) > MOST_ELIDED:
                self._elided.clear()
            metrics = self._look.metrics(piece.style)
            self._elided[key] = metrics.elidedText(piece.text, Qt.TextElideMode.ElideRight, width)
        return self._elided[key]


class _Header(QHeaderView):
    """Titles over the texts of their columns."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._look = look
        self.setHighlightSections(False)
        self.setSectionsClickable(False)

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:
        """The first title begins where the first column's texts do."""
        if logicalIndex == Column.RUN:
            painter.fillRect(rect, self._look.theme.window)
            painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, self._look.theme.line)
            rect = rect.adjusted(self._look.px(FIRST - PADDING), 0, 0, 0)
        super().paintSection(painter, rect, logicalIndex)


class RunView(QTableView):
    """The list of runs: one is chosen, rows of one height, next pages come by themselves."""

    def __init__(self, look: Look, table: RunTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setAccessibleName("Runs")
        self.setModel(table)
        self.setItemDelegate(PieceDelegate(look, self))
        self.setHorizontalHeader(_Header(look, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setMouseTracking(True)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setSectionResizeMode(Column.OUTCOME, QHeaderView.ResizeMode.Stretch)
        look.changed.connect(self._follow)
        self._follow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the run everywhere; Tab leaves the list."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self.currentIndex().isValid():
            self.activated.emit(self.currentIndex())
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The outcome keeps room in a narrow view."""
        self._share_out()
        super().resizeEvent(event)

    def _follow(self) -> None:
        look = self._look
        self.verticalHeader().setMinimumSectionSize(1)
        self.verticalHeader().setDefaultSectionSize(look.row(Row.HISTORY))
        self.horizontalHeader().setFixedHeight(look.row(Row.TABLE_HEADER))
        self._share_out()
        self.viewport().update()

    def _share_out(self) -> None:
        look, width = self._look, self.viewport().width()
        for column, widths in WIDTHS.items():
            self.setColumnWidth(column, look.px(widths[width < look.px(NARROW)]))
        self.setColumnHidden(Column.PLAN, width < look.px(WITHOUT_PLAN))
