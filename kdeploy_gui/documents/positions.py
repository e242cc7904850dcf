"""Where each key of a TOML text stands: tomllib gives values without places."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kdeploy_gui.model.visible import visible

KeyPath = tuple[str | int, ...]

_BLANKS = re.compile(r"[ \t\r]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\r\n#]+")


def field_path(path: KeyPath) -> str:
    """`("artifacts", 2, "mode")` as `artifacts[2].mode`; keys that are not bare are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else f'"{visible(part)}"'
            text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands: its key's line (an array element's own line), and the text offsets of the value."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TableSpan:
    """A `[table]` or `[[table]]`: offset of its header, and the end of its last own statement."""

    path: KeyPath
    start: int
    end: int


@dataclass(frozen=True)
class Outline:
    """Places of all values and of all tables with a header, in the order of the text."""

    values: Mapping[KeyPath, Span] = field(default_factory=dict)
    tables: tuple[TableSpan, ...] = ()

    @cached_property
    def _lines(self) -> Mapping[str, int]:
        return {field_path(path): span.line for path, span in self.values.items()}

    def line(self, name: str) -> int:
        """The line of a field, else of the nearest table or array around it; 0 if there is none."""
        while name:
            if name in self._lines:
                return self._lines[name]
            name = name[: max(name.rfind("."), name.rfind("["), 0)]
        return 0


def outline(text: str) -> Outline:
    """Scan a text that tomllib accepts; for any other text the result means nothing."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._values: dict[KeyPath, Span] = {}
        self._tables: list[TableSpan] = []
        self._lengths: dict[KeyPath, int] = {}

    def scan(self) -> Outline:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._next("["):
                table = self._header()
            else:
                self._pair(table)
                self._extend_table()
            self._skip(_GAP)
        return Outline(self._values, tuple(self._tables))

    def _next(self, prefix: str) -> bool:
        return self._text.startswith(prefix, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no TOML at offset {self._at}")
        self._at = found.end()
        return found.group()

    def _line(self, offset: int) -> int:
        return bisect_right(self._newlines, offset - 1) + 1

    def _header(self) -> KeyPath:
        start = self._at
        brackets = 2 if self._next("[[") else 1
        self._at += brackets
        *parents, name = self._key()
        self._at += brackets
        path: KeyPath = ()
        for parent in parents:
            path = (*path, parent)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        path = (*path, name)
        span = Span(self._line(start), start, self._at)
        if brackets == 2:
            self._values.setdefault(path, span)
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
        self._values[path] = span
        self._tables.append(TableSpan(path, start, self._at))
        return path

    def _extend_table(self) -> None:
        if self._tables:
            last = self._tables[-1]
            self._tables[-1] = TableSpan(last.path, last.start, self._at)

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_BLANKS)
            if self._next('"'):
                parts.append(tomllib.loads(f"key = {self._skip(_STRING)}")["key"])
            elif self._next("'"):
                parts.append(self._skip(_STRING)[1:-1])
            else:
                parts.append(self._skip(_BARE_KEY))
            self._skip(_BLANKS)
            if not self._next("."):
                return parts
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        line = self._line(self._at)
        path = (*table, *(key := self._key()))
        self._at += 1
        self._skip(_BLANKS)
        start = self._at
        self._value(path)
        for length in range(len(table) + 1, len(table) + len(key) + 1):
            if path[:length] not in self._values or length == len(path):
                self._values[path[:length]] = Span(line, start, self._at)

    def _value(self, path: KeyPath) -> None:
        start = self._at
        if self._next("["):
            self._array(path)
        elif self._next("{"):
            self._inline_table(path)
        elif self._next('"') or self._next("'"):
            self._skip(_STRING)
        else:
            scalar = self._skip(_SCALAR)
            self._at -= len(scalar) - len(scalar.rstrip())
        self._values[path] = Span(self._line(start), start, self._at)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_GAP)
        index = 0
        while not self._next("]"):
            self._value((*path, index))
            index += 1
            self._separator()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_GAP)
        while not self._next("}"):
            self._pair(path)
            self._separator()
        self._at += 1

    def _separator(self) -> None:
        self._skip(_GAP)
        if self._next(","):
            self._at += 1
            self._skip(_GAP)
