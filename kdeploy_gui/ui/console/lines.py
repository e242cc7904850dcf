"""What a console printed as rows: the last ones, however much came, and whatever it was cut into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from kdeploy_gui.model.console import Piece
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.log.ansi import clean
from kdeploy_gui.ui.log.narrate import Level
from kdeploy_gui.ui.log.rows import SHOWN, Row
from kdeploy_gui.ui.log.scan import is_problem

KEPT = 20_000
"""Lines that are kept; older ones are in the recordings."""
SPARE = 2_000
LONGEST = 64 * 1024
"""Bytes of a line before it goes on in another one."""
_CELL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|[\xc0-\xff][\x80-\xbf]{1,3}|.", re.DOTALL)
_TO_THE_END = re.compile(rb"\x1b\[0?[JK]")


@dataclass(slots=True)
class _Line:
    """A line as it came, and as it is shown once somebody looked."""

    time: datetime
    raw: bytes = b""
    note: bool = False
    row: Row | None = None


class ConsoleLines:
    """Lines by number; the first ones are forgotten when there are too many, and numbers go on. A line may grow."""

    def __init__(self, goes_on: bool = False) -> None:
        self.goes_on = goes_on
        self.first = 0
        self._lines: list[_Line] = []
        self._open = False

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def total(self) -> int:
        """Lines in all, forgotten ones too."""
        return self.first + len(self._lines)

    def add(self, piece: Piece) -> None:
        """More was printed."""
        *whole, rest = piece.data.split(b"\n")
        for each in whole:
            self._grow(each, piece.time)
            self._open = False
        if rest:
            self._grow(rest, piece.time)
        self._forget()

    def note(self, time: datetime, text: str) -> None:
        """Something that kdeploy says about it."""
        self._lines.append(_Line(time, text.encode(errors="replace"), note=True))
        self._open = False
        self._forget()

    def row(self, index: int) -> Row:
        """What the line at an index (0: the first one that is kept) shows."""
        line = self._lines[index]
        if line.row is None:
            line.row = self._made(line, self.first + index)
        return line.row

    def raw(self, index: int) -> str:
        """A line whole, however long it is."""
        line = self._lines[index]
        return line.raw.decode() if line.note else clean(edited(line.raw.rstrip(b"\r"))).text

    def matching(self, text: str, since: int = 0) -> Iterator[int]:
        """Numbers of the lines from `since` on in which a text appears, in either case."""
        for index in range(max(0, since - self.first), len(self._lines)):
            if text in self.row(index).text.lower():
                yield self.first + index

    def _grow(self, data: bytes, time: datetime) -> None:
        if self._open and len(self._lines[-1].raw) < LONGEST:
            line = self._lines[-1]
            line.raw, line.row = line.raw + data, None
        else:
            self._lines.append(_Line(time, data))
            self._open = True

    def _forget(self) -> None:
        if len(self._lines) > KEPT + SPARE:
            self.first += len(self._lines) - KEPT
            del self._lines[:-KEPT]

    def _made(self, line: _Line, number: int) -> Row:
        address = (0, 0, number)
        if line.note:
            return Row(address, line.time, "kdeploy", visible(line.raw.decode()), level=Level.ATTENTION)
        hidden = max(0, len(line.raw) - SHOWN)
        shown = clean(edited(line.raw[:SHOWN].rstrip(b"\r")), whole=not hidden)
        level = Level.PROBLEM if is_problem(shown.text) else Level.PLAIN
        return Row(address, line.time, "serial", shown.text, shown.spans, level, hidden)


def edited(raw: bytes) -> bytes:
    """A line as it stands after its backspaces, as a shell echoes them, were obeyed."""
    if b"\b" not in raw:
        return raw
    cells: list[tuple[bytes, bytes]] = []
    at, ahead = 0, b""
    for token in _CELL.findall(raw):
        if token == b"\b":
            at = max(0, at - 1)
        elif token == b"\r":
            at = 0
        elif _TO_THE_END.fullmatch(token):
            ahead += b"".join(colours for colours, _ in cells[at:])
            del cells[at:]
        elif token.startswith(b"\x1b["):
            ahead += token
        else:
            below = cells[at][0] if at < len(cells) else b""
            cells[at : at + 1] = [(below + ahead, token)]
            at, ahead = at + 1, b""
    return b"".join(colours + character for colours, character in cells) + ahead
