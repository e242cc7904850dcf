"""Looking for lines in all of a log, piece by piece: for a search, and for what tells of problems."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kdeploy_gui.ui.log.ansi import clean
from kdeploy_gui.ui.log.lines import CHUNK, Read
from kdeploy_gui.ui.log.narrate import Level, Note

STEP = 2 * 1024 * 1024
"""Bytes after which a scan says what it has found so far."""
LONGEST = 1024 * 1024
"""Bytes of a line that are looked at together."""
_BETWEEN = rb"(?:\x1b\[[0-9;:]*m)*"

PROBLEM_WORDS = (
    r"error\b|\bfailed\b|\bfailure\b|\bfatal\b|^E: |^W: |\bwarning\b|\btraceback\b|\bcannot \b|permission denied"
    r"|no such file|no space left|\bBUG\b|\boops\b|kernel panic|call trace:|\b(?:KASAN|KCSAN|KMSAN|UBSAN|lockdep)\b:?"
    r"|segfault|soft lockup|hung task|\+0x[0-9a-f]+/0x[0-9a-f]+|^\[[ .0-9]+\] (?:Read|Write) of size"
    r"|^\[[ .0-9]+\] (?:CPU: \d+ |Workqueue: |Hardware name: |RIP: |---\[ )"
)
_PROBLEM = re.compile(PROBLEM_WORDS, re.IGNORECASE)
_PROBLEM_BYTES = re.compile(PROBLEM_WORDS.encode(), re.IGNORECASE | re.MULTILINE)


def is_problem(text: str) -> bool:
    """Whether a line of output tells of a problem."""
    return _PROBLEM.search(text) is not None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: in bytes of output, in their shown text, and in notes."""

    in_bytes: re.Pattern[bytes]
    in_text: Callable[[str], bool]
    in_note: Callable[[Note], bool]


def query_for(text: str) -> Query:
    """Lines that hold `text`, whatever its case and whatever colours run through it."""
    wanted = text.casefold()
    parts = [_either_case(each) for each in text]
    return Query(
        re.compile(_BETWEEN.join(parts)),
        lambda shown: wanted in shown.casefold(),
        lambda note: wanted in note.text.casefold(),
    )


PROBLEMS = Query(_PROBLEM_BYTES, is_problem, lambda note: note.level is not Level.PLAIN)


def _either_case(character: str) -> bytes:
    forms = {each.encode(errors="surrogateescape") for each in (character, character.lower(), character.upper())}
    return b"(?:" + b"|".join(re.escape(each) for each in sorted(forms)) + b")"


@dataclass(slots=True)
class Hits:
    """Places of one block that were found. It was looked at up to `seen`, and is looked at again from `done` on."""

    places: array[int] = field(default_factory=lambda: array("Q"))
    done: int = 0
    seen: int = 0


def scan_notes(query: Query, notes: Sequence[Note], begin: int) -> array[int]:
    """Numbers of the notes from `begin` on that are meant."""
    return array("Q", (number for number, note in enumerate(notes[begin:], begin) if query.in_note(note)))


def scan_output(query: Query, read: Read, begin: int, end: int) -> tuple[array[int], int]:
    """Where the lines begin that are meant, from `begin` (the start of a line) on, and where the last line begins."""
    places = array("Q")
    position, held = begin, b""
    while position + len(held) < end:
        at = position + len(held)
        data = held + read(at, min(CHUNK, end - at))
        if len(data) == len(held):
            break
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) < LONGEST:
            held = data
            continue
        _scan(query, data[:cut] if cut else data, position, places)
        held = data[cut:] if cut else b""
        position += cut or len(data)
    if held:
        _scan(query, held, position, places)
    return places, position


def _scan(query: Query, data: bytes, offset: int, places: array[int]) -> None:
    position = 0
    while found := query.in_bytes.search(data, position):
        start = data.rfind(b"\n", 0, found.start()) + 1
        stop = data.find(b"\n", found.end())
        stop = len(data) if stop < 0 else stop
        if b"\r" not in data[start : stop - 1] or query.in_text(clean(data[start:stop]).text):
            places.append(offset + start)
        position = stop + 1
