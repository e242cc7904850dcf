"""The fleet grid: one row per environment, one column per stage."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QFocusEvent, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.progress.delegate import FleetDelegate, stage_width
from kdeploy_gui.ui.progress.model import COLUMNS, Column, FleetModel, Index, stage_of

CALM = 2.0
"""Seconds for which nobody must have touched the grid before rows may move."""
LOOK_MS = 250
WIDTHS = {Column.ENVIRONMENT: 140, Column.STATE: 96, Column.TIME: 60}
NARROW_WIDTHS = {Column.ENVIRONMENT: 124, Column.STATE: 92, Column.TIME: 56}
STAGE_LEAST, STAGE_FULL, NOW_LEAST, NOW_USUAL = 78, 114, 160, 240


class FleetHeader(QHeaderView):
    """Names of columns, on two lines where they are long."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._look = look
        self.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setSectionsClickable(False)
        self.setHighlightSections(False)

    def sizeHint(self) -> QSize:
        """Two lines high."""
        return QSize(super().sizeHint().width(), self._look.row(Row.FLEET_HEADER))

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        """Draw one name."""
        look = self._look
        painter.save()
        painter.fillRect(rect, look.theme.view)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.theme.line)
        painter.setFont(look.font(Text.HEADER))
        painter.setPen(look.theme.t3)
        left = look.px(16 if section == Column.ENVIRONMENT else 8)
        side = Qt.AlignmentFlag.AlignRight if section == Column.TIME else Qt.AlignmentFlag.AlignLeft
        room = rect.adjusted(left, 0, -look.px(8) if section == Column.TIME else 0, -1)
        text = str(self.model().headerData(section, Qt.Orientation.Horizontal))
        painter.drawText(room, int(side | Qt.AlignmentFlag.AlignVCenter), text)
        painter.restore()


