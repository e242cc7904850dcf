"""Failures grouped by their cause, and which of them still need somebody."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kdeploy_gui.model.history import FailureRecord
from kdeploy_gui.ui.sentences import sentence

_FINGERPRINT = re.compile(r"SHA256:[\w+/=]+")
_QUANTITY = re.compile(r"\d[\d.,:]*")
LONGEST_HEADLINE = 300
"""Characters; the whole message is shown below it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason, with every failure it explains, newest first. `key` survives restarts."""

    key: str
    records: tuple[FailureRecord, ...]

    @property
    def newest(self) -> FailureRecord:
        """The failure to tell about."""
        return self.records[0]

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return headline(self.newest.failure.message)

    @property
    def environments(self) -> tuple[str, ...]:
        """Where it happened, each once."""
        return tuple(dict.fromkeys(each.environment for each in self.records))

    @property
    def runs(self) -> tuple[int, ...]:
        """In which runs, newest first, each once."""
        return tuple(dict.fromkeys(each.run for each in self.records))


@dataclass(frozen=True, slots=True)
class Sorted:
    """Causes by what they ask for: `open` needs somebody, `solved` completed later."""

    open: tuple[Cause, ...] = ()
    solved: tuple[Cause, ...] = ()


def headline(message: str) -> str:
    """The part of a message before its details, as a sentence starts."""
    first = message.splitlines()[0] if message else ""
    head = first.partition(": ")[0].rstrip(".")
    if len(head) > LONGEST_HEADLINE:
        head = f"{head[:LONGEST_HEADLINE]}..."
    return sentence(head)


def cause_key(record: FailureRecord, *, by_environment: bool = False) -> str:
    """What failures with one cause share: the code and the message without names, numbers and fingerprints."""
    text = record.failure.message.partition(": ")[0].replace(record.environment, "*")
    text = _QUANTITY.sub("#", _FINGERPRINT.sub("#", text))
    return f"{record.environment if by_environment else ''}|{record.failure.code}|{text}"


def sort_out(records: Iterable[FailureRecord], *, by_environment: bool = False) -> Sorted:
    """Group failures (newest first). Of each environment the newest failure counts; what came before it only if it had
    the same cause."""
    newest: dict[str, FailureRecord] = {}
    opened: dict[str, list[FailureRecord]] = defaultdict(list)
    solved: dict[str, list[FailureRecord]] = defaultdict(list)
    for record in records:
        latest = newest.setdefault(record.environment, record)
        key = cause_key(record, by_environment=by_environment)
        if record.solved_by:
            solved[key].append(record)
        elif cause_key(latest, by_environment=by_environment) == key:
            opened[key].append(record)
    return Sorted(_causes(opened.items()), _causes(solved.items()))


def _causes(groups: Iterable[tuple[str, Sequence[FailureRecord]]]) -> tuple[Cause, ...]:
    found = [Cause(key, tuple(records)) for key, records in groups]
    return tuple(sorted(found, key=lambda each: each.newest.time, reverse=True))
