"""Runs of the past, written into a real history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    Event,
    FileDone,
    RetryScheduled,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.ports import EventLog

BOARDS = tuple(f"board-{number}" for number in range(1, 13))
STATUSES = {Outcome.CANCELLED: Status.CANCELLED, Outcome.INTERRUPTED: Status.INTERRUPTED}


def failure(code: str, environment: str, message: str = "", category: Category = Category.TARGET) -> Failure:
    """What failed on an environment."""
    return Failure(
        code,
        category,
        message or f"No space on /opt of {environment}: 110 MiB needed, 61 MiB free",
        where=Place(environment, Stage.DEPLOYING.value, "/opt"),
    )


class Past:
    """Writes one run after the other; each begins at a given time."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def run(
        self,
        ago: timedelta = timedelta(hours=1),
        *,
        plan: str = "net-smoke",
        environments: Sequence[str] = BOARDS,
        failed: Mapping[str, Failure] | None = None,
        retried: Mapping[str, int] | None = None,
        outcome: Outcome | None = Outcome.SUCCEEDED,
        took: timedelta = timedelta(minutes=6, seconds=10),
    ) -> int:
        """A run; environments in `failed` fail with that, `retried` need so many attempts, None goes on."""
        number = self._log.begin(plan, environments)
        start = datetime.now(UTC) - ago
        seq = 0
        events: list[Event] = []

        def add(body: Body, environment: str = "", stage: Stage | None = None, attempt: int = 0, at: float = 0) -> None:
            nonlocal seq
            seq += 1
            moment = start + took * at
            events.append(
                Event(
                    seq=seq,
                    time=moment,
                    run=number,
                    body=body,
                    environment=environment,
                    stage=stage,
                    attempt=attempt,
                )
            )

        add(RunSubmitted(plan, tuple(environments)))
        add(RunStarted())
        for name in environments:
            tries = (retried or {}).get(name, 1)
            for stage in (Stage.PREPARING, Stage.CONNECTING, Stage.DEPENDENCIES):
                add(StageStarted(), name, stage, 1)
                add(StageFinished(StageOutcome.SUCCEEDED, 5.0 + len(name)), name, stage, 1, 0.1)
            for attempt in range(1, tries + 1):
                add(StageStarted(), name, Stage.DEPLOYING, attempt, 0.2)
                if attempt < tries:
                    stalled = failure("E-STALLED", name, "No reply for 20 s", Category.NET)
                    add(RetryScheduled(2.0, stalled), name, Stage.DEPLOYING, attempt, 0.3)
            add(FileDone("/opt/a", "sent", 10, "0" * 64), name, Stage.DEPLOYING, tries, 0.4)
            error = (failed or {}).get(name)
            if outcome is None and error is None:
                continue
            ended = StageOutcome.FAILED if error else StageOutcome.SUCCEEDED
            add(StageFinished(ended, took.total_seconds() * 0.6), name, Stage.DEPLOYING, tries, 0.8)
            status = Status.FAILED if error else STATUSES.get(outcome or Outcome.SUCCEEDED, Status.COMPLETED)
            add(EnvironmentFinished(status, status is Status.COMPLETED, error), name, at=0.9)
        if outcome is not None:
            add(RunFinished(Outcome.FAILED if failed else outcome, fold(events).summary()), at=1)
        self._log.append(events)
        if outcome is not None:
            self._log.release(number)
        return number


def fill(log: EventLog) -> None:
    """Some weeks of a lab."""
    past, day = Past(log), timedelta(days=1)
    for number in range(40, 3, -1):
        past.run(number * day, plan="mm-stress" if number % 5 == 0 else "net-smoke")
    past.run(3 * day, failed={"board-1": failure("E-NOSPC", "board-1"), "board-2": failure("E-NOSPC", "board-2")})
    past.run(2 * day, retried={"board-3": 3})
    past.run(1.5 * day, outcome=Outcome.CANCELLED)
    past.run(1.2 * day, outcome=Outcome.INTERRUPTED)
    past.run(day, failed={"board-5": failure("E-AUTH", "board-5", "root was refused", Category.AUTH)})
    past.run(timedelta(minutes=3), failed={"board-5": failure("E-AUTH", "board-5")}, outcome=None)
