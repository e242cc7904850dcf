"""Kernel and tool versions and the ranges that plans ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_CANDIDATE = re.compile(r"(?:-\d+)?[-~.]?rc(\d+)")
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<)\s*(\S+)")


@dataclass(frozen=True, slots=True)
class Version:
    """The leading numbers of a version string; `candidate` is N of an -rcN, None for a release.

    `6.13-rc3` is older than `6.13`; `6.1` equals `6.1.0`. What follows (`-debug+`, `-amd64`) does not count: it names
    a build, not an order (kernel: Makefile, EXTRAVERSION and CONFIG_LOCALVERSION).
    """

    numbers: tuple[int, ...]
    candidate: int | None = None

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `6.1.192-debug+`. Raises ValueError where no number leads."""
        found = _NUMBERS.match(text.strip().removeprefix("v"))
        if found is None:
            raise ValueError(f"'{text}' is not a version")
        rest = text.strip().removeprefix("v")[found.end() :]
        candidate = _CANDIDATE.match(rest)
        numbers = tuple(int(each) for each in found.group().split("."))
        return cls(numbers, int(candidate.group(1)) if candidate else None)

    def compare(self, other: Version) -> int:
        """Negative, zero or positive as this is older, equal or newer."""
        for mine, theirs in zip_longest(self.numbers, other.numbers, fillvalue=0):
            if mine != theirs:
                return -1 if mine < theirs else 1
        ranks = [float("inf") if each.candidate is None else each.candidate for each in (self, other)]
        return (ranks[0] > ranks[1]) - (ranks[0] < ranks[1])


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Clauses that all must hold, as in `>=6.1,<6.13`."""

    clauses: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Read a comma-separated range; a bare version means `==`. Raises ValueError, naming the part."""
        clauses: list[tuple[str, Version]] = []
        for part in (each.strip() for each in text.split(",")):
            found = _CLAUSE.fullmatch(part)
            operator, version = found.groups() if found else ("==", part)
            clauses.append((operator, Version.parse(version)))
        return cls(tuple(clauses))

    def contains(self, version: Version) -> bool:
        """Whether `version` satisfies every clause."""
        return all(_holds(operator, version.compare(limit)) for operator, limit in self.clauses)


def _holds(operator: str, order: int) -> bool:
    match operator:
        case ">=":
            return order >= 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case "<":
            return order < 0
        case "!=":
            return order != 0
        case _:
            return order == 0
