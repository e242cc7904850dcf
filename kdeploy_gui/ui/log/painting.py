"""How one row of a log is drawn, and where a long line breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from kdeploy_gui.ui.log.ansi import Span
from kdeploy_gui.ui.log.narrate import Level, elapsed
from kdeploy_gui.ui.log.rows import Header, Row
from kdeploy_gui.ui.look import Look, Text

MARGIN = 16
EDGE = 3
TIME_COLUMNS = 14
SOURCE_COLUMNS = 10
ICON = 14
SAID_X = 224
TINTS = {Level.PROBLEM: ("failed", "failbg"), Level.ATTENTION: ("retry", "")}


def clock(moment: datetime) -> str:
    """Local time to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:12]


def columns_of(text: str) -> int:
    """How many columns of a fixed-width font a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(unicodedata.combining(each) > 0 for each in text)


def breaks(text: str, columns: int) -> list[int]:
    """Where the lines begin into which a text is broken at `columns`."""
    if text.isascii():
        return list(range(0, max(1, len(text)), columns))
    starts, used = [0], 0
    for position, character in enumerate(text):
        needed = columns_of(character)
        if used + needed > columns:
            starts.append(position)
            used = 0
        used += needed
    return starts


@dataclass(slots=True)
class Manner:
    """How rows are shown: broken at `columns` (0: not at all), with times, with marks where `needle` is."""

    columns: int = 0
    times: bool = True
    needle: str = ""


class RowPainter:
    """Draws rows with the fonts and measures of a look; made anew when the look changes."""

    def __init__(self, look: Look, line_height: int) -> None:
        self._look = look
        self._log = look.font(Text.LOG)
        self._title = look.font(Text.NAME)
        self._cell = look.font(Text.CELL)
        metrics = look.metrics(Text.LOG)
        self.column = metrics.horizontalAdvance("0" * 100) / 100
        self.line_height = line_height
        self._ascent = (line_height + metrics.ascent() - metrics.descent()) // 2
        self._elided: dict[tuple[str, int], str] = {}

    def text_x(self, manner: Manner) -> float:
        """Where the text of rows begins."""
        columns = SOURCE_COLUMNS + (TIME_COLUMNS if manner.times else 0)
        return self._look.px(MARGIN) + columns * self.column

    def row(self, painter: QPainter, row: Row, box: QRect, manner: Manner, hit: bool, scrolled: int) -> int:
        """Draw a line; returns how wide it would like to be."""
        theme = self._look.theme
        painter.setFont(self._log)
        token, _ = TINTS.get(row.level, ("", ""))
        if token:
            painter.fillRect(0, box.y(), self._look.px(EDGE), box.height(), theme.color(token))
        painter.setPen(theme.t3)
        x, y = self._look.px(MARGIN) - scrolled, box.y() + self._ascent
        if manner.times:
            painter.drawText(x, y, clock(row.time))
            x += round(TIME_COLUMNS * self.column)
        painter.drawText(x, y, row.source)
        text = row.text + (f"  [{row.hidden:,} more bytes, copy to get them]" if row.hidden else "")
        left = self.text_x(manner) - scrolled
        starts = breaks(text, manner.columns) if manner.columns else [0]
        usual = "t1" if row.level is not Level.PLAIN else "t2"
        marks = list(_marks(text, manner.needle))
        for number, start in enumerate(starts):
            stop = starts[number + 1] if number + 1 < len(starts) else len(text)
            top = box.y() + number * self.line_height
            self._highlight(painter, text, (start, stop), marks, left, top, hit)
            self._text(painter, text, (start, stop), row.spans, usual, left, top, box.width())
        return 0 if manner.columns else round(self.text_x(manner) + columns_of(text) * self.column)

    def _text(
        self,
        painter: QPainter,
        text: str,
        part: tuple[int, int],
        spans: tuple[Span, ...],
        usual: str,
        left: float,
        top: int,
        width: int,
    ) -> None:
        """One line of text in its colours; of a very long one only what is in sight."""
        first, last = part
        if text.isascii():
            first = max(first, part[0] + int(max(0.0, -left) / self.column))
            last = min(last, part[0] + int((width - left) / self.column) + 1)
        for start, stop, token in _runs(first, last, spans, usual):
            painter.setPen(self._look.theme.color(token))
            x = left + columns_of(text[part[0] : start]) * self.column
            painter.drawText(round(x), top + self._ascent, text[start:stop])

    def _highlight(
        self,
        painter: QPainter,
        text: str,
        part: tuple[int, int],
        marks: list[tuple[int, int]],
        left: float,
        top: int,
        hit: bool,
    ) -> None:
        theme = self._look.theme
        for start, stop in marks:
            begin, end = max(start, part[0]), min(stop, part[1])
            if begin < end:
                x = left + columns_of(text[part[0] : begin]) * self.column
                box = QRectF(x, top + 1, columns_of(text[begin:end]) * self.column, self.line_height - 2)
                painter.fillRect(box, theme.hit)
                if hit:
                    painter.setPen(QPen(theme.accent, 1))
                    painter.drawRect(box)
                    hit = False

    def header(self, painter: QPainter, header: Header, box: QRect, indent: int) -> None:
        """Draw the line of a stage."""
        look, theme = self._look, self._look.theme
        side, ratio = look.px(ICON), painter.device().devicePixelRatioF()
        x = look.px(MARGIN + indent)
        middle = box.y() + (box.height() - side) // 2
        chevron = "chevron-down" if header.open else "chevron-right"
        painter.drawPixmap(x, middle, look.pixmap(chevron, "t2", side, ratio))
        icon = look.pixmap(header.condition.icon, header.condition.token, side, ratio)
        painter.drawPixmap(x + look.px(20), middle, icon)
        names, cells = look.metrics(Text.NAME), look.metrics(Text.CELL)
        base = box.y() + (box.height() + names.ascent() - names.descent()) // 2
        x += look.px(40)
        painter.setFont(self._title)
        painter.setPen(theme.t1)
        painter.drawText(x, base, header.title)
        x = max(look.px(SAID_X), x + names.horizontalAdvance(header.title) + look.px(24))
        right = box.width() - look.px(MARGIN)
        painter.setFont(self._cell)
        if header.seconds:
            painter.setPen(theme.t2)
            took = elapsed(header.seconds)
            right -= cells.horizontalAdvance(took)
            painter.drawText(right, base, took)
        painter.setPen(theme.color(header.condition.word_token))
        painter.drawText(x, base, self._elide(header.said, right - x - look.px(16)))
        painter.fillRect(0, box.bottom(), box.width(), 1, theme.line)

    def _elide(self, text: str, width: int) -> str:
        if (text, width) not in self._elided:
            if len(self._elided) > 200:
                self._elided.clear()
            cells = self._look.metrics(Text.CELL)
            self._elided[text, width] = cells.elidedText(text, Qt.TextElideMode.ElideRight, max(0, width))
        return self._elided[text, width]


def _runs(first: int, last: int, spans: tuple[Span, ...], usual: str) -> Iterator[tuple[int, int, str]]:
    position = first
    for span in spans:
        start, stop = max(span.start, position), min(span.end, last)
        if start >= stop:
            continue
        if position < start:
            yield position, start, usual
        yield start, stop, span.token
        position = stop
    if position < last:
        yield position, last, usual


def _marks(text: str, needle: str) -> Iterator[tuple[int, int]]:
    if not needle:
        return
    lowered = text.lower()
    position = lowered.find(needle) if len(lowered) == len(text) else -1
    while position >= 0:
        yield position, position + len(needle)
        position = lowered.find(needle, position + len(needle))
