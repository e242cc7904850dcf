"""The plan grid: environments by files, packages and instruments, under a header of two lines."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.look import Row as Height
from kdeploy_gui.ui.progress.delegate import Brush
from kdeploy_gui.ui.wizard.review_model import Index, PlanModel
from kdeploy_gui.ui.wizard.review_rows import Cell, Kind

NAME_WIDTH, SEND_WIDTH, VERDICT_WIDTH, LEAST = 140, 80, 150, 66
WIDEST = 160
GROUPED = (Kind.FILES, Kind.DEPENDENCY, Kind.INSTRUMENT)
SAMPLES: Mapping[Kind, str] = {Kind.FILES: "88  88", Kind.DEPENDENCY: "install", Kind.INSTRUMENT: "absent"}


class PlanHeader(QHeaderView):
    """Groups above, columns below."""

    def __init__(self, look: Look, model: PlanModel, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._look = look
        self._plan = model
        self.titles: dict[Kind, str] = {}
        self.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setSectionsClickable(False)
        self.setHighlightSections(False)

    def sizeHint(self) -> QSize:
        """Two lines high."""
        return QSize(super().sizeHint().width(), self._look.px(50))

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        """Draw a title; the first column of a group draws the title of the group, too."""
        columns = self._plan.columns
        if section >= len(columns):
            return
        look, column = self._look, columns[section]
        painter.save()
        painter.setClipRect(rect)
        painter.fillRect(rect, look.theme.window)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.theme.line)
        first = section == 0 or columns[section - 1].kind is not column.kind
        if first and section and column.kind is not Kind.VERDICT and columns[section - 1].kind is not Kind.ENVIRONMENT:
            painter.fillRect(rect.left(), rect.top(), 1, rect.height(), look.theme.line)
        left = look.px(16 if section == 0 else 8)
        middle = rect.top() + rect.height() // 2
        lower = QRect(rect.left() + left, middle, rect.width() - left - look.px(4), rect.height() // 2 - 2)
        painter.setFont(look.font(Text.HEADER))
        painter.setPen(look.theme.t3)
        side = Qt.AlignmentFlag.AlignLeft
        if column.kind is Kind.SEND:
            side, lower = Qt.AlignmentFlag.AlignRight, lower.adjusted(0, 0, -look.px(4), 0)
        metrics = look.metrics(Text.HEADER)
        text = metrics.elidedText(column.title, Qt.TextElideMode.ElideMiddle, lower.width())
        painter.drawText(lower, int(side | Qt.AlignmentFlag.AlignVCenter), text)
        if column.kind in GROUPED:
            self._group(painter, rect, section)
        painter.restore()

    def _group(self, painter: QPainter, rect: QRect, section: int) -> None:
        """The group's title over all of its columns; each draws its part of it."""
        columns, look = self._plan.columns, self._look
        kind = columns[section].kind
        own = [place for place, each in enumerate(columns) if each.kind is kind]
        start = sum(self.sectionSize(place) for place in range(own[0], section))
        width = sum(self.sectionSize(place) for place in own)
        whole = QRect(rect.left() - start + look.px(8), rect.top() + look.px(4), width - look.px(16), look.px(22))
        painter.setPen(look.theme.t2)
        text = look.metrics(Text.HEADER).elidedText(
            self.titles.get(kind, ""), Qt.TextElideMode.ElideMiddle, whole.width()
        )
        painter.drawText(whole, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)


class PlanDelegate(QStyledItemDelegate):
    """Draws the cells."""

    def __init__(self, look: Look, model: PlanModel, view: QAbstractItemView) -> None:
        super().__init__(view)
        self._look = look
        self._plan = model
        self._view = view
        self.brush = Brush(look)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one cell."""
        rect: QRect = option.rect  # type: ignore[attr-defined]
        selected = bool(option.state & QStyle.StateFlag.State_Selected)  # type: ignore[attr-defined]
        theme, column = self._look.theme, self._plan.columns[index.column()]
        ground = theme.failbg if self._plan.rows[index.row()].refused else theme.view
        if selected:
            ground = theme.sel if self._view.hasFocus() else theme.seloff
        painter.fillRect(rect, ground)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, theme.line)
        before = self._plan.columns[index.column() - 1].kind if index.column() else Kind.ENVIRONMENT
        if before not in {column.kind, Kind.ENVIRONMENT} and column.kind is not Kind.VERDICT:
            painter.fillRect(rect.left(), rect.top(), 1, rect.height(), theme.line)
        self._cell(painter, rect, column.kind, self._plan.cell(index))
        if index == self._view.currentIndex() and self._view.hasFocus():
            painter.setPen(QPen(theme.accent, 2))
            painter.drawRect(rect.adjusted(1, 1, -1, -2))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Rows and columns have sizes of their own."""
        return QSize(0, 0)

    def _cell(self, painter: QPainter, rect: QRect, kind: Kind, cell: Cell) -> None:
        brush, theme = self.brush, self._look.theme
        left = rect.left() + (brush.edge if kind is Kind.ENVIRONMENT else brush.padding)
        if kind is Kind.ENVIRONMENT:
            painter.setFont(brush.name)
            painter.setPen(theme.t1)
            text = brush.name_metrics.elidedText(cell.spoken, Qt.TextElideMode.ElideRight, rect.right() - left)
            painter.drawText(QPointF(left, brush.baseline(rect)), text)
            return
        painter.setFont(brush.cell)
        for each in cell.parts:
            if kind is Kind.SEND:
                left = rect.right() - brush.padding - brush.metrics.horizontalAdvance(each.text)
            if each.icon:
                left = brush.glyph(painter, each.icon, each.ink, left, rect)
            text = brush.elide(each.text, max(rect.right() - left, 0))
            brush.text(painter, text, theme.color(each.token), left, rect)
            left += brush.metrics.horizontalAdvance(text) + 2 * brush.gap


