"""How much a machine may have to say. A machine may lie, or be broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.figures import size

_FIXED = 4 << 20
"""Bytes for what is told unasked, above all the mounts."""
_PER_QUESTION, _PER_FOLDER, _PER_FILE = 8 << 10, 16 << 10, 1 << 10


def facts_bound(query: FactsQuery) -> int:
    """The bytes that an answer to `facts.sh` can have at most."""
    questions = len(query.tools) + len(query.paths) + len(query.programs) + len(query.options)
    return _FIXED + questions * _PER_QUESTION + len(query.folders) * _PER_FOLDER


def survey_bound(paths: Iterable[str]) -> int:
    """The bytes that an answer to `survey.sh` can have at most."""
    return _FIXED + sum(_PER_FILE + 32 * len(path) for path in paths)


def apart(done: Completed) -> tuple[Completed, Completed]:
    """The answers of `facts.sh` and of the `survey.sh` behind it, whose first line is its clock."""
    facts, clock, files = done.stdout.partition(b"\nc\t")
    return replace(done, stdout=facts), replace(done, stdout=clock + files)


def in_bounds(done: Completed, bound: int) -> str:
    """The answer, which is not even looked at where it is longer than it can be. Raises ValueError."""
    if len(done.stdout) > bound:
        raise ValueError(f"it has {size(len(done.stdout))} or more, and {size(bound)} would be a lot")
    return done.text
