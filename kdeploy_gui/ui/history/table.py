"""Runs as a table that reads the history page by page."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal

from kdeploy_gui.model.history import RunCount, RunQuery, RunRecord
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.history.words import Piece, moment_text, outcome_pieces, ready_text, record_of, run_length
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.tips import plain_tip

PAGE = 100
MOST_AT_ONCE = 10_000
TICK_MS = 1000
PIECES = Qt.ItemDataRole.UserRole
"""The parts of a cell, as the delegate draws them."""
RECORD = Qt.ItemDataRole.UserRole + 1
"""The RunRecord of a row."""

Index = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    """What the list tells of a run."""

    RUN = 0
    PLAN = 1
    STARTED = 2
    TIME = 3
    ENVIRONMENTS = 4
    OUTCOME = 5


TEXT_ROLES = frozenset({Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole})
TITLES = ("Run", "Plan", "Started", "Time", "Environments", "Outcome")


class RunTable(QAbstractTableModel):
    """Runs that match a query, newest first; runs that go on are shown as they are now."""

    counted = Signal(object)
    """A RunCount for the present query."""
    read = Signal()
    """The first page of the present query is here."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.query = RunQuery(limit=PAGE)
        """What is shown."""
        self._rows: list[RunRecord] = []
        self._more = False
        self._asked = 0
        """Number of the newest question; answers to older ones are not heard."""
        self._fetching = False
        self._heard_of = 0
        """The newest run anybody has heard of."""
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        session.runs.changed.connect(self._run_changed)
        session.runs.ended.connect(lambda _: self.look_for_newer())
        session.look.changed.connect(self._redraw)

    def search(self, query: RunQuery) -> None:
        """Show what matches; the present rows stay until the first page is here."""
        self.query = replace(query, before=0, limit=PAGE)
        self._more = False
        self._asked += 1
        self._session.bridge.spawn(self._first_page(self._asked), name="search the history")

    def search_through(self, run: int) -> None:
        """Show all runs, the newest down to beyond `run` at once."""
        self.query = RunQuery(limit=PAGE)
        self._more = False
        self._asked += 1
        self._session.bridge.spawn(self._first_page(self._asked, run), name="look for a run")

    def look_for_newer(self) -> None:
        """Put runs on top that were submitted since the first page was read."""
        self._session.bridge.spawn(self._newer(self._asked), name="look for newer runs")

    def record(self, row: int) -> RunRecord | None:
        """The run of a row."""
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def row_of(self, run: int) -> int:
        """The row of a run, -1: it is not among those read so far."""
        row = bisect_left(self._rows, -run, key=lambda each: -each.run)
        return row if row < len(self._rows) and self._rows[row].run == run else -1

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Runs read so far."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """What is told of each."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Titles of columns."""
        if orientation is Qt.Orientation.Vertical or not 0 <= section < len(TITLES):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section == Column.TIME else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return TITLES[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A cell as pieces, as text, and as a screen reader says it."""
        record = self.record(index.row())
        if record is None or not index.isValid():
            return None
        if role == RECORD:
            return record
        if role not in {PIECES, *TEXT_ROLES}:
            return None
        pieces = self._pieces(record, Column(index.column()))
        if role == PIECES:
            return pieces
        text = " ".join(each.text for each in pieces if each.text)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(text)
        return f"{TITLES[index.column()]} {text}" if role == Qt.ItemDataRole.AccessibleTextRole else text

    def canFetchMore(self, parent: Index) -> bool:
        """Whether older runs match."""
        return not parent.isValid() and self._more

    def fetchMore(self, parent: Index) -> None:
        """Read the next page; it is appended when it is here."""
        if self.canFetchMore(parent) and not self._fetching:
            self._fetching = True
            self._session.bridge.spawn(self._next_page(self._asked, self._rows[-1].run), name="read older runs")

    def _pieces(self, record: RunRecord, column: Column) -> tuple[Piece, ...]:
        now = datetime.now(UTC)
        match column:
            case Column.RUN:
                return (Piece(str(record.run), Text.NAME, "t1"),)
            case Column.PLAN:
                return (Piece(visible(record.plan), Text.BODY),)
            case Column.STARTED:
                return (Piece(moment_text(record.submitted, now)),)
            case Column.TIME:
                return (Piece(run_length(record, now)),)
            case Column.ENVIRONMENTS:
                return (Piece(ready_text(record)),)
            case Column.OUTCOME:
                state = self._session.runs.state(record.run) if record.outcome is None else None
                return tuple(replace(each, text=visible(each.text)) for each in outcome_pieces(record, state))

    async def _first_page(self, asked: int, through: int = 0) -> None:
        query, history = self.query, self._session.services.history
        if through:
            newest = await self._session.bridge.ask(lambda: history.runs(replace(query, limit=1)))
            distance = newest[0].run - through if newest else 0
            query = replace(query, limit=min(PAGE + max(distance, 0), MOST_AT_ONCE))
        found = await self._session.bridge.ask(lambda: history.runs(query))
        if asked != self._asked:
            return
        self.beginResetModel()
        self._rows = [self._newest(each) for each in found]
        self._more = len(found) == query.limit
        self.endResetModel()
        self._mind_the_clock()
        self.read.emit()
        await self._count(asked)

    async def _next_page(self, asked: int, before: int) -> None:
        history = self._session.services.history
        query = replace(self.query, before=before)
        try:
            found = await self._session.bridge.ask(lambda: history.runs(query))
            if asked == self._asked:
                self._more = len(found) == PAGE
                self._insert(len(self._rows), found)
        finally:
            self._fetching = False

    async def _newer(self, asked: int) -> None:
        query, history = self.query, self._session.services.history
        found = await self._session.bridge.ask(lambda: history.runs(query))
        if asked != self._asked:
            return
        known = self._rows[0].run if self._rows else 0
        fresh = [each for each in found if each.run > known]
        if known and len(fresh) == PAGE:
            self.search(self.query)
        elif fresh:
            self._insert(0, fresh)
            self.read.emit()
            await self._count(asked)

    async def _count(self, asked: int) -> None:
        query, history = self.query, self._session.services.history
        count: RunCount = await self._session.bridge.ask(lambda: history.count(query))
        if asked == self._asked:
            self.counted.emit(count)

    def _insert(self, row: int, records: list[RunRecord]) -> None:
        if records:
            self.beginInsertRows(QModelIndex(), row, row + len(records) - 1)
            self._rows[row:row] = [self._newest(each) for each in records]
            self.endInsertRows()
            self._mind_the_clock()

    def _newest(self, record: RunRecord) -> RunRecord:
        state = self._session.runs.state(record.run) if record.outcome is None else None
        return record_of(state) if state is not None and state.submitted is not None else record

    def _run_changed(self, run: int, _names: frozenset[str]) -> None:
        row, state = self.row_of(run), self._session.runs.state(run)
        if row < 0 and run > max(self._heard_of, self._rows[0].run if self._rows else 0):
            self._heard_of = run
            self.look_for_newer()
        if row < 0 or state is None or state.submitted is None:
            return
        record = record_of(state)
        if record != self._rows[row] or record.outcome is None:
            self._rows[row] = record
            self._changed(row, Column.TIME, Column.OUTCOME)
            self._mind_the_clock()

    def _tick(self) -> None:
        for row, each in enumerate(self._rows[:PAGE]):
            if each.outcome is None:
                self._changed(row, Column.TIME, Column.TIME)

    def _mind_the_clock(self) -> None:
        if any(each.outcome is None for each in self._rows[:PAGE]):
            self._timer.start()
        else:
            self._timer.stop()

    def _redraw(self) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(Column) - 1))

    def _changed(self, row: int, first: Column, last: Column) -> None:
        self.dataChanged.emit(self.index(row, first), self.index(row, last))
