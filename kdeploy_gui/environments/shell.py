"""A POSIX shell on a machine, and what its scripts read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from kdeploy_gui.model.command import Completed

READ_AHEAD = 4
"""Blocks that are read at a time, off the event loop."""


class Shell(Protocol):
    """Something that runs POSIX shell scripts on a machine."""

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """Run a script with arguments, `source` on its stdin. Raises KdeployError only.

        When the caller is cancelled the script is ended: with TERM and, unless it is to be treated `gentle`, with KILL.
        """

    async def close(self) -> None:
        """Let go of it; never raises."""


async def once(data: bytes) -> AsyncIterator[bytes]:
    """A whole stdin."""
    yield data


class Meter:
    """Bytes of a batch that are on the target, told as they come; headers count a little, too, and never beyond it."""

    def __init__(self, tell: Callable[[int], None], total: int, done: int = 0) -> None:
        self._tell = tell
        self._total = total
        self._done = done

    def add(self, count: int) -> None:
        """So many bytes more."""
        self._done = min(self._done + count, self._total)
        self._tell(self._done)


async def stream(head: bytes, blocks: Iterator[bytes], meter: Meter) -> AsyncIterator[bytes]:
    """A stdin: the head, then blocks, which are read off the event loop."""
    yield head
    while group := await asyncio.to_thread(list, islice(blocks, READ_AHEAD)):
        for block in group:
            yield block
            meter.add(len(block))
