"""What the rows of a log show, read from the events and the stored output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kdeploy_gui.model.event import EnvironmentFinished, Event
from kdeploy_gui.ui.log.ansi import Span, clean
from kdeploy_gui.ui.log.group import Address, Notes, Output
from kdeploy_gui.ui.log.lines import Read
from kdeploy_gui.ui.log.narrate import Level, Note, narrate, narrate_failure
from kdeploy_gui.ui.log.scan import is_problem
from kdeploy_gui.ui.states import Condition

SHOWN = 4096
"""Bytes of a line that are shown; all of it can be copied."""
WINDOW = 64 * 1024
"""Bytes read around the line that is wanted."""
CACHED = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A line of text; `hidden` bytes of it are not shown."""

    address: Address
    time: datetime
    source: str
    text: str
    spans: tuple[Span, ...] = ()
    level: Level = Level.PLAIN
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """The line of a stage, or of all stages that passed; what they did in `said`, 0 `seconds`: not known."""

    address: Address
    title: str
    said: str
    condition: Condition
    open: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its words, ready to be added."""

    event: Event
    notes: tuple[Note, ...]
    failure: tuple[Note, ...] = ()


def tell(events: Iterable[Event]) -> list[Told]:
    """Events with their words; long lists of them are for a worker thread."""
    return [_told(event) for event in events]


def _told(event: Event) -> Told:
    error = event.body.error if isinstance(event.body, EnvironmentFinished) else None
    return Told(event, narrate(event), narrate_failure(error) if error is not None else ())


class RowReader:
    """Makes rows of stored lines and notes; reads what lies around a line with it."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._cache: dict[Address, Row] = {}
        self._window: tuple[int, bytes] = (0, b"")

    def row(self, address: Address, block: Notes | Output) -> Row:
        """What the row of a note or a line shows."""
        if address not in self._cache:
            if len(self._cache) >= CACHED:
                self._cache.clear()
            self._cache[address] = self._make(address, block)
        return self._cache[address]

    def forget(self, address: Address) -> None:
        """The line has grown."""
        self._cache.pop(address, None)

    def _make(self, address: Address, block: Notes | Output) -> Row:
        place = address[2]
        if isinstance(block, Notes):
            note = block.notes[place]
            return Row(address, block.times[place], "kdeploy", note.text, level=note.level)
        begin, end = block.bounds(place)
        data, hidden = self._bytes(begin, end)
        line = clean(data, whole=not hidden)
        level = Level.PROBLEM if is_problem(line.text) else Level.PLAIN
        return Row(address, block.time(begin), "target", line.text, line.spans, level, hidden)

    def _bytes(self, begin: int, end: int) -> tuple[bytes, int]:
        """The shown bytes of a line, and how many are not; of one that overwrites itself, its last ones."""
        if end - begin > SHOWN:
            data = self._read(begin, SHOWN)
            last = self._read(end - SHOWN, SHOWN).removesuffix(b"\n").rstrip(b"\r") if b"\r" in data else b""
            return (last.rpartition(b"\r")[2], 0) if b"\r" in last else (data, end - begin - len(data))
        offset, window = self._window
        if begin < offset or end > offset + len(window):
            offset = max(0, begin - WINDOW // 2)
            window = self._read(offset, WINDOW)
            self._window = offset, window
        return window[begin - offset : end - offset].removesuffix(b"\n"), 0
