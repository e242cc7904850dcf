"""The model of the plan grid: rows of cells; a preview changes the cells of its row."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from kdeploy_gui.model.preview import EnvironmentPreview
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.wizard.review_rows import Cell, Column, Row, row_of

Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class PlanModel(QAbstractTableModel):
    """One row per environment of the plan."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: tuple[Column, ...] = ()
        self.rows: list[Row] = []
        self._places: dict[str, int] = {}

    def show_plan(self, names: Sequence[str], columns: tuple[Column, ...]) -> None:
        """Other environments or columns; nothing is known of any yet."""
        self.beginResetModel()
        self.columns = columns
        self.rows = [row_of(name, None, columns) for name in names]
        self._places = {name: place for place, name in enumerate(names)}
        self.endResetModel()

    def show_preview(self, name: str, preview: EnvironmentPreview | None) -> None:
        """What became known of an environment; None: it is planned again."""
        place = self._places.get(name, -1)
        if place < 0:
            return
        before, now = self.rows[place], row_of(name, preview, self.columns)
        self.rows[place] = now
        for column, (old, new) in enumerate(zip(before.cells, now.cells, strict=True)):
            if old != new:
                index = self.index(place, column)
                self.dataChanged.emit(index, index)

    def place(self, name: str) -> int:
        """The row of an environment, -1: none."""
        return self._places.get(name, -1)

    def cell(self, index: Index) -> Cell:
        """What a cell shows."""
        return self.rows[index.row()].cells[index.column()]

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Environments."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """Columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts for copying, screen readers and tooltips."""
        if not index.isValid():
            return None
        cell = self.cell(index)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return " ".join(each.text for each in cell.parts)
            case Qt.ItemDataRole.AccessibleTextRole:
                row = self.rows[index.row()]
                title = self.columns[index.column()].title
                return cell.spoken if index.column() == 0 else f"{row.name}, {title}: {cell.spoken}"
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(cell.tip) or None
            case _:
                return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Titles of the columns."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title if section < len(self.columns) else None
        return None
