"""How much a machine may have to say, and what it says about its files. A machine may lie, or be broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.files import FileKind, FileState

STAMP_SETTLES = 4
"""Seconds after a change from which a file's times tell every further one; FAT keeps times in steps of 2 s."""
_FIXED = 4 << 20
"""Bytes for what is told unasked, above all the mounts."""
_PER_QUESTION, _PER_FOLDER, _PER_FILE = 8 << 10, 16 << 10, 1 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")


def facts_bound(query: FactsQuery) -> int:
    """The bytes that an answer to `facts.sh` can have at most."""
    questions = len(query.tools) + len(query.paths) + len(query.programs) + len(query.options)
    return _FIXED + questions * _PER_QUESTION + len(query.folders) * _PER_FOLDER


def survey_bound(paths: Iterable[str]) -> int:
    """The bytes that an answer to `survey.sh` can have at most."""
    return _FIXED + sum(_PER_FILE + 32 * len(path) for path in paths)


def in_bounds(done: Completed, bound: int) -> str:
    """The answer, which is not even looked at where it is longer than it can be. Raises ValueError."""
    if len(done.stdout) > bound:
        raise ValueError(f"it has {size(len(done.stdout))} or more, and {size(bound)} would be a lot")
    return done.text


def parse_survey(text: str, known: Mapping[str, FileState] = MappingProxyType({})) -> dict[str, FileState]:
    """File states from the output of `survey.sh`, which was given the stamps of `known`.

    Raises ValueError where a line makes no sense, or a path is told about twice.
    """
    found: dict[str, FileState] = {}
    clock = 0
    for line in text.split("\n"):
        match line.split("\t"):
            case ["k", kind, path]:
                if path in found:
                    raise ValueError(f"{path} is told about twice")
                found[path] = FileState(path, FileKind(kind))
            case ["s", mode, size, owner, path] if path in found:
                found[path] = replace(found[path], mode=int(mode, 8), size=int(size), owner=owner)
            case ["l", path, leads_to] if path in found:
                found[path] = replace(found[path], leads_to=leads_to)
            case ["c", seconds]:
                clock = int(seconds)
            case ["t", stamp, path] if path in found:
                changed = max(int(each) for each in stamp.split(".")[1:])
                settled = changed + STAMP_SETTLES < clock
                found[path] = replace(found[path], stamp=stamp if settled else "")
            case ["u", path] if path in found and path in known:
                found[path] = _hashed(found[path], known[path].sha256)
            case _:
                digest, _, path = line.removeprefix("\\").partition("  ")
                if line.startswith("\\"):
                    path = path.replace("\\\\", "\\")
                if path in found and _SHA256.fullmatch(digest):
                    found[path] = _hashed(found[path], digest)
    return found


def _hashed(state: FileState, sha256: str) -> FileState:
    if state.sha256 not in {"", sha256}:
        raise ValueError(f"{state.path} has two hashes")
    return replace(state, sha256=sha256)
