"""Tables of what can be taken into the lab file: one row each, with a tick in the first column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QCheckBox, QHeaderView, QTableView

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.cells import Cells
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole


@dataclass(frozen=True, slots=True)
class Offer:
    """One row: the name of the environment that it becomes, and its cells; `known`: it is in the lab already."""

    name: str
    words: tuple[str, ...]
    known: bool = False


class TickModel(QAbstractTableModel):
    """Offers with ticks. `chosen` are the names of those that are ticked."""

    ticked = Signal()
    columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.offers: tuple[Offer, ...] = ()
        self.chosen: set[str] = set()

    def show_offers(self, offers: Iterable[Offer]) -> None:
        """Show these; what was chosen and is still there stays chosen."""
        self.beginResetModel()
        self.offers = tuple(offers)
        self.chosen = self.along(self.chosen)
        self.endResetModel()
        self.ticked.emit()

    @property
    def new(self) -> set[str]:
        """The names of those that can be chosen."""
        return {each.name for each in self.offers if not each.known}

    def along(self, names: Iterable[str]) -> set[str]:
        """Those of these names that can be chosen, and what they bring along."""
        return set(names) & self.new

    def choose_all(self, chosen: bool) -> None:
        """Choose every new one, or none."""
        self._choose(self.new if chosen else set())

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(self.offers)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        """See Qt."""
        if orientation is Qt.Orientation.Horizontal and role == Role.DisplayRole and 0 <= section < len(self.columns):
            return self.columns[section]
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Known ones cannot be ticked."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        if self.offers[index.row()].known:
            return Qt.ItemFlag.ItemIsSelectable
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return usual | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else usual

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        """See Qt."""
        if not index.isValid():
            return None
        offer, column = self.offers[index.row()], index.column()
        match role:
            case Role.DisplayRole:
                return visible(offer.words[column])
            case Role.ToolTipRole:
                return plain_tip(offer.words[column])
            case Role.AccessibleTextRole:
                word = visible(offer.words[column])
                return f"{word}, {self._state(offer)}" if column == 0 else f"{self.columns[column]}: {word}"
            case Role.CheckStateRole if column == 0:
                return Qt.CheckState.Checked if offer.name in self.chosen else Qt.CheckState.Unchecked
            case Role.FontRole:
                return self._look.font(Text.NAME if column == 0 else Text.CELL)
            case Role.ForegroundRole:
                return self._look.theme.color("t3" if offer.known else "t1" if column == 0 else "t2")
        return None

    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        """Tick one, with what it brings along; without it nothing that needs it stays."""
        if role != Role.CheckStateRole or not index.isValid() or self.offers[index.row()].known:
            return False
        name = self.offers[index.row()].name
        if Qt.CheckState(value) is Qt.CheckState.Checked:
            self._choose(self.along({*self.chosen, name}))
        else:
            self._choose({each for each in self.chosen if name not in self.along([each])})
        return True

    def _choose(self, chosen: set[str]) -> None:
        changed, self.chosen = self.chosen ^ chosen, chosen
        for row, each in enumerate(self.offers):
            if each.name in changed:
                cell = self.index(row, 0)
                self.dataChanged.emit(cell, cell, [Role.CheckStateRole])
        self.ticked.emit()

    def _state(self, offer: Offer) -> str:
        if offer.known:
            return "in the lab already"
        return "chosen" if offer.name in self.chosen else "not chosen"


def show_count(model: TickModel, every: QCheckBox, add: Button, what: str) -> None:
    """Bring the tick for all and the button that adds up to date; `what`: one row in a word."""
    count, new = len(model.chosen), len(model.new)
    add.setText("Add environments" if not count else f"Add {count} environment{'s' if count > 1 else ''}")
    add.setAccessibleName(add.text())
    add.setEnabled(bool(count))
    add.setToolTip("Write them into the lab file" if count else f"Tick a {what} first")
    every.setChecked(bool(new) and count == new)
    every.setEnabled(bool(new))
    every.setToolTip("" if new else f"No {what} is new")


def tick_table(model: TickModel, look: Look, name: str) -> QTableView:
    """A table of them: whole rows, Space ticks."""
    table = QTableView()
    table.setModel(model)
    table.setItemDelegate(Cells(look, table))
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTableView.Shape.NoFrame)
    table.verticalHeader().hide()
    table.verticalHeader().setMinimumSectionSize(1)
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    header = table.horizontalHeader()
    header.setStretchLastSection(True)
    header.setHighlightSections(False)
    header.setProperty("edge", True)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table


def measure(table: QTableView, look: Look, widest: int = 0) -> None:
    """Heights of the present look, and columns as wide as their words, but no wider than `widest` pixels at 100 %."""
    table.verticalHeader().setDefaultSectionSize(look.row(Row.GRID))
    table.horizontalHeader().setFixedHeight(look.row(Row.TABLE_HEADER))
    table.resizeColumnsToContents()
    header = table.horizontalHeader()
    for section in range(header.count() if widest else 0):
        header.resizeSection(section, min(header.sectionSize(section), look.px(widest)))


def first_new(model: TickModel) -> QModelIndex:
    """The cell where ticking begins; an invalid one where nothing can be ticked."""
    rows: Sequence[int] = [row for row, each in enumerate(model.offers) if not each.known]
    return model.index(rows[0], 0) if rows else QModelIndex()