class FleetGrid(QTableView):
    """Environments by stages, with a cell cursor. Rows move only while nobody touches it."""

    chosen = Signal(str)
    """The environment under the cursor; empty: there is none."""
    drilled = Signal(str, object)
    """Enter or a double click: the environment and the Stage of the cell, or None."""

    def __init__(self, look: Look, model: FleetModel, parent: QWidget | None = None, calm: float = CALM) -> None:
        super().__init__(parent)
        self._look = look
        self._model = model
        self._calm = calm
        self._touched = 0.0
        self._current = ""
        self._delegate = FleetDelegate(look, self)
        self.setAccessibleName("Environments of the run")
        self._set_up(model)
        self._moving = QTimer(self, interval=LOOK_MS)
        self._moving.timeout.connect(self._move_rows)
        model.stale.connect(self._moving.start)
        look.changed.connect(self._follow)
        self._follow()

    @property
    def current(self) -> str:
        """The environment under the cursor."""
        index = self.currentIndex()
        return self._model.at(index.row()).name if index.isValid() else ""

    def chosen_names(self) -> tuple[str, ...]:
        """Selected environments, from top to bottom."""
        rows = sorted({each.row() for each in self.selectionModel().selectedRows()})
        return tuple(self._model.at(row).name for row in rows)

    def choose(self, names: Iterable[str]) -> None:
        """Select environments, as far as they are shown; the cursor goes to the first of them."""
        places = sorted(place for place in map(self._model.place, names) if place >= 0)
        if not places:
            return
        selection = QItemSelection()
        for place in places:
            selection.select(self._model.index(place, 0), self._model.index(place, COLUMNS - 1))
        column = max(self.currentIndex().column(), 0)
        flags = QItemSelectionModel.SelectionFlag
        if self.current not in {self._model.at(place).name for place in places}:
            self.selectionModel().setCurrentIndex(self._model.index(places[0], column), flags.NoUpdate)
        self.selectionModel().select(selection, flags.ClearAndSelect)

    def go_to(self, name: str, column: int = -1) -> None:
        """Put the cursor on an environment."""
        place = self._model.place(name)
        if place >= 0:
            self._put_cursor(place, column if column >= 0 else max(self.currentIndex().column(), 0))

    def _put_cursor(self, row: int, column: int) -> None:
        """Whatever keys are held down: a shortcut's Ctrl is no wish to select more."""
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(self._model.index(row, column), flags.ClearAndSelect | flags.Rows)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter drills; letters do not search, / filters."""
        self._touch()
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self.currentIndex().isValid():
            self._drill(self.currentIndex())
            return
        super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:
        """Letters do not move the cursor."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Drill into the cell."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() is Qt.MouseButton.LeftButton:
            self._drill(index)

    def viewportEvent(self, event: QEvent) -> bool:
        """Note when the pointer is here, and over which row."""
        kind = event.type()
        if kind in {QEvent.Type.MouseMove, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel, QEvent.Type.Enter}:
            self._touch()
        if isinstance(event, QMouseEvent) and kind == QEvent.Type.MouseMove:
            self._hover(self.rowAt(round(event.position().y())))
        elif kind == QEvent.Type.Enter:
            self._hover(self.rowAt(self.viewport().mapFromGlobal(QCursor.pos()).y()))
        elif kind == QEvent.Type.Leave:
            self._touch()
            self._hover(-1)
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the columns their widths."""
        super().resizeEvent(event)
        self._fit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The selection looks different with the focus; a cursor is there from the first key on."""
        super().focusInEvent(event)
        if not self.currentIndex().isValid() and self._model.rowCount():
            self._put_cursor(0, 0)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The selection looks different without the focus."""
        super().focusOutEvent(event)
        self.viewport().update()

    def hideEvent(self, event: QHideEvent) -> None:
        """Rows move at once where nobody sees it."""
        super().hideEvent(event)
        self._touched = 0.0

    def currentChanged(self, current: Index, previous: Index) -> None:
        """Tell which environment is under the cursor."""
        super().currentChanged(current, previous)
        name = self._model.at(current.row()).name if current.isValid() else ""
        if name != self._current:
            self._current = name
            self.chosen.emit(name)

    def _set_up(self, model: FleetModel) -> None:
        self.setHorizontalHeader(FleetHeader(self._look, self))
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
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setMouseTracking(True)

    def _drill(self, index: QModelIndex) -> None:
        self.drilled.emit(self._model.at(index.row()).name, stage_of(index.column()))

    def _touch(self) -> None:
        self._touched = time.monotonic()

    def _hover(self, row: int) -> None:
        before, self._delegate.hovered = self._delegate.hovered, row
        for each in {before, row} - {-1} if before != row else ():
            self.viewport().update(0, self.rowViewportPosition(each), self.viewport().width(), self.rowHeight(each))

    def _move_rows(self) -> None:
        """Sort and filter again when the pointer has been elsewhere, and no key was pressed, for long enough."""
        if self.isVisible() and self.viewport().underMouse():
            self._touch()
        if time.monotonic() - self._touched >= self._calm:
            self._moving.stop()
            self._model.arrange()

    def _follow(self) -> None:
        self._delegate.brush.measure()
        self.verticalHeader().setDefaultSectionSize(self._look.row(Row.GRID))
        self._fit()
        self.viewport().update()

    def _fit(self) -> None:
        """Stages get what they need, down to the least; "Now" the rest, and its place is given up before theirs."""
        px, room = self._look.px, self.viewport().width()
        narrow = room < sum(map(px, WIDTHS.values())) + 6 * px(STAGE_FULL)
        widths = NARROW_WIDTHS if narrow else WIDTHS
        rest = room - sum(map(px, widths.values()))
        shown = not narrow and rest - 6 * px(STAGE_FULL) >= px(NOW_LEAST)
        usual = max(px(STAGE_FULL), stage_width(self._delegate.brush))
        stage = min(usual, max(px(STAGE_FULL if shown else STAGE_LEAST), (rest - px(NOW_USUAL) * shown) // 6))
        for column, width in widths.items():
            self.setColumnWidth(column, px(width))
        for place in range(Column.STAGES, Column.TIME):
            self.setColumnWidth(place, stage)
        rest -= 6 * stage
        self.setColumnHidden(Column.NOW, not shown)
        if shown:
            self.setColumnWidth(Column.NOW, rest)
        else:
            self.setColumnWidth(Column.ENVIRONMENT, px(widths[Column.ENVIRONMENT]) + max(rest, 0))
        self._model.set_narrow(narrow)
