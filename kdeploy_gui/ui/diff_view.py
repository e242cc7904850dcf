"""A unified diff: both line numbers, a sign, and the text on the ground of its kind."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QGuiApplication, QPainter
from PySide6.QtWidgets import QWidget

from kdeploy_gui.model.preview import DiffLine
from kdeploy_gui.model.visible import visible, visible_lines
from kdeploy_gui.ui.log.ansi import TAB
from kdeploy_gui.ui.log.line_view import LineView
from kdeploy_gui.ui.log.painting import MARGIN, columns_of
from kdeploy_gui.ui.look import Look, Text

GUTTER = 36
"""Pixels of each line number at 100 %, at least."""
SHOWN = 4096
SIGNS = {"added": "+", "removed": "-"}
GROUNDS = {"added": "addbg", "removed": "delbg", "hunk": "raised"}
INKS = {"added": "ready", "removed": "failed", "hunk": "t3"}
SPOKEN = {"added": "added", "removed": "removed", "context": "", "hunk": "from here"}


class DiffView(LineView):
    """Shows the lines of one file's diff; a change is a stretch of added and removed lines."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        self._lines: Sequence[DiffLine] = ()
        self._texts: dict[int, str] = {}
        self._changes: list[int] = []
        super().__init__(look, "Changes", parent)

    def set_lines(self, lines: Sequence[DiffLine]) -> None:
        """Show another diff from its first line."""
        self._lines = lines
        self._texts.clear()
        kinds = ["context", *(each.kind for each in lines)]
        self._changes = [row for row in range(len(lines)) if kinds[row + 1] in SIGNS and kinds[row] not in SIGNS]
        self.current = self.anchor = -1
        self._measure()
        self.refresh()
        self.place(0)

    @property
    def changes(self) -> int:
        """How many changes there are."""
        return len(self._changes)

    @property
    def change(self) -> int:
        """The change at the current line or before it, counted from 1; 0 before the first one."""
        return sum(row <= self.current for row in self._changes)

    def step_change(self, by: int) -> bool:
        """To the next change, or the one before; False: there is none."""
        rows = [row for row in self._changes if (row - self.current) * by > 0]
        if rows:
            self.select(rows[0] if by > 0 else rows[-1])
        return bool(rows)

    def count(self) -> int:
        """Lines of the diff."""
        return len(self._lines)

    def text_of(self, row: int) -> str:
        """A line as it is said."""
        line = self._lines[row]
        number = line.new or line.old
        return f"{SPOKEN[line.kind]} {number or ''} {self._text(row)}".strip()

    def copy(self) -> None:
        """Put the selected lines on the clipboard as a diff has them."""
        first, last = self.selected()
        if first >= 0:
            lines = (self._lines[row] for row in range(first, last + 1))
            texts = (f"{'' if each.kind == 'hunk' else SIGNS.get(each.kind, ' ')}{each.text}" for each in lines)
            QGuiApplication.clipboard().setText(visible_lines("\n".join(texts)))

    def follow_look(self) -> None:
        """Measure anew."""
        super().follow_look()
        self._measure()

    def paint_row(self, painter: QPainter, row: int, box: QRect, selected: bool) -> int:
        """Draw a line."""
        line, theme = self._lines[row], self.look.theme
        ground = self.selection_token if selected else GROUNDS.get(line.kind)
        if ground:
            painter.fillRect(box, theme.color(ground))
        painter.setFont(self.look.font(Text.LOG))
        x, base = -self.scrolled_x, box.y() + self.ascent
        painter.setPen(theme.t3)
        if line.kind != "hunk":
            for column, number in enumerate((line.old, line.new)):
                if number:
                    place = QRect(x + column * self._gutter, box.y(), self._gutter, box.height())
                    painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(number))
        ink = INKS.get(line.kind, "t1")
        painter.setPen(theme.color(ink))
        if line.kind in SIGNS:
            painter.drawText(x + 2 * self._gutter + self.look.px(12), base, SIGNS[line.kind])
        painter.setPen(theme.color("t3" if line.kind == "hunk" else "t1"))
        left = 2 * self._gutter + self.look.px(28)
        painter.drawText(x + left, base, self._text(row))
        return left + round(columns_of(self._text(row)) * self._column)

    def _text(self, row: int) -> str:
        if row not in self._texts:
            text = self._lines[row].text
            more = f"  [{len(text) - SHOWN:,} more characters]" if len(text) > SHOWN else ""
            self._texts[row] = visible(text[:SHOWN].expandtabs(TAB)) + more
        return self._texts[row]

    def _measure(self) -> None:
        metrics = self.look.metrics(Text.LOG)
        self._column = metrics.horizontalAdvance("0" * 100) / 100
        highest = max((max(each.old, each.new) for each in self._lines), default=0)
        wanted = metrics.horizontalAdvance(str(highest)) + self.look.px(MARGIN)
        self._gutter = max(self.look.px(GUTTER), wanted)
        self._widest = 0
