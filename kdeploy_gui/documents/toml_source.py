"""Read a TOML file as one consistent whole, also while an editor saves it."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time

from kdeploy_gui.documents.positions import Outline, outline
from kdeploy_gui.model.problem import Problem

READ_DEADLINE = 1.0
"""Seconds that a file may keep changing before it is taken as it is."""
SETTLED = 0.05
"""Seconds since the last change after which a good text counts as written to its end."""
SETTLED_BROKEN = 0.3
"""The same for a text that is not TOML, or empty: it may be half of one, or cut off to be written anew."""
SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; more is not a file that people wrote."""

_PAUSE = 0.02
_BOM = b"\xef\xbb\xbf"
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file at one moment. `text` has no byte order mark; `stamp` identifies this state of the file."""

    path: str
    text: str
    data: Mapping[str, object]
    outline: Outline
    stamp: tuple[int, ...] = ()


def load(path: Path) -> Document | Problem:
    """Read and parse `path`; the Problem says why that is impossible, with the line where there is one.

    A file that changes meanwhile is read again, for at most READ_DEADLINE seconds. Raises FileNotFoundError.
    """
    deadline = monotonic() + READ_DEADLINE
    while True:
        last_chance = monotonic() >= deadline
        try:
            result, settled = _attempt(path)
        except FileNotFoundError:
            if last_chance or not _just_moved(path):
                raise
            settled = False
        except OSError as error:
            return Problem(f"cannot be read: {error.strerror or error}", file=str(path))
        if settled or last_chance:
            return result
        sleep(_PAUSE)


def parse(path: str, content: bytes, stamp: tuple[int, ...] = ()) -> Document | Problem:
    """The document in `content`; `path` names it in the Problem."""
    try:
        text = content.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Problem(f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8", "", path, line)
    try:
        data = tomllib.loads(text)
        return Document(path, text, data, outline(text), stamp)
    except tomllib.TOMLDecodeError as error:
        return _syntax_problem(path, text, str(error))
    except RecursionError:
        return Problem("not TOML that people write: nested too deeply", file=path)
    except ValueError as error:
        return Problem(f"not valid TOML: {error}", file=path)


def _attempt(path: Path) -> tuple[Document | Problem, bool]:
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        content = file.read(SIZE_LIMIT + 1)
        if not content:
            # Some file systems (ext4) show the size 0 of a truncated file before its new time.
            sleep(_PAUSE)
        after, now = os.fstat(file.fileno()), time()
    if len(content) > SIZE_LIMIT:
        return Problem(
            f"larger than {SIZE_LIMIT // 1024 // 1024} MiB, which no plan or lab file is", "", str(path)
        ), True
    result = parse(str(path), content, _stamp(after))
    if not stat.S_ISREG(after.st_mode):
        return result, True
    patience = SETTLED if content and isinstance(result, Document) else SETTLED_BROKEN
    return result, _stamp(before) == _stamp(after) and not _changed_within(after, patience, now)


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)


def stamp_of(path: Path) -> tuple[int, ...]:
    """What `Document.stamp` would be now; empty if there is no file."""
    try:
        return _stamp(path.stat())
    except FileNotFoundError:
        return ()


def _changed_within(state: os.stat_result, seconds: float, now: float) -> bool:
    return 0 <= now - state.st_mtime < seconds


def _just_moved(path: Path) -> bool:
    """Whether the folder has just changed: some editors move the old file away before they write the new one."""
    try:
        return _changed_within(path.parent.stat(), SETTLED, time())
    except OSError:
        return False


def _syntax_problem(path: str, text: str, message: str) -> Problem:
    place = _PLACE.search(message)
    if place is None:
        return Problem(f"not valid TOML: {message}", file=path)
    line = int(place.group(1)) if place.group(1) else text.count("\n") + 1
    return Problem(f"not valid TOML: {message[: place.start()]}", file=path, line=line)
