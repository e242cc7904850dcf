"""The list of causes: groups that fold, entries of two lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.errors.causes import Cause, headline
from kdeploy_gui.ui.errors.inbox import Retrying
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.states import CATEGORY_LOOK, Condition
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Group:
    """A heading that folds what is below it."""

    title: str
    count: int
    folded: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A cause, or an environment that is tried again by itself. `open`: it needs somebody."""

    cause: Cause | None = None
    retrying: Retrying | None = None
    open: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What stays the same when the list is read again."""
        if self.cause is not None:
            return ("cause", self.cause.key)
        return ("retry", self.retrying.environment) if self.retrying is not None else ()

    @property
    def failure(self) -> Failure | None:
        """What is told about."""
        if self.cause is not None:
            return self.cause.newest.failure
        return self.retrying.scheduled.because if self.retrying is not None else None

    @property
    def title(self) -> str:
        """The first line."""
        if self.cause is not None:
            return visible(self.cause.title)
        return visible(headline(self.retrying.scheduled.because.message)) if self.retrying is not None else ""

    @property
    def subtitle(self) -> str:
        """The second line: category, code, where."""
        if self.cause is not None:
            failure = self.cause.newest.failure
            where = _names(self.cause.environments)
            return visible(f"{CATEGORY_LOOK[failure.category][0]}, {failure.code}, {where}")
        if self.retrying is None:
            return ""
        because, wait = self.retrying.scheduled.because, self.retrying.scheduled.in_s
        where = visible(f"{CATEGORY_LOOK[because.category][0]}, {because.code}, {self.retrying.environment}")
        return f"{where}, attempt {self.retrying.attempt} failed, again in {wait:.0f} s"

    @property
    def text(self) -> str:
        """What a filter searches."""
        message = self.cause.newest.failure.message if self.cause is not None else ""
        return f"{self.title}\n{self.subtitle}\n{message}"

    @property
    def fields(self) -> Mapping[str, Sequence[str]]:
        """What a filter's keys look at."""
        if self.cause is not None:
            failure = self.cause.newest.failure
            runs = tuple(map(str, self.cause.runs))
            names = self.cause.environments
        elif self.retrying is not None:
            failure, runs = self.retrying.scheduled.because, (str(self.retrying.run),)
            names = (self.retrying.environment,)
        else:
            return {}
        return {"code": (failure.code,), "env": names, "category": (failure.category.value,), "run": runs}

    @property
    def when(self) -> str:
        """Above right: when it happened last."""
        return clock(self.cause.newest.time) if self.cause is not None else ""

    @property
    def often(self) -> str:
        """Below right: how often."""
        if self.cause is None:
            return ""
        count = len(self.cause.records)
        return "once" if count == 1 else f"{count} times"

    @property
    def icon(self) -> tuple[str, str]:
        """Glyph and colour token."""
        if self.cause is None:
            return Condition.RETRYING.icon, Condition.RETRYING.token
        icon = CATEGORY_LOOK[self.cause.newest.failure.category][1]
        return icon, "failed" if self.open else "t3"


class ProblemModel(QAbstractListModel):
    """Groups and entries in one list."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: Sequence[tuple[str, Sequence[Entry]]] = ()
        self._folded: set[str] = {"Muted", "Solved in the last 7 days"}
        self._rows: list[Group | Entry] = []

    def show_groups(self, groups: Sequence[tuple[str, Sequence[Entry]]]) -> None:
        """Other content; groups without entries are left out."""
        self._groups = [each for each in groups if each[1]]
        self._lay_out()

    def fold(self, title: str) -> None:
        """Fold a group, or open it."""
        self._folded ^= {title}
        self._lay_out()

    def unfold(self, key: tuple[str, ...]) -> None:
        """Open the group that an entry is in."""
        for title, entries in self._groups:
            if title in self._folded and any(each.key == key for each in entries):
                self.fold(title)

    def item(self, index: Index) -> Group | Entry | None:
        """What a row stands for."""
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def find(self, key: tuple[str, ...]) -> QModelIndex:
        """The row of an entry, or of none."""
        for number, row in enumerate(self._rows):
            if isinstance(row, Entry) and row.key == key:
                return self.index(number)
        return QModelIndex()

    def first(self) -> QModelIndex:
        """The first entry."""
        return next((self.index(n) for n, row in enumerate(self._rows) if isinstance(row, Entry)), QModelIndex())

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Rows of the list."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts; painting takes the item itself."""
        row = self.item(index)
        if row is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            if isinstance(row, Group):
                return f"{row.title}, {row.count}, {'folded' if row.folded else 'open'}"
            return ", ".join(part for part in (row.title, row.subtitle, row.when, row.often) if part)
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, Entry):
            return plain_tip(row.title)
        return None

    def _lay_out(self) -> None:
        self.beginResetModel()
        self._rows = []
        for title, entries in self._groups:
            folded = title in self._folded
            self._rows.append(Group(title, len(entries), folded))
            self._rows.extend([] if folded else entries)
        self.endResetModel()


