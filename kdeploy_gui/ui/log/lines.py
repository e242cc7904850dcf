"""Where lines begin in stored output, found without keeping their text."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count
from operator import add

Read = Callable[[int, int], bytes]
"""Stored bytes from an offset, at most so many; fewer at the end of what there is."""
CHUNK = 128 * 1024
"""Bytes looked at in one go: no longer than the window can wait for the interpreter."""
TAIL = 256 * 1024
"""Bytes at the end of a long output that are shown first."""


@dataclass(frozen=True, slots=True)
class Found:
    """Starts of lines up to `end`; `fresh`: the next byte begins a line."""

    starts: array[int]
    end: int
    fresh: bool


def find_lines(read: Read, begin: int, end: int, fresh: bool = True) -> Found:
    """Starts of the lines that begin in `begin` to `end`; `fresh`: one begins at `begin`.

    What the store gives beyond `end` (its closing line) counts, what it does not give is not there.
    """
    starts = array("Q")
    position = begin
    while position < end:
        data = read(position, min(CHUNK, end - position))
        if not data:
            break
        if fresh:
            starts.append(position)
        lengths = list(map(len, data.split(b"\n")))
        fresh = lengths.pop() == 0
        starts.extend(map(add, accumulate(lengths), count(position + 1)))
        if fresh:
            starts.pop()
        position += len(data)
    return Found(starts, position, fresh)


class LineIndex:
    """Lines of one stretch of output; lines are counted from 0, places are offsets in the store."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.starts = array("Q")
        self.end = offset
        self._fresh = True
        self._tail = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def fresh(self) -> bool:
        """Whether the next byte begins a line."""
        return self._fresh

    def place(self, line: int) -> tuple[int, int]:
        """Where a line begins and where its bytes end, its line feed included."""
        stop = self.starts[line + 1] if line + 1 < len(self.starts) else self.end
        return self.starts[line], stop

    def line_at(self, offset: int) -> int:
        """The line that holds this byte, or the nearest one."""
        return max(0, bisect_right(self.starts, offset) - 1)

    def show_tail(self, found: Found) -> None:
        """Have the last lines only, for now."""
        self.starts = found.starts
        self.end = found.end
        self._tail = True

    def extend(self, found: Found) -> None:
        """Take what was found after the end; the tail that stood in for it goes."""
        if self._tail:
            self.starts = array("Q")
            self._tail = False
        self.starts.extend(found.starts)
        self.end = found.end
        self._fresh = found.fresh
