"""A small editable table over frozen items: columns say how a value is shown and put back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QHeaderView, QTableView, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.cells import Cells
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Column:
    """`put` gives the item with a new value, or raises ValueError with what is wrong; None: read only.

    `field` is the last part of a problem's field path; `choices` are the only values.
    """

    title: str
    field: str
    show: Callable[[Any], str]
    put: Callable[[Any, str], Any] | None = None
    choices: tuple[str, ...] = ()
    width: int = 0
    mono: bool = False


class ItemTable(QAbstractTableModel):
    """Items as rows."""

    edited = Signal()
    refused = Signal(str)
    """Why a value that was typed was not taken."""

    def __init__(self, look: Look, columns: Sequence[Column]) -> None:
        super().__init__()
        self._look = look
        self.columns = tuple(columns)
        self.items: tuple[Any, ...] = ()
        self._problems: Mapping[tuple[int, str], str] = {}

    def show_items(self, items: Sequence[Any]) -> None:
        """Other rows; where there are as many, the cursor stays."""
        if tuple(items) == self.items:
            return
        if len(items) == len(self.items):
            self.items = tuple(items)
            self.dataChanged.emit(self.index(0, 0), self.index(len(items) - 1, len(self.columns) - 1))
        else:
            self.beginResetModel()
            self.items = tuple(items)
            self._problems = {}
            self.endResetModel()

    def show_problems(self, problems: Mapping[tuple[int, str], str]) -> None:
        """Mark cells by row and field; an empty field marks the row's first cell."""
        if problems != self._problems:
            self._problems = problems
            if self.items:
                self.dataChanged.emit(self.index(0, 0), self.index(len(self.items) - 1, len(self.columns) - 1))

    def append(self, *items: Any) -> None:
        """Rows at the end."""
        first = len(self.items)
        self.beginInsertRows(QModelIndex(), first, first + len(items) - 1)
        self.items = (*self.items, *items)
        self.endInsertRows()
        self.edited.emit()

    def remove(self, row: int) -> Any:
        """Take a row out and return its item."""
        self.beginRemoveRows(QModelIndex(), row, row)
        gone = self.items[row]
        self.items = self.items[:row] + self.items[row + 1 :]
        self.endRemoveRows()
        self.edited.emit()
        return gone

    def insert(self, row: int, item: Any) -> None:
        """A row at its old place."""
        row = min(row, len(self.items))
        self.beginInsertRows(QModelIndex(), row, row)
        self.items = (*self.items[:row], item, *self.items[row:])
        self.endInsertRows()
        self.edited.emit()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """One per item."""
        return 0 if parent.isValid() else len(self.items)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Those of the table."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Titles."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Editable where the column can be put back."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.isValid() and self.columns[index.column()].put else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Text, and the mark of a problem."""
        if not index.isValid():
            return None
        column, item = self.columns[index.column()], self.items[index.row()]
        problem = self._problem(index.row(), index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return visible(column.show(item))
            case Qt.ItemDataRole.EditRole:
                return column.show(item)
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(part for part in (f"{column.title}: {visible(column.show(item))}", problem) if part)
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(problem or column.show(item))
            case Qt.ItemDataRole.DecorationRole:
                return self._look.icon("alert-outline", "retry") if problem else None
            case Qt.ItemDataRole.FontRole:
                return self._look.font(Text.LOG if column.mono else Text.CELL)
            case _:
                return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a value, or say why not and keep the old one."""
        column = self.columns[index.column()]
        if role != Qt.ItemDataRole.EditRole or column.put is None:
            return False
        old = self.items[index.row()]
        try:
            new = column.put(old, str(value).strip())
        except ValueError as error:
            self.refused.emit(str(error))
            return False
        self.refused.emit("")
        if new != old:
            row = index.row()
            self.items = (*self.items[:row], new, *self.items[row + 1 :])
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(self.columns) - 1))
            self.edited.emit()
        return True

    def _problem(self, row: int, column: int) -> str:
        own = self._problems.get((row, self.columns[column].field), "")
        return own or (self._problems.get((row, ""), "") if column == 0 else "")


class CellEditor(Cells):
    """Text in a line edit; columns with choices in a list."""

    def createEditor(self, parent: QWidget, option: Any, index: Index) -> QWidget:
        """The editor of a cell."""
        column = _column(index)
        if column is None or not column.choices:
            return super().createEditor(parent, option, index)
        box = QComboBox(parent)
        box.addItems(column.choices)
        box.setAccessibleName(column.title)
        return box

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Show the present value."""
        if isinstance(editor, QComboBox):
            editor.setCurrentText(str(index.data(Qt.ItemDataRole.EditRole)))
            editor.showPopup()
            return
        super().setEditorData(editor, index)

    def setModelData(self, editor: QWidget, model: Any, index: Index) -> None:
        """Give the value back."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText(), Qt.ItemDataRole.EditRole)
            return
        super().setModelData(editor, model, index)


class ItemView(QTableView):
    """The table; Space goes to the next choice, Enter and F2 edit, Del asks for removal."""

    remove_wanted = Signal(int)

    def __init__(self, look: Look, table: ItemTable, name: str) -> None:
        super().__init__()
        self._look = look
        self._table = table
        self.setModel(table)
        self.setItemDelegate(CellEditor(look, self))
        self.setAccessibleName(name)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMinimumSectionSize(1)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setProperty("edge", True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for number, column in enumerate(table.columns):
            if column.width:
                self.setColumnWidth(number, look.px(column.width))
            else:
                header.setSectionResizeMode(number, QHeaderView.ResizeMode.Stretch)
        look.changed.connect(self._follow)
        self._follow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space, Enter and Del."""
        index = self.currentIndex()
        column = _column(index)
        if index.isValid() and event.key() == Qt.Key.Key_Delete:
            self.remove_wanted.emit(index.row())
        elif column is not None and column.put is not None and event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.edit(index)
        elif column is not None and column.choices and event.key() == Qt.Key.Key_Space:
            at = column.choices.index(str(index.data(Qt.ItemDataRole.EditRole)))
            self._table.setData(index, column.choices[(at + 1) % len(column.choices)])
        else:
            super().keyPressEvent(event)

    def _follow(self) -> None:
        self.verticalHeader().setDefaultSectionSize(self._look.row(Row.GRID))
        self.viewport().update()


def _column(index: Index) -> Column | None:
    model = index.model()
    return model.columns[index.column()] if index.isValid() and isinstance(model, ItemTable) else None
