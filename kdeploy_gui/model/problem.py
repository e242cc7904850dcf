"""What is wrong with a plan or lab file, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `field` is its path (`artifacts[2].mode`), `line` counts from 1 (0: not known)."""

    message: str
    field: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` - did you mean 'mode'?`, or an empty string where nothing is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" - did you mean '{near[0]}'?" if near else ""
