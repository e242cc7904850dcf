"""Filters that were saved under a name, with how many environments each leaves now."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Hairline, PlainLabel

Index = QModelIndex | QPersistentModelIndex
SETTING = "tree/saved filters"
SHOWN = 6
"""Filters that are shown without scrolling."""
ROW = 24


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A filter by its name."""

    name: str
    text: str


class SavedModel(QAbstractListModel):
    """Saved filters, kept in the settings."""

    def __init__(self, settings: QSettings, parent: QWidget) -> None:
        super().__init__(parent)
        self._settings = settings
        self.filters = _read(settings)
        self._counts: dict[str, int] = {}

    def write(self, filters: Sequence[SavedFilter]) -> None:
        """Other filters."""
        self.beginResetModel()
        self.filters = tuple(filters)
        self.endResetModel()
        self._settings.setValue(SETTING, json.dumps([[each.name, each.text] for each in filters]))

    def put(self, name: str, text: str) -> None:
        """Save a filter; one of that name is replaced."""
        self.write([*(each for each in self.filters if each.name != name), SavedFilter(name, text)])

    def recount(self, count: Callable[[str], int]) -> None:
        """Count again what each leaves."""
        for row, each in enumerate(self.filters):
            now = count(each.text)
            if self._counts.get(each.text) != now:
                self._counts[each.text] = now
                self.dataChanged.emit(self.index(row), self.index(row))

    def count(self, index: Index) -> int:
        """How many environments a filter leaves."""
        return self._counts.get(self.filters[index.row()].text, 0)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Saved filters."""
        return 0 if parent.isValid() else len(self.filters)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Names; what they stand for as tooltip."""
        if not index.isValid() or index.row() >= len(self.filters):
            return None
        each = self.filters[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return visible(each.name)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{visible(each.name)}, {self.count(index)} environments"
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(each.text)
        return None


class SavedDelegate(QStyledItemDelegate):
    """Icon, name, count."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height of the design."""
        return QSize(0, self._look.px(ROW))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        model, look = index.model(), self._look
        if not isinstance(model, SavedModel):
            return
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        if state & QStyle.StateFlag.State_HasFocus:
            painter.fillRect(rect, look.theme.sel)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, look.theme.hover)
        side, left = look.px(16), rect.left() + look.px(12)
        pixmap = look.pixmap("filter-variant", "t2", side, painter.device().devicePixelRatio())
        painter.drawPixmap(left, rect.top() + (rect.height() - side) // 2, pixmap)
        count, metrics = str(model.count(index)), look.metrics(Text.BODY)
        box = rect.adjusted(look.px(34), 0, -look.px(12), 0)
        painter.setFont(look.font(Text.BODY))
        painter.setPen(look.theme.t2)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, count)
        room = box.width() - metrics.horizontalAdvance(count) - look.px(8)
        name = metrics.elidedText(str(index.data()), Qt.TextElideMode.ElideRight, room)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)


class SavedList(QListView):
    """The list; Enter and a click filter by one."""

    chosen = Signal(str)
    """The text of a filter."""

    def __init__(self, look: Look, model: SavedModel) -> None:
        super().__init__()
        self.saved = model
        self.setModel(model)
        self.setItemDelegate(SavedDelegate(look, self))
        self.setAccessibleName("Saved filters")
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.clicked.connect(self._choose)

    def current(self) -> SavedFilter | None:
        """The filter under the cursor."""
        row = self.currentIndex().row()
        return self.saved.filters[row] if 0 <= row < len(self.saved.filters) else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter filters."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._choose()
            return
        super().keyPressEvent(event)

    def _choose(self) -> None:
        current = self.current()
        if current is not None:
            self.chosen.emit(current.text)


class SavedFilters(QWidget):
    """Heading and list; hidden while nothing is saved."""

    def __init__(self, look: Look, settings: QSettings) -> None:
        super().__init__()
        self._look = look
        self.model = SavedModel(settings, self)
        self.list = SavedList(look, self.model)
        heading = PlainLabel("Saved filters", look, Text.CELL, "t2")
        heading.setContentsMargins(look.px(12), look.px(8), look.px(12), look.px(4))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, look.px(8))
        column.setSpacing(0)
        column.addWidget(Hairline(look))
        column.addWidget(heading)
        column.addWidget(self.list)
        self.model.modelReset.connect(self._fit)
        look.changed.connect(self._fit)
        self._fit()

    def _fit(self) -> None:
        count = len(self.model.filters)
        self.setVisible(bool(count))
        self.list.setFixedHeight(min(count, SHOWN) * self._look.px(ROW))


def _read(settings: QSettings) -> tuple[SavedFilter, ...]:
    """What was saved; a setting that something else wrote counts for nothing."""
    try:
        found = json.loads(str(settings.value(SETTING, "[]")))
        return tuple(SavedFilter(str(name), str(text)) for name, text in found)
    except (ValueError, TypeError):
        return ()
