"""Looking for lines in all of a log, piece by piece: for a search, and for what tells of problems."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
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
_HINTS = (
    *(
        b"error",
        b"fail",
        b"fatal",
        b"\ne: ",
        b"\nw: ",
        b"warning",
        b"traceback",
        b"cannot ",
        b"denied",
        b"no such file",
    ),
    *(b"no space", b"bug", b"oops", b"panic", b"call trace", b"kasan", b"kcsan", b"kmsan", b"ubsan", b"lockdep"),
    *(b"segfault", b"lockup", b"hung task", b"+0x", b"of size", b"cpu: ", b"workqueue", b"hardware name", b"rip: "),
    b"---[ ",
)
"""In lower case: of these every line of `PROBLEM_WORDS` has one; looking for them first is many times faster."""
_PROBLEM = re.compile(PROBLEM_WORDS, re.IGNORECASE | re.ASCII)
_PROBLEM_BYTES = re.compile(PROBLEM_WORDS.encode(), re.IGNORECASE | re.MULTILINE)


def is_problem(text: str) -> bool:
    """Whether a line of output tells of a problem."""
    return _PROBLEM.search(text) is not None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: in bytes of output, in their shown text, and in notes. Lines without a hint are not meant."""

    in_bytes: re.Pattern[bytes]
    in_text: Callable[[str], bool]
    in_note: Callable[[Note], bool]
    hints: tuple[bytes, ...] = ()


def query_for(text: str) -> Query:
    """Lines that hold `text`, whatever its case and whatever colours run through it."""
    wanted = text.casefold()
    parts = [_either_case(each) for each in text]
    return Query(
        re.compile(_BETWEEN.join(parts)),
        lambda shown: wanted in shown.casefold(),
        lambda note: wanted in note.text.casefold(),
    )


PROBLEMS = Query(_PROBLEM_BYTES, is_problem, lambda note: note.level is not Level.PLAIN, _HINTS)


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
    for start, stop in _hinted(query, data) if query.hints else _matching(query, data):
        if b"\r" not in data[start : stop - 1] or query.in_text(clean(data[start:stop]).text):
            places.append(offset + start)


def _matching(query: Query, data: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while found := query.in_bytes.search(data, position):
        start = data.rfind(b"\n", 0, found.start()) + 1
        stop = data.find(b"\n", found.end())
        stop = len(data) if stop < 0 else stop
        yield start, stop
        position = stop + 1


def _hinted(query: Query, data: bytes) -> Iterator[tuple[int, int]]:
    """Lines that match, among those with a hint."""
    lowered = b"\n" + data.lower()
    lines: set[tuple[int, int]] = set()
    for hint in query.hints:
        at = lowered.find(hint)
        while at >= 0:
            begin = at + 1 if hint.startswith(b"\n") else at
            stop = lowered.find(b"\n", begin)
            stop = len(lowered) if stop < 0 else stop
            lines.add((lowered.rfind(b"\n", 0, begin), stop - 1))
            at = lowered.find(hint, stop)
    return ((start, stop) for start, stop in sorted(lines) if query.in_bytes.search(data[start:stop]))
