"""The last lines of an environment's log, for its card. Reads files: not on the UI thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from kdeploy_gui.model.event import Channel, Event, OutputAppended
from kdeploy_gui.ui.log.ansi import clean
from kdeploy_gui.ui.log.narrate import narrate

TAIL = 2048
"""Bytes of output looked at for the last lines."""
LINES = 3

Read = Callable[[int, int], bytes]
"""Stored output of one environment: offset, length."""


def newest_told(events: Sequence[Event], count: int) -> list[Event]:
    """The newest events, newest first, without those of the serial console: it may print all the time."""
    return list(islice((each for each in reversed(events) if not _is_of_console(each)), count))


def _is_of_console(event: Event) -> bool:
    return isinstance(event.body, OutputAppended) and event.body.channel is Channel.CONSOLE


def last_lines(events: Iterable[Event], read: Read, count: int = LINES) -> tuple[str, ...]:
    """The newest `count` lines of notes and output, oldest first; `events` come newest first."""
    found: list[str] = []
    for event in events:
        if len(found) >= count:
            break
        if isinstance(event.body, OutputAppended):
            found.extend(reversed(_output_lines(event.body, read)))
        else:
            found.extend(note.text for note in reversed(narrate(event)))
    return tuple(reversed(found[:count]))


def _output_lines(body: OutputAppended, read: Read) -> list[str]:
    length = min(body.length, TAIL)
    lines = read(body.offset + body.length - length, length).splitlines()
    texts = [clean(each).text for each in lines[-LINES:]]
    return [each for each in texts if each.strip()]
