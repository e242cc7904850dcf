"""The log as people read it: the lines in sight, stages that fold, and the end followed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from kdeploy_gui.ui.log.copying import copied
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.group import Address
from kdeploy_gui.ui.log.line_view import LineView
from kdeploy_gui.ui.log.painting import MARGIN, TINTS, Manner, RowPainter, breaks, clock
from kdeploy_gui.ui.log.rows import Header
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.look import Row as Height

INDENT = 16
LEAST_COLUMNS = 20


class LogView(LineView):
    """Shows a document. While it follows, the last line stays in sight; any scroll upwards ends that."""

    following_changed = Signal()
    """It began or ceased to follow, or more lines came meanwhile."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        self.document = LogDocument(lambda _offset, _length: b"")
        self.following = True
        self.new_lines = 0
        self.wrap = False
        self.hit: Address | None = None
        self._manner = Manner()
        self._last: Address | None = None
        self._places: list[Address | None] = [None, None, None]
        super().__init__(look, "Log", parent)
        self.scrolled.connect(self._user_scrolled)

    def set_document(self, document: LogDocument) -> None:
        """Show another log from its end."""
        self.document = document
        self.current = self.anchor = -1
        self.hit = None
        self._places = [None, None, None]
        self.set_following(True)
        self.refresh()

    def refresh(self) -> None:
        """There are other rows: stay at the same ones, or at the end."""
        top, current, anchor = (None if each is None else self.document.row_of(each) for each in self._places)
        self.current = -1 if current is None else current
        self.anchor = -1 if anchor is None else anchor
        if top is not None and not self.following:
            self._top = top
        super().refresh()
        if self.following:
            self.place(*self.end)
        elif self._last is not None and self.new_lines != (new := self.document.lines_after(self._last)):
            self.new_lines = new
            self.following_changed.emit()
        self._remember()

    def set_following(self, on: bool) -> None:
        """Keep the last line in sight, or stay where the view is."""
        if on or self.following:
            self.new_lines = 0
            self._last = None if on else self.document.last_line()
        self.following = on
        self.document.hold = not on
        if on:
            self.place(*self.end)
            self._remember()
        self.following_changed.emit()

    @property
    def times(self) -> bool:
        """Whether it shows when each line came."""
        return self._manner.times

    def set_times(self, on: bool) -> None:
        """Show when each line came."""
        self._manner.times = on
        self._measure()

    def set_wrap(self, on: bool) -> None:
        """Break long lines at the edge, or let them run out of sight."""
        self.wrap = on
        self.horizontalScrollBar().setValue(0)
        self._measure()

    def set_needle(self, text: str) -> None:
        """Mark this text wherever it is in sight."""
        self._manner.needle = text.lower()
        self.viewport().update()

    def show_address(self, address: Address, *, at_top: bool = False) -> None:
        """Bring a row into sight and make it the current one; opens what hides it."""
        self.set_following(False)
        if not self.document.is_shown(address):
            self.document.reveal(address)
            self.refresh()
        row = self.document.row_of(address)
        if at_top:
            self.place(row)
        self.select(row)

    def fold(self, row: int, open_: bool) -> None:
        """Open or close the stage of a row."""
        if open_:
            self.set_following(False)
        header = self.document.header_over(row)
        self.document.fold(row, open_)
        if header is not None:
            self._places[1] = self._places[2] = header
        self.refresh()

    def step_stage(self, by: int) -> None:
        """To the next header, or the one before."""
        here = self.current if self.current >= 0 else self.position[0]
        rows = [row for row in self.document.headers() if (row - here) * by > 0]
        if rows:
            self.show_address(self.document.address(rows[0] if by > 0 else rows[-1]), at_top=True)

    def show_time(self, moment: datetime) -> None:
        """To the first line at a moment or after it."""
        if len(self.document):
            self.show_address(self.document.address(self.document.row_at_time(moment)), at_top=True)

    def follow_end(self) -> None:
        """Go to the last line and follow."""
        self.current = self.anchor = -1
        self.set_following(True)

    @property
    def here(self) -> Address:
        """The current row, else the first one in sight."""
        row = self.current if self.current >= 0 else self.position[0]
        return self.document.address(row) if len(self.document) else (0, 0, 0)

    def copied(self, *, raw: bool = False) -> Callable[[], str]:
        """What makes the text of the selected rows; may be called on any thread."""
        first, last = self.selected()
        return copied(self.document, first, last, raw=raw) if first >= 0 else str

    # What the base asks

    def count(self) -> int:
        """Rows of the document."""
        return len(self.document)

    def lines_in(self, row: int) -> int:
        """More than one where a line is broken at the edge."""
        if not self._manner.columns:
            return 1
        found = self.document.row(row)
        return 1 if isinstance(found, Header) else len(breaks(found.text, self._manner.columns))

    def height_of(self, row: int) -> int:
        """Headers are higher."""
        return self._header_height if self.document.is_header(row) else super().height_of(row)

    def text_of(self, row: int) -> str:
        """A row as it is said."""
        found = self.document.row(row)
        if isinstance(found, Header):
            return f"{found.title}, {found.condition.word}, {'open' if found.open else 'folded'}. {found.said}"
        return f"{clock(found.time)} {found.source} {found.text}"

    def paint_row(self, painter: QPainter, row: int, box: QRect, selected: bool) -> int:
        """Draw a line or a header."""
        found = self.document.row(row)
        ground = self.selection_token if selected else ""
        if isinstance(found, Header):
            if ground:
                painter.fillRect(box, self.look.theme.color(ground))
            self._rows.header(painter, found, box, self.look.px(INDENT) if self.document.is_below_passed(row) else 0)
            return 0
        ground = ground or TINTS.get(found.level, ("", ""))[1]
        if ground:
            painter.fillRect(box, self.look.theme.color(ground))
        return self._rows.row(painter, found, box, self._manner, found.address == self.hit, self.scrolled_x)

    def copy(self) -> None:
        """Put the selection on the clipboard, with what it belongs to."""
        QGuiApplication.clipboard().setText(self.copied()())

    def select(self, row: int, *, extend: bool = False) -> None:
        """Make a row the current one."""
        super().select(row, extend=extend)
        self._remember()

    def select_all(self) -> None:
        """Select every row."""
        super().select_all()
        self._remember()

    def follow_look(self) -> None:
        """Measure anew."""
        super().follow_look()
        self._rows = RowPainter(self.look, self.line_height)
        self._header_height = self.look.row(Height.LOG_GROUP)
        self._measure()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right fold, End follows."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return) and self.current >= 0:
            found = self.document.row(self.current)
            is_open = isinstance(found, Header) and found.open
            self.fold(self.current, key == Qt.Key.Key_Right or (key == Qt.Key.Key_Return and not is_open))
        elif key == Qt.Key.Key_End and not event.modifiers():
            self.follow_end()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select; a press on a header folds its stage."""
        super().mousePressEvent(event)
        if event.button() == Qt.MouseButton.LeftButton and self.count() and not event.modifiers():
            found = self.document.row(self.current)
            if isinstance(found, Header):
                self.fold(self.current, not found.open)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines break elsewhere; the end stays followed."""
        self._measure()
        super().resizeEvent(event)

    def _measure(self) -> None:
        room = self.viewport().width() - self._rows.text_x(self._manner) - self.look.px(MARGIN)
        columns = max(LEAST_COLUMNS, int(room / self._rows.column))
        self._manner.columns = columns if self.wrap else 0
        self._widest = 0
        self.refresh()

    def _user_scrolled(self) -> None:
        if self.is_at_end != self.following:
            self.set_following(self.is_at_end)
        self._remember()

    def _remember(self) -> None:
        rows = (self.position[0], self.current, self.anchor)
        self._places = [self.document.address(row) if 0 <= row < len(self.document) else None for row in rows]
