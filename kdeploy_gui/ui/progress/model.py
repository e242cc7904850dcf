"""The environments of one run as a table: rows change in place and move only when they are told to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum, IntEnum

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.filters import Filter
from kdeploy_gui.ui.progress.rows import Row, row_of, time_of_day

Index = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    """Columns that are no stage; stages lie between STATE and TIME."""

    ENVIRONMENT = 0
    STATE = 1
    STAGES = 2
    TIME = 8
    NOW = 9


COLUMNS = 10
HEADERS = (
    "Environment",
    "State",
    *(each.label.capitalize().replace(" ", "\n", 1) for each in Stage),
    "Time",
    "Now",
)
SHORT_HEADERS = (
    "Environment",
    "State",
    "Artifacts",
    "Connection",
    "Depend-\nencies",
    "Scripts",
    "Instru-\nments",
    "Readiness",
)
SHORT = (*SHORT_HEADERS, "Time", "Now")


class Order(Enum):
    """How rows are sorted."""

    ATTENTION = "Needs attention first"
    PLAN = "Order of the plan"
    NAME = "Name"


def stage_of(column: int) -> Stage | None:
    """The stage that a column shows; None for the others."""
    place = column - Column.STAGES
    return list(Stage)[place] if 0 <= place < len(Stage) else None


class FleetModel(QAbstractTableModel):
    """Rows of a run, filtered and sorted.

    `update` and `refresh` never move a row: they say `stale` when the order or the filter would give another picture
    now, and `arrange` brings it about.
    """

    stale = Signal()
    counted = Signal(int, int)
    """Rows shown, and all."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run = RunState()
        self._rows: dict[str, Row] = {}
        self._shown: list[str] = []
        self._places: dict[str, int] = {}
        self._filter = Filter()
        self.order = Order.ATTENTION
        self.narrow = False

    def show(self, run: RunState, now: datetime) -> None:
        """Another run, from its newest state."""
        self.beginResetModel()
        self._run = run
        self._rows = {name: row_of(each, run, now) for name, each in run.environments.items()}
        self._set_shown(self._wanted())
        self.endResetModel()
        self._count()

    def update(self, run: RunState, names: Iterable[str], now: datetime) -> None:
        """The same run with news of these environments; an empty name stands for the run itself."""
        touched = set(names)
        self._run = run
        if "" in touched:
            touched = set(run.environments)
        unknown = [name for name in run.environments if name in touched and name not in self._rows]
        for name in unknown:
            self._rows[name] = row_of(run.environments[name], run, now)
        self._take({name: row_of(run.environments[name], run, now) for name in touched & run.environments.keys()})
        if unknown:
            self.arrange()

    def refresh(self, now: datetime) -> None:
        """Let time go on for those that have not ended."""
        run = self._run
        open_rows = (name for name, row in self._rows.items() if not row.final)
        self._take({name: row_of(run.environments[name], run, now) for name in open_rows})

    def set_filter(self, chosen: Filter) -> None:
        """Show only what matches."""
        self._filter = chosen
        self.arrange()

    def set_order(self, order: Order) -> None:
        """Sort in another way."""
        self.order = order
        self.arrange()

    def arrange(self) -> None:
        """Apply order and filter now; selections and cursors go with their rows."""
        wanted = self._wanted()
        if wanted == self._shown:
            return
        kept = set(wanted)
        for row in reversed(range(len(self._shown))):
            if self._shown[row] not in kept:
                self.beginRemoveRows(QModelIndex(), row, row)
                self._set_shown(self._shown[:row] + self._shown[row + 1 :])
                self.endRemoveRows()
        new = [name for name in wanted if name not in self._places]
        if new:
            self.beginInsertRows(QModelIndex(), len(self._shown), len(self._shown) + len(new) - 1)
            self._set_shown([*self._shown, *new])
            self.endInsertRows()
        if wanted != self._shown:
            self._move_to(wanted)
        self._count()

    @property
    def run(self) -> RunState:
        """The state that is shown."""
        return self._run

    def at(self, row: int) -> Row:
        """What stands in a row."""
        return self._rows[self._shown[row]]

    def get(self, name: str) -> Row | None:
        """The environment of that name, shown or not."""
        return self._rows.get(name)

    def place(self, name: str) -> int:
        """The row of an environment; -1: it is not shown."""
        return self._places.get(name, -1)

    def shown(self) -> Iterator[Row]:
        """The rows from top to bottom."""
        return (self._rows[name] for name in self._shown)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        """Rows that match the filter."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        """Ten."""
        return 0 if parent.isValid() else COLUMNS

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts of a cell."""
        if not index.isValid():
            return None
        row, column = self.at(index.row()), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{HEADERS[column]}: {cell_text(row, column) or 'none'}".replace("\n", " ")
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole}:
            return _tooltip(row, column, self._run.environments[row.name])
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Names of the columns, on two lines where they are long."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return (SHORT if self.narrow else HEADERS)[section]
        if role in {Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole}:
            return HEADERS[section].replace("\n", " ")
        return None

    def set_narrow(self, narrow: bool) -> None:
        """Use short names of columns, or the whole ones."""
        if narrow != self.narrow:
            self.narrow = narrow
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, COLUMNS - 1)

    def _take(self, fresh: Mapping[str, Row]) -> None:
        """Put rows in place and tell which cells differ, in as few signals as there are kinds of change."""
        stale = False
        spans: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for name, row in fresh.items():
            before = self._rows[name]
            if before == row:
                continue
            self._rows[name] = row
            stale = stale or before.condition is not row.condition or before.stage != row.stage
            place = self._places.get(name)
            if place is not None:
                spans.setdefault(_changed(before, row), []).append(place)
        for columns, places in spans.items():
            for top, bottom in _ranges(sorted(places)):
                for left, right in columns:
                    self.dataChanged.emit(self.index(top, left), self.index(bottom, right))
        if stale and self._wanted() != self._shown:
            self.stale.emit()

    def _wanted(self) -> list[str]:
        rows: Iterable[Row] = self._rows.values()
        if self._filter.terms:
            rows = (each for each in rows if self._filter.matches(each.fields(), f"{each.name} {each.now}"))
        match self.order:
            case Order.ATTENTION:
                rows = sorted(rows, key=lambda each: each.rank)
            case Order.NAME:
                rows = sorted(rows, key=lambda each: each.name)
            case Order.PLAN:
                pass
        return [each.name for each in rows]

    def _set_shown(self, names: list[str]) -> None:
        self._shown = names
        self._places = {name: place for place, name in enumerate(names)}

    def _move_to(self, wanted: list[str]) -> None:
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        names = [self._shown[each.row()] for each in before]
        self._set_shown(wanted)
        after = [self.index(self._places[name], each.column()) for name, each in zip(names, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _count(self) -> None:
        self.counted.emit(len(self._shown), len(self._rows))


def now() -> datetime:
    """This moment, as events have it."""
    return datetime.now(UTC)


def cell_text(row: Row, column: int) -> str:
    """A cell in words."""
    match column:
        case Column.ENVIRONMENT:
            return visible(row.name)
        case Column.STATE:
            return row.condition.word
        case Column.TIME:
            return row.elapsed
        case Column.NOW:
            return row.now
        case _:
            return row.stages[column - Column.STAGES].said


def _tooltip(row: Row, column: int, state: EnvironmentState) -> str:
    """The cell at length. Its first line holds no foreign text: by that line Qt decides that it is plain text."""
    stage = stage_of(column)
    if stage is None:
        text = row.now if column != Column.TIME else f"{row.elapsed} since it began"
        return f"{row.condition.word}\n{visible(row.name)}" + (f"\n{text}" if text else "")
    lines = [f"{stage.label.capitalize()}: {row.stages[column - Column.STAGES].said}"]
    told = state.stages[column - Column.STAGES]
    if told.started is not None:
        lines.append(f"Started {time_of_day(told.started)}, attempt {told.attempts}")
    if stage.value == state.status.value and row.now:
        lines.append(row.now)
    return "\n".join(lines)


def _changed(before: Row, after: Row) -> tuple[tuple[int, int], ...]:
    """Columns that differ, as ranges."""
    columns = [
        Column.STAGES + place
        for place, (one, other) in enumerate(zip(before.stages, after.stages, strict=True))
        if one is not other and one != other
    ]
    if (before.condition, before.share) != (after.condition, after.share):
        columns.insert(0, Column.STATE)
    if before.elapsed != after.elapsed:
        columns.append(Column.TIME)
    if before.now != after.now:
        columns.append(Column.NOW)
    return _ranges(columns)


def _ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as ranges of neighbours, ends included."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return tuple((first, last) for first, last in found)
