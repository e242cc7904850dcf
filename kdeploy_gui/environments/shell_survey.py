"""States of files out of what `survey.sh` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kdeploy_gui.model.files import FileKind, FileState, Staged

STAMP_SETTLES = 4
"""Seconds after a change from which a file's times tell every further one; FAT keeps times in steps of 2 s."""
FINE_STAMP_SETTLES = 1
"""The same where the file system keeps fractions of seconds: they move with every tick of the kernel."""


_HASHED = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.*)", re.DOTALL)
"""A line of sha256sum, which writes a backslash twice in a line that begins with one, or of openssl."""


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
    found: dict[str, FileKind] = {}
    attributes: dict[str, tuple[int, int, str]] = {}
    leads_to: dict[str, str] = {}
    stamps: dict[str, str] = {}
    hashes: dict[str, str] = {}
    begun: dict[str, Staged] = {}
    clock = 0
    for line in text.split("\n"):
        match line.split("\t"):
            case ["k", kind, path]:
                if path in found:
                    raise ValueError(f"{path} is told about twice")
                found[path] = FileKind(kind)
            case ["l", led, path]:
                leads_to[path] = led
            case ["s", mode, size, owner, path]:
                attributes[path] = (int(mode, 8), int(size), owner)
            case ["p", _, _, size, digest, path]:
                begun[path] = Staged(int(size), digest)
            case ["c", seconds]:
                clock = int(seconds)
            case ["t", stamp, path]:
                stamps[path] = stamp if _is_settled(stamp, clock) else ""
            case ["u", path] if path in known:
                _hashed(hashes, path, known[path].sha256)
            case _:
                told = _HASHED.fullmatch(line)
                if told is not None:
                    escaped, digest, path = told.groups()
                    _hashed(hashes, path.replace("\\\\", "\\") if escaped else path, digest)
    states: dict[str, FileState] = {}
    for path, is_a in found.items():
        bits, length, whose = attributes.get(path, (0, 0, ""))
        leads, stamp, staged = leads_to.get(path, ""), stamps.get(path, ""), begun.get(path)
        states[path] = FileState(path, is_a, hashes.get(path, ""), bits, whose, length, leads, stamp, staged)
    return states


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


def _hashed(hashes: dict[str, str], path: str, sha256: str) -> None:
    if hashes.setdefault(path, sha256) != sha256:
        raise ValueError(f"{path} has two hashes")
