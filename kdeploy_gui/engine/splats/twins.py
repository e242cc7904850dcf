"""The same report told twice: on the console, and in the kernel's log."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from enum import StrEnum

from kdeploy_gui.model.splat import Splat

NEAR = 1.0
"""Seconds of the kernel's own time within which two reports of one kind are the same: the console may lack its first
lines, which a lower log level keeps away from it."""
_MOST = 100


class Source(StrEnum):
    """Where a report was read."""

    LOG = "kernel log"
    CONSOLE = "serial console"
    RECORD = "crash record"


class Twins:
    """Pairs the reports of two sources, each at most once; what has no partner yet waits for one."""

    def __init__(self) -> None:
        self._waiting: dict[Source, deque[Splat]] = defaultdict(lambda: deque(maxlen=_MOST))

    def is_known(self, source: Source, splat: Splat) -> bool:
        """Whether another source has told this report before."""
        for other, waiting in self._waiting.items():
            partner = next(_partners(waiting, splat), None) if other is not source else None
            if partner is not None:
                waiting.remove(partner)
                return True
        self._waiting[source].append(splat)
        return False


def _partners(waiting: deque[Splat], splat: Splat) -> Iterator[Splat]:
    """Those of the same title first."""
    near = [each for each in waiting if each.kind is splat.kind and _is_near(each, splat)]
    yield from (each for each in near if each.title == splat.title)
    yield from (each for each in near if each.printed and splat.printed)


def _is_near(one: Splat, other: Splat) -> bool:
    return not (one.printed and other.printed) or abs(float(one.printed) - float(other.printed)) <= NEAR
