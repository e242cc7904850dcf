"""One line of foreign output as harmless text: colours become colour tokens, nothing else is obeyed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kdeploy_gui.model.visible import visible

TAB = 8

_TOKEN = re.compile(
    r"\x1b\[([0-9;:]*)m"  # 1: a colour or weight
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # another control sequence: cursor, erase, modes
    r"|\x1b[\]PX^_][^\x00-\x1f\x7f-\x9f]{0,4096}(?:\x07|\x1b\\)"  # a string: title, link
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
    r"|(\r)"  # 2
    r"|(\t)"  # 3
)
_COLOURS = ("t3", "failed", "ready", "retry", "running", "running", "running", "t1")
_RESET = frozenset({0, 22, 39})


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a line, drawn in the colour of `token`."""

    start: int
    end: int
    token: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it can be shown; where no span is, the text has the usual colour."""

    text: str
    spans: tuple[Span, ...] = ()


def clean(data: bytes | str, *, whole: bool = True) -> Line:
    """One line without its end. Of what a carriage return overwrites only the last is kept, as on a terminal.

    Escape sequences are dropped; a control character, a lone escape and a byte that is not UTF-8 stand as `\\xNN`.
    With `whole` False a character that is cut at the end is left out.
    """
    if isinstance(data, bytes):
        data = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace").decode(data, whole)
    if data.isascii() and data.isprintable():
        return Line(data)
    return _Builder().build(data)


class _Builder:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._spans: list[Span] = []
        self._length = 0
        self._ink = ""
        self._overwritten = False

    def build(self, text: str) -> Line:
        position = 0
        for found in _TOKEN.finditer(text):
            self._put(visible(text[position : found.start()]))
            position = found.end()
            colours, carriage_return, tab = found.groups()
            if colours is not None:
                self._ink = _ink_after(self._ink, colours)
            elif carriage_return:
                self._overwritten = True
            elif tab:
                self._make_room()
                self._put(" " * (TAB - self._length % TAB))
        self._put(visible(text[position:]))
        return Line("".join(self._pieces), tuple(self._spans))

    def _put(self, text: str) -> None:
        if not text:
            return
        self._make_room()
        start, self._length = self._length, self._length + len(text)
        self._pieces.append(text)
        if not self._ink:
            return
        last = self._spans[-1] if self._spans else None
        if last is not None and last.end == start and last.token == self._ink:
            self._spans[-1] = Span(last.start, self._length, self._ink)
        else:
            self._spans.append(Span(start, self._length, self._ink))

    def _make_room(self) -> None:
        if self._overwritten:
            self._pieces.clear()
            self._spans.clear()
            self._length = 0
            self._overwritten = False


def _ink_after(ink: str, parameters: str) -> str:
    codes = iter(parameters.split(";"))
    for text in codes:
        code = int(text[:4] or 0) if ":" not in text else -1
        if code in _RESET:
            ink = ""
        elif code in (38, 48):
            ink = _extended(next(codes, ""), codes, ink, code == 38)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            ink = "t3" if code == 90 else _COLOURS[code % 10]
        elif code == 1:
            ink = ink or "t1"
        elif code == 2:
            ink = "t3"
    return ink


def _extended(mode: str, rest: Iterator[str], ink: str, foreground: bool) -> str:
    """The ink after a colour of 256 or of all; only the first sixteen have a token."""
    if mode == "5":
        number = next(rest, "")
        basic = number.isdecimal() and int(number[:4]) < 16
        return _COLOURS[int(number[:4]) % 8] if foreground and basic else ink
    if mode == "2":
        for _ in range(3):
            next(rest, "")
    return ink