class PlanGrid(QTableView):
    """Environments by what would be done to them, with a cell cursor."""

    moved = Signal()
    """The cursor is on another cell."""

    def __init__(self, look: Look, model: PlanModel) -> None:
        super().__init__()
        self._look = look
        self._plan = model
        self._delegate = PlanDelegate(look, model, self)
        self.header = PlanHeader(look, model, self)
        self.setAccessibleName("Plan by environment")
        self.setHorizontalHeader(self.header)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMinimumSectionSize(1)
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.setShowGrid(False)
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        model.modelReset.connect(self.fit)
        look.changed.connect(self._follow)
        self._follow()

    @property
    def current(self) -> str:
        """The environment under the cursor."""
        index = self.currentIndex()
        return self._plan.rows[index.row()].name if index.isValid() else ""

    def chosen(self) -> tuple[str, ...]:
        """Selected environments, from top to bottom."""
        rows = sorted({each.row() for each in self.selectionModel().selectedRows()})
        return tuple(self._plan.rows[row].name for row in rows)

    def choose(self, names: tuple[str, ...]) -> None:
        """Select environments; the cursor goes to the first."""
        places = [place for place in map(self._plan.place, names) if place >= 0]
        flags = QItemSelectionModel.SelectionFlag
        if places:
            column = max(self.currentIndex().column(), 0)
            to = self._plan.index(places[0], column)
            self.selectionModel().setCurrentIndex(to, flags.ClearAndSelect | flags.Rows)  # Ctrl may be held down
        for place in places[1:]:
            self.selectionModel().select(self._plan.index(place, 0), flags.Select | flags.Rows)

    def keyboardSearch(self, search: str) -> None:
        """Letters do not move the cursor."""

    def currentChanged(
        self, current: QModelIndex | QPersistentModelIndex, previous: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Tell that the cursor moved."""
        super().currentChanged(current, previous)
        self.moved.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The selection looks different with the focus; a cursor is there from the first key on."""
        super().focusInEvent(event)
        if not self.currentIndex().isValid() and self._plan.rowCount():
            flags = QItemSelectionModel.SelectionFlag
            first = self._plan.index(0, min(1, self._plan.columnCount() - 1))
            self.selectionModel().setCurrentIndex(first, flags.ClearAndSelect | flags.Rows)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The selection looks different without the focus."""
        super().focusOutEvent(event)
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The columns share the room."""
        super().resizeEvent(event)
        self.fit()

    def _follow(self) -> None:
        self._delegate.brush.measure()
        self.verticalHeader().setDefaultSectionSize(self._look.row(Height.PLAN))
        self.fit()
        self.viewport().update()

    def fit(self) -> None:
        """Columns as wide as their titles and words; what is left goes to the names and the verdicts."""
        px, columns = self._look.px, self._plan.columns
        fixed = {Kind.ENVIRONMENT: NAME_WIDTH, Kind.SEND: SEND_WIDTH, Kind.VERDICT: VERDICT_WIDTH}
        inner = [place for place, each in enumerate(columns) if each.kind in GROUPED]
        widths = [px(fixed.get(each.kind, LEAST)) for each in columns]
        titles = {place: self._title_width(place) for place in inner}
        for place in inner:
            widths[place] = self._cell_width(place)
        rest = self.viewport().width() - sum(widths)
        lacking = sum(max(titles[place] - widths[place], 0) for place in inner)
        given = min(max(rest, 0) / lacking, 1.0) if lacking else 0.0
        for place in inner:
            widths[place] += int(max(titles[place] - widths[place], 0) * given)
        rest = self.viewport().width() - sum(widths)
        if rest > 0 and widths:
            share = min(rest // (len(inner) + 1), px(24))
            for place in inner:
                widths[place] += share
            rest -= share * len(inner)
            widths[0] += rest // 3
            widths[-1] += rest - rest // 3
        for place, width in enumerate(widths):
            self.setColumnWidth(place, width)
        self._bring_forward(rest < 0)

    def _bring_forward(self, narrow: bool) -> None:
        """Where not all columns can be seen, verdict and size stand beside the name."""
        last = len(self._plan.columns) - 1
        for column, front, usual in ((last, 1, last), (last - 1, 2, last - 1)) if last > 2 else ():
            wanted = front if narrow else usual
            if self.header.visualIndex(column) != wanted:
                self.header.moveSection(self.header.visualIndex(column), wanted)

    def _title_width(self, place: int) -> int:
        look = self._look
        title = look.metrics(Text.HEADER).horizontalAdvance(self._plan.columns[place].title)
        return min(title + 2 * self._delegate.brush.padding, look.px(WIDEST))

    def _cell_width(self, place: int) -> int:
        """What the widest cell of a column needs."""
        brush, column = self._delegate.brush, self._plan.columns[place]
        words = [each.cells[place] for each in self._plan.rows]
        texts = {" ".join(part.text for part in cell.parts): len(cell.parts) for cell in words}
        texts.setdefault(SAMPLES[column.kind], 1)
        icon, between = brush.icon + brush.gap, 2 * brush.gap
        cell = max(
            brush.metrics.horizontalAdvance(text) + count * (icon + between) - between for text, count in texts.items()
        )
        return min(max(cell + 2 * brush.padding, self._look.px(LEAST)), self._look.px(WIDEST))
