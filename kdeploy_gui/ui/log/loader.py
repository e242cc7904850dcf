"""Keeps a log up to date without holding up the window: words, line starts and searches come from worker threads."""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from kdeploy_gui.model.event import Event
from kdeploy_gui.ui.bridge import Bridge
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.group import Address, Notes, Output
from kdeploy_gui.ui.log.lines import TAIL, find_lines
from kdeploy_gui.ui.log.rows import tell
from kdeploy_gui.ui.log.scan import PROBLEMS, STEP, Hits, Query, query_for, scan_notes, scan_output

AT_ONCE = 500
"""Events that are put into words together."""


class Search:
    """What was found so far in all of the log."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.hits: dict[tuple[int, int], Hits] = {}
        self.complete = False

    def __len__(self) -> int:
        return sum(len(each.places) for each in self.hits.values())

    def places(self) -> Iterator[tuple[tuple[int, int], array[int]]]:
        """Places by block, in the order of the log."""
        for key in sorted(self.hits):
            yield key, self.hits[key].places

    def number_of(self, address: Address) -> int:
        """How many hits lie before an address."""
        block, place = address[:2], address[2]
        return sum(
            len(places) if key < block else bisect_left(places, place) for key, places in self.places() if key <= block
        )

    def address(self, number: int) -> Address:
        """The address of a hit, counted from 0."""
        for (group, block), places in self.places():
            if number < len(places):
                return group, block, places[number]
            number -= len(places)
        raise IndexError(number)


class LogLoader(QObject):
    """Feeds one document. Everything about it happens on the UI thread; only reading and looking do not."""

    changed = Signal()
    """The document has other rows."""
    searched = Signal()
    """The search has found more, or is through."""

    def __init__(self, document: LogDocument, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.search: Search | None = None
        self.loaded = False
        """Whether something was known, and all of that is there."""
        self._bridge = bridge
        self._events: Sequence[Event] = ()
        self._taken = 0
        self._problems: Search | None = None
        self._task: asyncio.Task[None] | None = None

    def take(self, events: Sequence[Event]) -> None:
        """All events of the environment so far, those before included."""
        if len(events) >= self._taken:
            self._events = events
        self._wake()

    def look_for(self, text: str) -> None:
        """Search all of the log; an empty text ends the search."""
        self.search = Search(query_for(text)) if text else None
        self.searched.emit()
        self._wake()

    def show_problems(self, only: bool) -> None:
        """Show the lines that tell of problems only, or all again."""
        self._problems = Search(PROBLEMS) if only else None
        self.document.problems = self._problems.hits if self._problems is not None else None
        self.document.refresh()
        self.changed.emit()
        self._wake()

    @property
    def busy(self) -> bool:
        """Whether it reads or looks for something."""
        return self._task is not None and not self._task.done()

    def stop(self) -> None:
        """Read nothing more."""
        if self._task is not None:
            self._task.cancel()

    def _wake(self) -> None:
        if not self.busy:
            name = f"read the log of {self.document.environment}"
            self._task = self._bridge.spawn(self._work(), name=name)

    async def _work(self) -> None:
        while True:
            worked = await self._take_events() or await self._read_output()
            worked = worked or await self._scan(self._problems) or await self._scan(self.search)
            if not self.loaded and 0 < self._taken == len(self._events):
                self.loaded = True
                self.changed.emit()
            if not worked:
                return

    async def _take_events(self) -> bool:
        group = self._events[self._taken : self._taken + AT_ONCE]
        if not group:
            return False
        self._taken += len(group)
        told = await self._bridge.ask(partial(tell, group)) if len(group) > 20 else tell(group)
        self.document.add(told)
        self.changed.emit()
        return True

    async def _read_output(self) -> bool:
        for key, block in self.document.blocks():
            if isinstance(block, Output) and block.lines.end < block.expected:
                await self._index(key, block)
                return True
        return False

    async def _index(self, key: tuple[int, int], block: Output) -> None:
        lines, expected, read = block.lines, block.expected, self.document.read
        begin, fresh = lines.end, lines.fresh
        if not len(lines) and expected - begin > 4 * TAIL:
            lines.show_tail(await self._bridge.ask(partial(find_lines, read, expected - TAIL, expected, False)))
            self.document.refresh()
            self.changed.emit()
        found = await self._bridge.ask(partial(find_lines, read, begin, expected, fresh))
        self.document.extend(key, found)
        if block.expected == expected or found.end > expected:
            block.expected = found.end
        self.changed.emit()

    async def _scan(self, search: Search | None) -> bool:
        """One step of a search; False: it is through."""
        if search is None:
            return False
        for key, block in self.document.blocks():
            hits = search.hits.setdefault(key, Hits(done=block.lines.offset if isinstance(block, Output) else 0))
            if isinstance(block, Notes) and hits.seen < len(block):
                hits.places.extend(scan_notes(search.query, block.notes, hits.seen))
                hits.seen = len(block)
                search.complete = False
            elif isinstance(block, Output) and hits.seen < block.lines.end:
                await self._scan_output(search, hits, block.lines.end)
                return True
        if search.complete:
            return False
        search.complete = True
        self._tell(search)
        return True

    async def _scan_output(self, search: Search, hits: Hits, available: int) -> None:
        end = min(available, hits.done + STEP)
        work = partial(scan_output, search.query, self.document.read, hits.done, end)
        places, done = await self._bridge.ask(work)
        del hits.places[bisect_left(hits.places, hits.done) :]
        hits.places.extend(places)
        hits.done, hits.seen = done, end
        search.complete = False
        self._tell(search)

    def _tell(self, search: Search) -> None:
        if search is self._problems:
            self.document.refresh()
            self.changed.emit()
        elif search is self.search:
            self.searched.emit()
