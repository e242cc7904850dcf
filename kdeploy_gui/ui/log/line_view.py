"""A view of very many lines: only what is visible is measured and painted, lines are selected as wholes."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from kdeploy_gui.ui.look import Look, Row, Text

WHEEL_LINES = 3
MARGIN = 16


class LineView(QAbstractScrollArea):
    """Base of the log and the diff. Rows are counted from 0; the top row may be scrolled by some lines of itself.

    Subclasses say how many rows there are, how high each is, how it is painted and what it says.
    """

    current_changed = Signal(int)
    scrolled = Signal()
    """The user has scrolled."""

    def __init__(self, look: Look, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = look
        self.current = -1
        self.anchor = -1
        self._top = 0
        self._skipped = 0
        self._end: tuple[int, int] | None = None
        self._wheel = 0
        self._widest = 0
        self._ranged = (0, 0)
        self._placing = False
        self._name = name
        self._empty = ""
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)
        look.changed.connect(self.follow_look)
        self.follow_look()

    # What subclasses tell

    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def lines_in(self, row: int) -> int:
        """How many lines a row is high."""
        return 1

    def height_of(self, row: int) -> int:
        """The height of a row in pixels."""
        return self.line_height * self.lines_in(row)

    def paint_row(self, painter: QPainter, row: int, box: QRect, selected: bool) -> int:
        """Draw a row at the box's place and return how wide it would like to be."""
        raise NotImplementedError

    def text_of(self, row: int) -> str:
        """What a screen reader says about a row."""
        raise NotImplementedError

    def copy(self) -> None:
        """Put the selection on the clipboard."""
        first, last = self.selected()
        if first >= 0:
            QGuiApplication.clipboard().setText("\n".join(self.text_of(row) for row in range(first, last + 1)))

    # Rows and selection

    def say(self, text: str) -> None:
        """What stands there while there is no row."""
        self._empty = text
        self.viewport().update()

    def selected(self) -> tuple[int, int]:
        """First and last selected row; -1 where none is."""
        if self.current < 0 or self.current >= self.count():
            return -1, -1
        return min(self.current, self.anchor), max(self.current, self.anchor)

    def select(self, row: int, *, extend: bool = False) -> None:
        """Make a row the current one and bring it into sight."""
        if not self.count():
            return
        self.current = min(max(row, 0), self.count() - 1)
        if not extend or self.anchor < 0:
            self.anchor = self.current
        self.bring_into_sight(self.current)
        self.setAccessibleDescription(self.text_of(self.current)[:1000])
        self.viewport().update()
        self.current_changed.emit(self.current)

    def select_all(self) -> None:
        """Select every row."""
        if self.count():
            self.anchor, self.current = 0, self.count() - 1
            self.viewport().update()
            self.current_changed.emit(self.current)

    def row_at(self, y: int) -> int:
        """The row at a height in the viewport; the last one below all rows, -1 if there is none."""
        bottom = -self._skipped * self.line_height
        for row in range(self._top, self.count()):
            bottom += self.height_of(row)
            if y < bottom:
                return row
        return self.count() - 1

    def refresh(self) -> None:
        """There are other rows."""
        self._end = None
        self.current = min(self.current, self.count() - 1)
        self.anchor = min(self.anchor, self.count() - 1)
        self.place(self._top, self._skipped)

    # Scrolling

    @property
    def position(self) -> tuple[int, int]:
        """The top row and how many of its lines are scrolled out."""
        return self._top, self._skipped

    @property
    def is_at_end(self) -> bool:
        """Whether the last row is in sight."""
        return self.position >= self.end

    @property
    def end(self) -> tuple[int, int]:
        """The lowest position."""
        if self._end is None:
            room = self.viewport().height()
            row = self.count()
            while row > 0 and room > 0:
                row -= 1
                room -= self.height_of(row)
            skipped = -(room // self.line_height) if room < 0 else 0
            rest = self.lines_in(row) if row < self.count() else 1
            self._end = (row + 1, 0) if skipped >= rest and row + 1 < self.count() else (row, min(skipped, rest - 1))
        return self._end

    def place(self, row: int, skipped: int = 0) -> None:
        """Put a row at the top."""
        self._top, self._skipped = max((0, 0), min((row, skipped), self.end))
        self._placing = True
        self.verticalScrollBar().setRange(0, self.end[0])
        self.verticalScrollBar().setPageStep(max(1, self.viewport().height() // self.line_height))
        self.verticalScrollBar().setValue(self._top)
        self._placing = False
        self.viewport().update()

    def scroll_lines(self, lines: int) -> None:
        """Scroll by lines, down if positive."""
        row, skipped = self._top, self._skipped + lines
        while skipped < 0 < row:
            row -= 1
            skipped += self.lines_in(row)
        while row < self.count() - 1 and skipped >= self.lines_in(row):
            skipped -= self.lines_in(row)
            row += 1
        self.place(row, max(0, skipped))
        self.scrolled.emit()

    def bring_into_sight(self, row: int) -> None:
        """Scroll as little as needed to show a row."""
        if row < self._top or (row == self._top and self._skipped):
            self.place(row)
            self.scrolled.emit()
            return
        room = self.viewport().height() + self._skipped * self.line_height
        for each in range(self._top, min(row + 1, self._top + room // self.line_height + 2)):
            room -= self.height_of(each)
        if room < 0 or row > self._top + self.viewport().height() // self.line_height + 1:
            self._place_at_bottom(row)
            self.scrolled.emit()

    def _place_at_bottom(self, row: int) -> None:
        room = self.viewport().height() - self.height_of(row)
        while row > 0 and room >= self.height_of(row - 1):
            row -= 1
            room -= self.height_of(row)
        self.place(row)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Follow the scroll bars."""
        if not self._placing and dy:
            self.place(self.verticalScrollBar().value())
            self.scrolled.emit()
        self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll by lines; the rest of a fine step is kept for the next one."""
        if abs(event.angleDelta().x()) > abs(event.angleDelta().y()):
            super().wheelEvent(event)
            return
        self._wheel += event.angleDelta().y() * WHEEL_LINES
        lines, self._wheel = int(self._wheel / 120), int(self._wheel - int(self._wheel / 120) * 120)
        if lines:
            self.scroll_lines(-lines)
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the place; at the end, the end."""
        stays = self._end is not None and self.position >= self._end
        self._end = None
        self.place(*(self.end if stays else self.position))

    # Look, keys and mouse

    def follow_look(self) -> None:
        """Measure anew."""
        metrics = self.look.metrics(Text.LOG)
        self.line_height = self.look.row(Row.LOG)
        self.column = metrics.horizontalAdvance("0" * 100) / 100
        self.ascent = (self.line_height + metrics.ascent() - metrics.descent()) // 2
        self._widest = 0
        self._end = None
        self.viewport().update()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the selection anew when the window is no longer the active one."""
        if event.type() == QEvent.Type.ActivationChange:
            self.viewport().update()
        super().changeEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the selection as that of the focus."""
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show the selection as one elsewhere."""
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move by rows and pages; with Shift the selection grows."""
        page = max(1, self.viewport().height() // self.line_height - 1)
        here = self.current if self.current >= 0 else self._top
        moves = {
            Qt.Key.Key_Up: here - 1 if self.current >= 0 else here,
            Qt.Key.Key_Down: here + 1 if self.current >= 0 else here,
            Qt.Key.Key_PageUp: here - page,
            Qt.Key.Key_PageDown: here + page,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self.count() - 1,
        }
        key = Qt.Key(event.key())
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if key in moves:
            self.select(moves[key], extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif control and key == Qt.Key.Key_A:
            self.select_all()
        elif control and key == Qt.Key.Key_C:
            self.copy()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the row under the pointer."""
        if event.button() == Qt.MouseButton.LeftButton and self.count():
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.select(self.row_at(event.position().toPoint().y()), extend=extend)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select more rows; scroll where the pointer has left."""
        if event.buttons() & Qt.MouseButton.LeftButton and self.count():
            y = event.position().toPoint().y()
            if y < 0 or y > self.viewport().height():
                self.scroll_lines(-1 if y < 0 else 1)
            self.select(self.row_at(min(max(y, 0), self.viewport().height() - 1)), extend=True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Nothing more: the press has done it."""
        event.accept()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the visible rows."""
        painter = QPainter(self.viewport())
        width, height = self.viewport().width(), self.viewport().height()
        painter.fillRect(event.rect(), self.look.theme.view)
        first, last = self.selected()
        y = -self._skipped * self.line_height
        widest = self._widest
        for row in range(self._top, self.count()):
            if y >= height:
                break
            box = QRect(0, y, width, self.height_of(row))
            widest = max(widest, self.paint_row(painter, row, box, first <= row <= last))
            y += box.height()
        if not self.count() and self._empty:
            painter.setFont(self.look.font(Text.CELL))
            painter.setPen(self.look.theme.t3)
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, self._empty)
        painter.end()
        self._widest = widest
        if self._ranged != (widest, width):
            self._ranged = widest, width
            self.horizontalScrollBar().setPageStep(width)
            self.horizontalScrollBar().setRange(0, max(0, widest + MARGIN - width))

    @property
    def scrolled_x(self) -> int:
        """Pixels scrolled to the right."""
        return self.horizontalScrollBar().value()

    @property
    def selection_token(self) -> str:
        """The colour token of selected rows."""
        return "sel" if self.hasFocus() and self.isActiveWindow() else "seloff"

    def sight(self, row: int) -> QPoint | None:
        """Where a row is drawn in the viewport; None if it is out of sight."""
        y = -self._skipped * self.line_height
        for each in range(self._top, self.count()):
            if y >= self.viewport().height():
                return None
            if each == row:
                return QPoint(0, y)
            y += self.height_of(each)
        return None
