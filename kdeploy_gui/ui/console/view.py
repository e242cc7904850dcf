"""The lines of a console: the end followed, lines selected and copied, and keys sent while somebody has the input."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QGuiApplication, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from kdeploy_gui.ui.console.keys import bytes_of
from kdeploy_gui.ui.console.lines import ConsoleLines
from kdeploy_gui.ui.log.line_view import LineView
from kdeploy_gui.ui.log.painting import MARGIN, TINTS, Manner, RowPainter, breaks, clock, columns_of
from kdeploy_gui.ui.look import Look

LEAST_COLUMNS = 20
_ELSEWHERE = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
"""The focus comes back by itself from another window or a menu."""


class ConsoleView(LineView):
    """Shows lines. While it follows, the last one stays in sight; any scroll upwards ends that."""

    following_changed = Signal()
    typed = Signal(bytes)
    """Bytes for the machine."""
    input_left = Signal()
    """The focus went elsewhere while keys went to the machine."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        self.document = ConsoleLines()
        self.following = True
        self.new_lines = 0
        self.wrap = False
        self.hit = -1
        self.has_input = False
        self._manner = Manner()
        self._seen = 0
        self._first = 0
        super().__init__(look, "Console", parent)
        self.scrolled.connect(self._user_scrolled)

    def set_document(self, document: ConsoleLines) -> None:
        """Show another console from its end."""
        self.document = document
        self.current = self.anchor = self.hit = -1
        self._first = document.first
        self.follow_end()
        self.refresh()

    def refresh(self) -> None:
        """More lines came: stay at the same ones, or at the end."""
        forgotten, self._first = self.document.first - self._first, self.document.first
        self.current, self.anchor = (max(-1, each - forgotten) for each in (self.current, self.anchor))
        self._top = max(0, self._top - forgotten)
        super().refresh()
        if self.following:
            self._seen = self.document.total
            self.place(*self.end)
        elif self.new_lines != self.document.total - self._seen:
            self.new_lines = self.document.total - self._seen
            self.following_changed.emit()

    def set_following(self, on: bool) -> None:
        """Keep the last line in sight, or stay where the view is."""
        self.following = on
        self.new_lines = 0
        self._seen = self.document.total
        if on:
            self.place(*self.end)
        self.following_changed.emit()

    def follow_end(self) -> None:
        """Go to the last line and follow."""
        self.current = self.anchor = -1
        self.set_following(True)

    def set_input(self, on: bool) -> None:
        """Send keys to the machine, or use them here."""
        self.has_input = on
        self.setAccessibleDescription("Keys go to the machine" if on else "")
        if on:
            self.follow_end()
            self.setFocus()
        self.viewport().update()

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
        self._manner.needle = text
        self.viewport().update()

    def show_line(self, number: int) -> None:
        """Bring a line into sight, by its number from the first one ever."""
        self.set_following(False)
        self.hit = number
        self.select(number - self.document.first)

    # What the base asks

    def count(self) -> int:
        """Lines that are kept."""
        return len(self.document)

    def lines_in(self, row: int) -> int:
        """More than one where a line is broken at the edge."""
        return len(breaks(self.document.row(row).text, self._manner.columns)) if self._manner.columns else 1

    def text_of(self, row: int) -> str:
        """A row as it is said."""
        found = self.document.row(row)
        return f"{clock(found.time)} {found.source} {found.text}"

    def paint_row(self, painter: QPainter, row: int, box: QRect, selected: bool) -> int:
        """Draw a line; at the end of the last one stands the cursor of whoever has the input."""
        found = self.document.row(row)
        ground = self.selection_token if selected else TINTS.get(found.level, ("", ""))[1]
        if ground:
            painter.fillRect(box, self.look.theme.color(ground))
        width = self._rows.row(painter, found, box, self._manner, found.address[2] == self.hit, self.scrolled_x)
        if self.has_input and row == self.count() - 1:
            self._cursor(painter, found.text, box)
        return width

    def _cursor(self, painter: QPainter, text: str, box: QRect) -> None:
        shown = text[breaks(text, self._manner.columns)[-1] :] if self._manner.columns else text
        x = self._rows.text_x(self._manner) - self.scrolled_x + columns_of(shown) * self.column
        token = "accent" if self.hasFocus() else "t3"
        box = QRect(round(x), box.bottom() - self.line_height + 3, round(self.column), self.line_height - 4)
        painter.fillRect(box, self.look.theme.color(token))

    def copy(self, *, raw: bool = False) -> None:
        """Put the selected lines on the clipboard, whole; with their times unless `raw`."""
        first, last = self.selected()
        if first >= 0:
            rows = ((self.document.row(each), self.document.raw(each)) for each in range(first, last + 1))
            lines = (text if raw else f"{clock(row.time)}  {row.source:8} {text}" for row, text in rows)
            QGuiApplication.clipboard().setText("\n".join(lines))

    def follow_look(self) -> None:
        """Measure anew."""
        super().follow_look()
        self._rows = RowPainter(self.look, self.line_height)
        self._measure()

    def event(self, event: QEvent) -> bool:
        """Keys of the machine are no shortcuts of the window."""
        if self.has_input and isinstance(event, QKeyEvent):
            kind = event.type()
            sent = bytes_of(event) if kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) else None
            if sent is not None and kind == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if sent is not None:
                if sent:
                    self.typed.emit(sent)
                return True
        return super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Who goes elsewhere in the window gives the input back."""
        super().focusOutEvent(event)
        if self.has_input and event.reason() not in _ELSEWHERE:
            self.input_left.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines break elsewhere; the end stays followed."""
        self._measure()
        super().resizeEvent(event)

    def _measure(self) -> None:
        room = self.viewport().width() - self._rows.text_x(self._manner) - self.look.px(MARGIN)
        self._manner.columns = max(LEAST_COLUMNS, int(room / self._rows.column)) if self.wrap else 0
        self._widest = 0
        self.refresh()

    def _user_scrolled(self) -> None:
        if self.is_at_end != self.following:
            self.set_following(self.is_at_end)