class ProblemDelegate(QStyledItemDelegate):
    """Draws groups on one line and entries on two."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Heights of the design."""
        group = isinstance(_item(index), Group)
        return QSize(0, self._look.row(Row.TABLE_HEADER if group else Row.ERROR))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        row, look = _item(index), self._look
        rect: QRect = option.rect  # type: ignore[attr-defined]
        painter.save()
        if isinstance(row, Group):
            self._paint_group(painter, rect, row)
        elif row is not None:
            state = option.state  # type: ignore[attr-defined]
            self._paint_entry(painter, rect, row, bool(state & QStyle.StateFlag.State_Selected))
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.theme.line)
        painter.restore()

    def _paint_group(self, painter: QPainter, rect: QRect, row: Group) -> None:
        look = self._look
        painter.fillRect(rect, look.theme.window)
        side = look.px(16)
        name = "chevron-right" if row.folded else "chevron-down"
        top = rect.top() + (rect.height() - side) // 2
        painter.drawPixmap(rect.left() + look.px(10), top, look.pixmap(name, "t2", side, _ratio(painter)))
        painter.setFont(look.font(Text.HEADER))
        painter.setPen(look.theme.t1)
        line = rect.adjusted(look.px(34), 0, -look.px(16), 0)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, row.title)
        painter.setPen(look.theme.t3)
        line.setLeft(line.left() + look.metrics(Text.HEADER).horizontalAdvance(row.title) + look.px(8))
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, str(row.count))

    def _paint_entry(self, painter: QPainter, rect: QRect, row: Entry, selected: bool) -> None:
        look = self._look
        painter.fillRect(rect, look.theme.sel if selected else look.theme.view)
        if selected:
            painter.fillRect(rect.left(), rect.top(), 2, rect.height(), look.theme.accent)
        icon, token = row.icon
        side = look.px(20)
        painter.drawPixmap(
            rect.left() + look.px(16), rect.top() + look.px(12), look.pixmap(icon, token, side, _ratio(painter))
        )
        upper = QRect(rect.left() + look.px(48), rect.top() + look.px(10), rect.width() - look.px(64), look.px(20))
        lower = upper.translated(0, look.px(22) if look.density == "comfortable" else look.px(18))
        self._line(painter, upper, row.title, row.when, Text.NAME, "t1")
        self._line(painter, lower, row.subtitle, row.often, Text.CELL, "t2")

    def _line(self, painter: QPainter, box: QRect, left: str, right: str, style: Text, token: str) -> None:
        look = self._look
        side = look.metrics(Text.CELL).horizontalAdvance(right)
        painter.setFont(look.font(Text.CELL))
        painter.setPen(look.theme.t2)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        painter.setFont(look.font(style))
        painter.setPen(look.theme.color(token))
        room = box.width() - side - look.px(12)
        shown = look.metrics(style).elidedText(left, Qt.TextElideMode.ElideRight, room)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)


class ProblemList(QListView):
    """The list; Enter and a click fold groups."""

    chosen = Signal(object)
    """The Entry under the cursor, or None."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.problems = ProblemModel()
        self._look = look
        self._wanted: tuple[str, ...] = ()
        self.setModel(self.problems)
        self.setItemDelegate(ProblemDelegate(look, self))
        self.setAccessibleName("Errors")
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.selectionModel().currentChanged.connect(self._moved)
        look.changed.connect(self._redraw)

    def show_groups(self, groups: Sequence[tuple[str, Sequence[Entry]]]) -> None:
        """Other content; the entry that was chosen stays chosen if it is still there."""
        kept = self._wanted
        self.problems.show_groups(groups)
        found = self.problems.find(kept)
        self.setCurrentIndex(found if found.isValid() else self.problems.first())
        self._tell()

    def choose(self, key: tuple[str, ...]) -> bool:
        """Go to an entry, in a folded group, too; False: it is not in the list."""
        self.problems.unfold(key)
        found = self.problems.find(key)
        if found.isValid():
            self.setCurrentIndex(found)
        return found.isValid()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on a group folds it."""
        row = self.problems.item(self.indexAt(event.position().toPoint()))
        if isinstance(row, Group):
            self._fold(row.title)
            return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter, Left and Right fold a group."""
        row = self.problems.item(self.currentIndex())
        if isinstance(row, Group) and event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Left, Qt.Key.Key_Right}:
            at = self.currentIndex().row()
            self._fold(row.title)
            self.setCurrentIndex(self.problems.index(at))
            return
        super().keyPressEvent(event)

    def _fold(self, title: str) -> None:
        self.problems.fold(title)
        found = self.problems.find(self._wanted)
        if found.isValid():
            self.setCurrentIndex(found)

    def _moved(self, now: QModelIndex) -> None:
        row = self.problems.item(now)
        if isinstance(row, Entry) and row.key != self._wanted:
            self._wanted = row.key
            self._tell()

    def _tell(self) -> None:
        row = self.problems.item(self.problems.find(self._wanted))
        if not isinstance(row, Entry):
            row = self.problems.item(self.problems.first())
        self.chosen.emit(row if isinstance(row, Entry) else None)

    def _redraw(self) -> None:
        self.scheduleDelayedItemsLayout()
        self.viewport().update()


def clock(moment: datetime) -> str:
    """`14:32` today, `Tue 15:40` this week, else `Tue 3 Nov`."""
    local, today = moment.astimezone(), datetime.now().astimezone()
    if local.date() == today.date():
        return local.strftime("%H:%M")
    return local.strftime("%a %H:%M" if (today - local).days < 6 else "%a %-d %b")


def _names(names: Sequence[str]) -> str:
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} more"


def _item(index: Index) -> Group | Entry | None:
    model = index.model()
    return model.item(index) if isinstance(model, ProblemModel) else None


def _ratio(painter: QPainter) -> float:
    return painter.device().devicePixelRatioF()
