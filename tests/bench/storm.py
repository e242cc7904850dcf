"""A storm of events: every environment of a large fleet going through its stages at once, as the engine tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    Event,
    FileDone,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

GROUP = 200
Step = tuple[str, Stage | None, Body]


def storm(run: int, names: Sequence[str], steps: int) -> Iterator[tuple[Event, ...]]:
    """A whole run in groups; `steps` events of progress and as many files per environment, interleaved at random."""
    chance = Random(run)
    moment = datetime.now(UTC)
    state = RunState()
    seq = 0
    pending: list[Event] = []

    def event(name: str, stage: Stage | None, body: Body) -> Event:
        nonlocal seq
        seq += 1
        time = moment + timedelta(milliseconds=seq)
        return Event(seq=seq, time=time, run=run, body=body, environment=name, stage=stage, attempt=1 if stage else 0)

    yield (event("", None, RunSubmitted("storm", tuple(names))), event("", None, RunStarted()))
    waiting = {name: _life(name, steps) for name in names}
    while waiting:
        name = chance.choice(tuple(waiting))
        step = next(waiting[name], None)
        if step is None:
            del waiting[name]
            continue
        pending.append(event(*step))
        if len(pending) == GROUP:
            state = state.after_all(pending)
            yield tuple(pending)
            pending = []
    state = state.after_all(pending)
    yield (*pending, event("", None, RunFinished(Outcome.SUCCEEDED, state.summary())))


def _life(name: str, steps: int) -> Iterator[Step]:
    for stage in Stage:
        yield name, stage, StageStarted()
        if stage is Stage.DEPLOYING:
            for number in range(steps):
                yield name, stage, StageProgress(number, steps, "files", f"file {number} of {steps}")
                yield name, stage, FileDone(f"/opt/tests/{number}", "sent", 4096, "0" * 64)
        yield name, stage, StageFinished(StageOutcome.SUCCEEDED, 0.1)
    yield name, None, EnvironmentFinished(Status.COMPLETED, True)
