"""Texts that change on a machine, line by line: read there in one round trip, compared here once for all machines."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kdeploy_gui import resources
from kdeploy_gui.engine.context import Digests, Ports
from kdeploy_gui.engine.diff import diff_lines
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.files import FileKind, FileState, Placement
from kdeploy_gui.model.plan import PlannedFile
from kdeploy_gui.model.preview import DiffLine
from kdeploy_gui.ports import Target

TEXT_LIMIT = 256 * 1024
"""Bytes of a file of which the lines are compared."""
TEXTS = 64
"""Files of one machine of which the lines are compared at most."""
DIGITS = 16
"""Digits of a file's size at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A planned file as it shall stand on this machine, and as it stands."""

    file: PlannedFile
    placement: Placement
    state: FileState


class Sources:
    """The plan's local files, read and compared once for all machines that are looked at together."""

    def __init__(self, ports: Ports) -> None:
        self.digests = Digests(ports.content)
        self._content = ports.content
        self._texts: dict[str, str | None] = {}
        self._diffs: dict[tuple[str, str], tuple[DiffLine, ...]] = {}

    def text(self, path: str) -> str | None:
        """A file's text; None: it is none. Blocks. Raises ArtifactError."""
        if path not in self._texts:
            self._texts[path] = text_of(b"".join(self._content.read(path)))
        return self._texts[path]

    def diff(self, old: bytes, path: str, digests: tuple[str, str]) -> tuple[DiffLine, ...] | None:
        """From bytes of a machine to a local file; None: one of them is no text. Blocks. Raises ArtifactError."""
        if digests not in self._diffs:
            before, after = text_of(old), self.text(path)
            if before is None or after is None:
                return None
            self._diffs[digests] = diff_lines(before, after)
        return self._diffs[digests]


def text_of(data: bytes) -> str | None:
    """UTF-8 without NUL is text."""
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


async def compare(
    target: Target, wanted: Sequence[Wanted], sources: Sources
) -> tuple[Mapping[str, tuple[DiffLine, ...]], Mapping[str, str]]:
    """Diffs by path, and why there is none: all texts in one round trip."""
    notes: dict[str, str] = {}
    chosen: list[Wanted] = []
    for each in wanted:
        if each.state.kind is FileKind.FILE and each.state.sha256 != each.placement.entry.sha256:
            note = await asyncio.to_thread(_incomparable, each, sources)
            if not note and len(chosen) == TEXTS:
                note = f"only the first {TEXTS} files are compared line by line"
            if note:
                notes[each.state.path] = note
            else:
                chosen.append(each)
    diffs: dict[str, tuple[DiffLine, ...]] = {}
    if chosen:
        paths = tuple(each.state.path for each in chosen)
        done = await target.execute(Command(resources.text("remote/texts.sh"), paths, title="reading texts"))
        for each, data in zip(chosen, texts_in(done, [each.state for each in chosen]), strict=True):
            found = await asyncio.to_thread(_compared, each, data, sources)
            if isinstance(found, str):
                notes[each.state.path] = found
            else:
                diffs[each.state.path] = found
    return diffs, notes


def _incomparable(wanted: Wanted, sources: Sources) -> str:
    """Why the lines of a file that changes are not compared; empty: they can be."""
    if wanted.file.sensitive:
        return "sensitive: its content is not shown"
    if not wanted.state.sha256:
        return "it cannot be read there"
    if max(wanted.state.size, wanted.placement.entry.size) > TEXT_LIMIT:
        return "too large to compare line by line"
    return "" if sources.text(wanted.placement.source) is not None else "not a text"


def _compared(wanted: Wanted, data: bytes | None, sources: Sources) -> tuple[DiffLine, ...] | str:
    if data is None:
        return "it changed while it was looked at"
    digests = (wanted.state.sha256, wanted.placement.entry.sha256)
    found = sources.diff(data, wanted.placement.source, digests)
    return "not a text there" if found is None else found


def texts_in(done: Completed, states: Sequence[FileState]) -> list[bytes | None]:
    """The files' bytes from the output of `texts.sh`; None where they are not those that were surveyed.

    What a file holds cannot be mistaken for the frame around it: bytes count only with the digest of the survey.
    """
    found: list[bytes | None] = []
    at = 0
    for state in states:
        line_end = done.stdout.find(b"\n", at)
        size = done.stdout[at:line_end] if line_end >= 0 else b"-"
        at = line_end + 1 if line_end >= 0 else len(done.stdout)
        data = b""
        if size.isdigit() and len(size) < DIGITS:
            data = done.stdout[at : at + int(size)]
            at += len(data)
        found.append(data if hashlib.sha256(data).hexdigest() == state.sha256 else None)
    return found
