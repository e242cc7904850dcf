"""The facts tab: what is known about the machine, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtWidgets import QHeaderView, QStackedWidget, QTableView, QVBoxLayout, QWidget

from kdeploy_gui.model.event import Event, FactFound
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.cells import Cells
from kdeploy_gui.ui.detail.words import when
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import EmptyState, SearchField

HEADERS = ("Fact", "Value", "Found")
WIDTHS = (200, 480)
ICON = 14
Index = QModelIndex | QPersistentModelIndex
Display = Qt.ItemDataRole.DisplayRole


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact and when it was found last."""

    name: str
    value: str
    found: datetime

    @property
    def cells(self) -> tuple[str, str, str]:
        """The texts of the columns."""
        words = self.name.replace("_", " ").replace("guest cpu", "guest CPU")
        return words[:1].upper() + words[1:], self.value, when(self.found)


def described(facts: Facts) -> Mapping[str, str]:
    """What a look at a machine found, in the names that runs give to facts."""
    said = {
        "kernel": facts.kernel_release,
        "kernel_build": facts.kernel_build,
        "machine": facts.machine,
        "boot_id": facts.boot_id,
        "os": facts.os_name,
        "user": f"{facts.user}:{facts.group}",
        "home": facts.home,
        "memory_available": f"{facts.memory_available >> 20} MiB of {facts.memory_total >> 20} MiB",
        "load": f"{facts.load:.2f}",
        "uptime": duration(facts.uptime),
        "clock_skew": f"{facts.clock_skew:+.1f} s",
        "package_manager": facts.package_manager or "none",
    }
    health = dict(facts.health.described()) if facts.health else {}
    return {name: value for name, value in {**said, **health}.items() if value}


class Known:
    """All facts in the order in which they were found; the newest value of each counts."""

    def __init__(self) -> None:
        self._taken = 0
        self._facts: dict[str, Fact] = {}

    def take(self, events: Sequence[Event], facts: Facts | None, looked: datetime | None) -> tuple[Fact, ...]:
        """All facts, from all events so far and the last look."""
        fresh = events[self._taken :]
        self._taken += len(fresh)
        for event in fresh:
            if isinstance(event.body, FactFound):
                self._put(Fact(visible(event.body.name), visible(event.body.value), event.time))
        if facts is not None and looked is not None:
            for name, value in described(facts).items():
                self._put(Fact(name, visible(value), looked))
        return tuple(self._facts.values())

    def _put(self, fact: Fact) -> None:
        before = self._facts.get(fact.name)
        if before is None or before.found <= fact.found:
            self._facts[fact.name] = fact


class FactsModel(QAbstractTableModel):
    """Facts that match the filter."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._all: Sequence[Fact] = ()
        self._wanted = ""
        self._shown: list[Fact] = []

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show these; the view stays where it is if only values changed."""
        self._all = facts
        self._apply()

    def filter(self, text: str) -> None:
        """Only facts whose name or value holds `text`."""
        self._wanted = text.casefold()
        self._apply()

    def _apply(self) -> None:
        shown = [each for each in self._all if self._wanted in " ".join(each.cells[:2]).casefold()]
        if shown == self._shown:
            return
        if [each.name for each in shown] == [each.name for each in self._shown]:
            changed = [row for row, pair in enumerate(zip(shown, self._shown, strict=True)) if pair[0] != pair[1]]
            self._shown = shown
            for row in changed:
                self.dataChanged.emit(self.index(row, 1), self.index(row, 2))
            return
        self.beginResetModel()
        self._shown = shown
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Facts shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Name, value, when."""
        return 0 if parent.isValid() else len(HEADERS)

    def data(self, index: Index, role: int = Display) -> object:
        """Texts."""
        if not index.isValid():
            return None
        if role in (Display, Qt.ItemDataRole.AccessibleTextRole):
            return self._shown[index.row()].cells[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(self._shown[index.row()].cells[index.column()])
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._look.theme.color(("t2", "t1", "t3")[index.column()])
        if role == Qt.ItemDataRole.FontRole:
            return self._look.font(Text.LOG if index.column() == 1 else Text.CELL)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Display) -> object:
        """Names of the columns."""
        return HEADERS[section] if role == Display and orientation is Qt.Orientation.Horizontal else None


class FactsPage(QWidget):
    """The table of facts and, for the tool row, its filter."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._known = Known()
        self.model = FactsModel(look, self)
        self.table = QTableView(self)
        self.field = SearchField(look, "Filter facts")
        self.field.setFixedWidth(look.px(224))
        self._empty = EmptyState(
            look, "text-search", "Nothing is known about this machine yet", "A check or a run asks."
        )
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.table)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        set_up(self.table, "Facts", look)
        self.table.setModel(self.model)
        self.field.textChanged.connect(self.model.filter)
        self.field.left.connect(self.table.setFocus)
        look.changed.connect(self._follow)
        self._follow()

    def clear(self) -> None:
        """Another environment follows."""
        self._known = Known()

    def show_known(
        self, events: Sequence[Event], facts: Facts | None, looked: datetime | None, usage: Sequence[Fact] = ()
    ) -> None:
        """Show what all events so far and the last look have told, below what a guest uses now."""
        found = (*usage, *self._known.take(events, facts, looked))
        self.model.show_facts(found)
        self._stack.setCurrentWidget(self.table if found else self._empty)

    def _follow(self) -> None:
        measure(self.table, self._look, WIDTHS)


def set_up(table: QTableView, name: str, look: Look) -> None:
    """A table of words: whole rows, no grid, no row numbers."""
    table.setAccessibleName(name)
    table.setItemDelegate(Cells(look, table))
    table.setShowGrid(False)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.setWordWrap(False)
    table.setFrameShape(QTableView.Shape.NoFrame)
    table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setMinimumSectionSize(1)
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setProperty("edge", True)


def measure(table: QTableView, look: Look, widths: Sequence[int]) -> None:
    """Heights and widths of the present look."""
    table.verticalHeader().setDefaultSectionSize(look.row(Row.GRID))
    table.setIconSize(QSize(look.px(ICON), look.px(ICON)))
    for section, width in enumerate(widths):
        table.horizontalHeader().resizeSection(section, look.px(width))
    table.viewport().update()
