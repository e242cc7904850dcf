"""The steps tab: each stage with status, start, duration, attempts and action, and below it what it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHeaderView, QTreeView, QVBoxLayout, QWidget

from kdeploy_gui.model.event import Event
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.cells import Cells
from kdeploy_gui.ui.detail.step_rows import Item, Step, differing, parts_of, stage_item
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip

HEADERS = ("Step", "State", "Started", "Duration", "Attempts", "Now")
WIDTHS = (280, 112, 80, 80, 80)
ICON = 14
FEW = 20
"""Parts of a stage up to which they are open at first."""
CLOCK_MS = 1000

Index = QModelIndex | QPersistentModelIndex
Display = Qt.ItemDataRole.DisplayRole


class StepsModel(QAbstractItemModel):
    """Stages, and below each its parts; rows are only ever added, cells change one by one."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._taken = 0
        self.steps: list[Step] = []
        self.clear()
        look.changed.connect(self._redraw)

    def clear(self) -> None:
        """Forget what was shown."""
        self.beginResetModel()
        self._taken = 0
        empty, now = EnvironmentState(""), datetime.now(UTC)
        self.steps = [Step(each.stage, stage_item(each, empty, now)) for each in empty.stages]
        self.endResetModel()

    def show_state(self, state: EnvironmentState, events: Sequence[Event]) -> None:
        """The newest state, and all events of the environment so far."""
        now = datetime.now(UTC)
        for row, stage in enumerate(state.stages):
            step = self.steps[row]
            before, step.item = step.item, stage_item(stage, state, now)
            self._tell(before, step.item, row, QModelIndex())
        fresh = events[self._taken :]
        self._taken += len(fresh)
        new: dict[int, dict[str, Item]] = {}
        for stage_, key, item in parts_of(fresh):
            row = list(Stage).index(stage_)
            if key in self.steps[row].places:
                self._replace(row, self.steps[row].places[key], item)
            else:
                new.setdefault(row, {})[key] = item
        for row, items in new.items():
            self._append(row, items)

    def _replace(self, row: int, place: int, item: Item) -> None:
        parts = self.steps[row].parts
        before, parts[place] = parts[place], item
        self._tell(before, item, place, self.index(row, 0))

    def _append(self, row: int, items: dict[str, Item]) -> None:
        step = self.steps[row]
        first = len(step.parts)
        self.beginInsertRows(self.index(row, 0), first, first + len(items) - 1)
        step.places.update({key: first + number for number, key in enumerate(items)})
        step.parts.extend(items.values())
        self.endInsertRows()

    def _tell(self, before: Item, after: Item, row: int, parent: QModelIndex) -> None:
        columns = differing(before.cells, after.cells)
        if not columns and before.condition is not after.condition:
            columns = range(1, 2)
        if columns:
            last = columns[-1]
            self.dataChanged.emit(self.index(row, columns[0], parent), self.index(row, last, parent))

    def _redraw(self) -> None:
        self.dataChanged.emit(self.index(0, 0), self.index(len(self.steps) - 1, len(HEADERS) - 1))

    # Qt's questions

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """A stage has the internal id 0, a part that of its stage and one."""
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, parent.row() + 1 if parent.isValid() else 0)

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        """The stage of a part."""
        owner = index.internalId()
        return self.createIndex(owner - 1, 0, 0) if index.isValid() and owner else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Six stages; as many parts as a stage has."""
        if not parent.isValid():
            return len(self.steps)
        return len(self.steps[parent.row()].parts) if not parent.internalId() and not parent.column() else 0

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """The same everywhere."""
        return len(HEADERS)

    def item(self, index: Index) -> Item:
        """What a row shows."""
        owner = index.internalId()
        if not owner:
            return self.steps[index.row()].item
        return self.steps[owner - 1].parts[index.row()]

    def data(self, index: Index, role: int = Display) -> object:
        """Texts, the glyph of the state, and its word for those who hear it."""
        if not index.isValid():
            return None
        item, column = self.item(index), index.column()
        if role in (Display, Qt.ItemDataRole.AccessibleTextRole):
            return item.cells[column]
        if role == Qt.ItemDataRole.ToolTipRole and column in (0, 5):
            return plain_tip(item.cells[column]) or None
        if role == Qt.ItemDataRole.DecorationRole and column == 1:
            return self._look.icon(item.condition.icon, item.condition.token)
        if role == Qt.ItemDataRole.ForegroundRole:
            token = ("t1", item.condition.word_token, "t2", "t2", "t2", "t2")[column]
            failed = column == 5 and item.condition is Condition.FAILED
            return self._look.theme.color("failed" if failed else token)
        if role == Qt.ItemDataRole.SizeHintRole:
            return QSize(0, self._look.row(Row.GRID))
        if role == Qt.ItemDataRole.FontRole:
            style = Text.NAME if not index.internalId() and column == 0 else Text.CELL
            return self._look.font(style)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Display) -> object:
        """Names of the columns."""
        return HEADERS[section] if role == Display and orientation is Qt.Orientation.Horizontal else None


class StepsPage(QWidget):
    """The tree of steps; the durations of running ones go on by themselves."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._state: EnvironmentState | None = None
        self._events: Sequence[Event] = ()
        self._opened: set[int] = set()
        self.model = StepsModel(look, self)
        self.tree = QTreeView(self)
        self.tree.setModel(self.model)
        self.tree.setItemDelegate(Cells(look, self.tree))
        self.tree.setAccessibleName("Steps")
        self.tree.setUniformRowHeights(True)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setAllColumnsShowFocus(True)
        self.tree.setFrameShape(QTreeView.Shape.NoFrame)
        self.tree.setIndentation(look.px(20))
        self.tree.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.tree.header().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.tree.header().setStretchLastSection(True)
        self.tree.header().setProperty("edge", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tree)
        self._clock = QTimer(self, interval=CLOCK_MS)
        self._clock.timeout.connect(self._tick)
        look.changed.connect(self._follow)
        self._follow()

    def clear(self) -> None:
        """Another environment follows."""
        self._state, self._events = None, ()
        self._opened.clear()
        self._clock.stop()
        self.model.clear()

    def show_state(self, state: EnvironmentState | None, events: Sequence[Event]) -> None:
        """The newest state and all events so far; nothing before the run has reached the environment."""
        if state is None:
            return
        self._state, self._events = state, events
        self._update()
        if state.status.is_final:
            self._clock.stop()
        elif not self._clock.isActive():
            self._clock.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened out of sight."""
        self._update()
        super().showEvent(event)

    def _tick(self) -> None:
        if self.isVisible():
            self._update()

    def _update(self) -> None:
        if self._state is None:
            return
        self.model.show_state(self._state, self._events)
        for row, step in enumerate(self.model.steps):
            if step.parts and row not in self._opened:
                self._opened.add(row)
                self.tree.setExpanded(self.model.index(row, 0), len(step.parts) <= FEW)

    def _follow(self) -> None:
        for section, width in enumerate(WIDTHS):
            self.tree.header().resizeSection(section, self._look.px(width))
        self.tree.setFont(self._look.font(Text.CELL))
        self.tree.setIconSize(QSize(self._look.px(ICON), self._look.px(ICON)))
