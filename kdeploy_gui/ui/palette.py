"""The palette: every command and every environment, found by a few of their letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.cheat_sheet import keys_of
from kdeploy_gui.ui.look import Look, Row, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import SearchField

Index = QModelIndex | QPersistentModelIndex
WIDTH = 560
ROWS = 12
MOVES = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be run; `why_not` says why it cannot now."""

    title: str
    place: str
    key: str
    words: str
    run: Callable[[], None]
    why_not: str = ""


def score(wanted: str, text: str) -> int:
    """How well the letters of `wanted` stand in `text`, in order: higher is better, -1: they do not.

    Letters at the start of a word count most, letters that follow each other more than scattered ones.
    """
    text, at, points, last = text.casefold(), 0, 0, -2
    for letter in wanted.casefold():
        if letter == " ":
            continue
        start = next((n for n in range(at, len(text)) if text[n] == letter and _begins_word(text, n)), -1)
        plain = text.find(letter, at)
        if plain < 0:
            return -1
        found = plain if plain == last + 1 or start < 0 else start
        points += 8 if _begins_word(text, found) else 4 if found == last + 1 else 1
        last, at = found, found + 1
    return points * 100 - len(text)


def _begins_word(text: str, at: int) -> bool:
    return at == 0 or not text[at - 1].isalnum()


def ranked(wanted: str, entries: Sequence[Entry]) -> list[Entry]:
    """Entries that match, best first; all of them where nothing is wanted, those that can be run now before others."""
    if not wanted.strip():
        return sorted(entries, key=lambda each: bool(each.why_not))
    scored = [(max(score(wanted, each.title), score(wanted, each.words) - 50), each) for each in entries]
    return [each for points, each in sorted(scored, key=lambda pair: -pair[0]) if points > -1]


class EntryModel(QAbstractListModel):
    """What is left of the entries."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def show(self, entries: list[Entry]) -> None:
        """Other rows."""
        self.beginResetModel()
        self.entries = entries
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """One per entry."""
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Title, and all of it for those who hear it."""
        if not index.isValid():
            return None
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return visible(entry.title)
        whole = ", ".join(part for part in (visible(entry.title), entry.place, entry.key, entry.why_not) if part)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return whole
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(whole)
        return None


class EntryDelegate(QStyledItemDelegate):
    """One line: title, place or reason, key."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """The height of a row."""
        return QSize(0, self._look.row(Row.GRID))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one entry."""
        model, look = index.model(), self._look
        if not isinstance(model, EntryModel):
            return
        entry = model.entries[index.row()]
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, look.theme.sel)
        box = rect.adjusted(look.px(12), 0, -look.px(12), 0)
        painter.setFont(look.font(Text.BODY))
        painter.setPen(look.theme.t3 if entry.why_not else look.theme.t1)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, visible(entry.title))
        used = look.metrics(Text.BODY).horizontalAdvance(visible(entry.title)) + look.px(12)
        painter.setFont(look.font(Text.CELL))
        painter.setPen(look.theme.t3)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, entry.key)
        room = box.width() - used - look.metrics(Text.CELL).horizontalAdvance(entry.key) - look.px(12)
        note = look.metrics(Text.CELL).elidedText(entry.why_not or entry.place, Qt.TextElideMode.ElideRight, room)
        painter.drawText(box.adjusted(used, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, note)
        painter.restore()


class Palette(QFrame):
    """A field and a list at the top centre of the window. Enter runs, Esc goes back to where the focus was."""

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._before: QWidget | None = None
        look = session.look
        self.model = EntryModel()
        self.field: QLineEdit = SearchField(look, "Find a command or an environment")
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(EntryDelegate(look, self.list))
        self.list.setAccessibleName("Found")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.activated.connect(self._run)
        self.list.clicked.connect(self._run)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[look.px(8)] * 4)
        column.addWidget(self.field)
        column.addWidget(self.list)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show everything; typing leaves what matches."""
        self._before = QApplication.focusWidget()
        self.field.clear()
        self._search("")
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def close_palette(self) -> None:
        """Hide, and give the focus back."""
        self.hide()
        if self._before is not None and self._before.isVisible():
            self._before.setFocus(Qt.FocusReason.OtherFocusReason)

    def showEvent(self, event: QShowEvent) -> None:
        """Stand at the top centre."""
        window, look = self.window(), self._session.look
        width = min(look.px(WIDTH), window.width() - look.px(32))
        height = look.px(56) + ROWS * look.row(Row.GRID)
        self.setGeometry((window.width() - width) // 2, look.px(28), width, height)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and its border."""
        painter, theme = QPainter(self), self._session.look.theme
        painter.setPen(theme.ctl)
        painter.setBrush(theme.raised)
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 4, 4)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows move in the list, Enter runs, Esc and a lost focus close."""
        if event.type() == QEvent.Type.FocusOut and self.isVisible():
            self.hide()
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in MOVES:
                QApplication.sendEvent(self.list, event)
                return True
            if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
                self._run(self.list.currentIndex())
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close_palette()
                return True
        return super().eventFilter(watched, event)

    def _search(self, text: str) -> None:
        self.model.show(ranked(text, self._entries()))
        self.list.setCurrentIndex(self.model.index(0))

    def _entries(self) -> list[Entry]:
        session = self._session
        found = [
            Entry(
                each.title.removesuffix("..."),
                each.menu,
                keys_of(each),
                f"{each.title} {each.menu} {each.keywords}",
                session.commands.action(each.id).trigger,
                session.commands.why_not(each.id),
            )
            for each in session.commands.all()
            if each.id != "palette.open"
        ]
        for one in session.machines.environments:
            words = f"{one.name} {one.host} {one.group} {' '.join(one.tags)}"
            found.append(
                Entry(
                    f"Go to {one.name}", session.machines.condition(one.name)[0].word, "", words, self._goer(one.name)
                )
            )
        return found

    def _goer(self, name: str) -> Callable[[], None]:
        def go() -> None:
            session = self._session
            mark = session.machines.mark(name)
            run = session.machines.run_of(name) or (mark.run if mark is not None else 0)
            session.machines.select([name])
            session.navigator.fleet(run, name)

        return go

    def _run(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        entry = self.model.entries[index.row()]
        if not entry.why_not:
            self.close_palette()
            entry.run()
