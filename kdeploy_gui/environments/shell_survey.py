"""States of files out of what `survey.sh` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from kdeploy_gui.model.files import FileKind, FileState, Staged

STAMP_SETTLES = 4
"""Seconds after a change from which a file's times tell every further one; FAT keeps times in steps of 2 s."""
FINE_STAMP_SETTLES = 1
"""The same where the file system keeps fractions of seconds: they move with every tick of the kernel."""


_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the bytes of a file wait whose transfer was cut short: `token` names the staging folders."""

    token: str
    place: str
    size: int


def parse_survey(text: str, known: Mapping[str, FileState] = MappingProxyType({})) -> dict[str, FileState]:
    """File states from the output of `survey.sh`, which was given the stamps of `known`.

    Raises ValueError where a line makes no sense, or a path is told about twice.
    """
    found: dict[str, FileState] = {}
    begun: dict[str, Staged] = {}
    clock = 0
    for line in text.split("\n"):
        match line.split("\t"):
            case ["k", kind, path]:
                if path in found:
                    raise ValueError(f"{path} is told about twice")
                found[path] = FileState(path, FileKind(kind))
            case ["l", led, path] if path in found:
                found[path] = replace(found[path], leads_to=led)
            case ["s", mode, size, owner, path] if path in found:
                found[path] = replace(found[path], mode=int(mode, 8), size=int(size), owner=owner)
            case ["p", _, _, size, digest, path]:
                begun[path] = Staged(int(size), digest)
            case ["c", seconds]:
                clock = int(seconds)
            case ["t", stamp, path] if path in found:
                found[path] = replace(found[path], stamp=stamp if _is_settled(stamp, clock) else "")
            case ["u", path] if path in found and path in known:
                found[path] = _hashed(found[path], known[path].sha256)
            case _:
                digest, _, path = line.removeprefix("\\").partition("  ")
                if line.startswith("\\"):
                    path = path.replace("\\\\", "\\")
                if path in found and _SHA256.fullmatch(digest):
                    found[path] = _hashed(found[path], digest)
    return {path: replace(state, staged=begun.get(path)) for path, state in found.items()}


def _is_settled(stamp: str, clock: int) -> bool:
    """Whether a stamp, `inode.modified.changed.changed in words`, is older than what its file system tells apart."""
    _, modified, changed, *words = stamp.split(".")
    fraction = words[-1].partition(" ")[0] if len(words) > 1 else ""
    settles = FINE_STAMP_SETTLES if fraction.strip("0") else STAMP_SETTLES
    return max(int(modified), int(changed)) + settles < clock


def parse_begun(text: str) -> dict[str, Begun]:
    """Where bytes of transfers that were cut short wait, by path. Raises ValueError where a line makes no sense."""
    told = (line.split("\t") for line in text.split("\n") if line.startswith("p\t"))
    return {path: Begun(token, place, int(size)) for _, token, place, size, _, path in told}


def _hashed(state: FileState, sha256: str) -> FileState:
    if state.sha256 not in {"", sha256}:
        raise ValueError(f"{state.path} has two hashes")
    return replace(state, sha256=sha256)
