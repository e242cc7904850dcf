"""What the runs of the last 30 days have in common, for the charts over the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kdeploy_gui.model.history import RunRecord, StageTime
from kdeploy_gui.model.stage import Outcome

DAYS = 30
MOST_RUNS = 1000
"""Runs that are looked at, newest first."""
MOST_TIMED = 200
"""Runs whose stages are timed."""
MOST_CAUSES = 5


@dataclass(frozen=True, slots=True)
class Day:
    """Runs that were submitted on one day, by how they ended."""

    day: date
    succeeded: int = 0
    failed: int = 0
    unfinished: int = 0

    @property
    def total(self) -> int:
        """All that ended."""
        return self.succeeded + self.failed + self.unfinished


@dataclass(frozen=True, slots=True)
class Trends:
    """Runs by day, times of stages, and codes with the number of environments that failed so."""

    days: tuple[Day, ...] = ()
    causes: tuple[tuple[str, int], ...] = ()
    stages: tuple[StageTime, ...] = ()

    @property
    def succeeded(self) -> int:
        """Runs in which everything succeeded."""
        return sum(each.succeeded for each in self.days)

    @property
    def total(self) -> int:
        """Runs that ended."""
        return sum(each.total for each in self.days)


def trends_of(records: Sequence[RunRecord], stages: tuple[StageTime, ...], now: datetime) -> Trends:
    """The trends of the last 30 days, today among them, in local time."""
    today = now.astimezone().date()
    ended = Counter((each.submitted.astimezone().date(), each.outcome) for each in records)
    days = [
        Day(
            day,
            ended[day, Outcome.SUCCEEDED],
            ended[day, Outcome.FAILED],
            ended[day, Outcome.CANCELLED] + ended[day, Outcome.INTERRUPTED],
        )
        for day in (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1))
    ]
    causes = Counter(each.code for record in records for each in record.failed)
    return Trends(tuple(days), tuple(causes.most_common(MOST_CAUSES)), stages)


def beginning(now: datetime) -> datetime:
    """The first moment of the 30 days."""
    today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=DAYS - 1)
