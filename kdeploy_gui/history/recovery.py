"""The end of a run whose program died."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kdeploy_gui.errors import KdeployError, LocalError
from kdeploy_gui.model.event import EnvironmentFinished, Event, RunFinished, timestamp
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.run import EnvironmentState, fold
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

Remedy = Callable[[KdeployError, str], str]
"""The remedy for an error in an environment."""

UNTOUCHED = "nothing was changed"
TOUCHED = "each file is the old or the new one; what is left over is removed at the next contact"
HARMLESS = frozenset({Stage.PREPARING, Stage.CONNECTING})
"""Stages that change nothing on the target."""


def ending_events(events: Sequence[Event], remedy: Remedy) -> list[Event]:
    """What must follow `events` (at least one) for the run to have ended as interrupted.

    They bear the time of the last event: that is when the program was last known to live.
    """
    last = events[-1]
    last_by_environment = {each.environment: each for each in events}
    state = fold(events)
    ending: list[Event] = []
    for environment in state.environments.values():
        if not environment.status.is_final:
            failure = interruption(environment, last_by_environment.get(environment.name, last), remedy)
            body = EnvironmentFinished(Status.INTERRUPTED, environment.ready, failure)
            seq = last.seq + 1 + len(ending)
            ending.append(Event(seq=seq, time=last.time, run=last.run, body=body, environment=environment.name))
            state = state.after(ending[-1])
    finished = RunFinished(Outcome.INTERRUPTED, state.summary())
    return [*ending, Event(seq=state.last_seq + 1, time=last.time, run=last.run, body=finished)]


def interruption(environment: EnvironmentState, last: Event, remedy: Remedy) -> Failure:
    """The failure of an environment that was under way."""
    stage = next((each.stage for each in environment.stages if each.outcome is StageOutcome.RUNNING), None)
    waiting = "between two stages" if environment.started else "before its turn came"
    during = f"during {stage.label}" if stage else waiting
    touched = any(each.attempts for each in environment.stages if each.stage not in HARMLESS)
    error = LocalError(
        "E-INTERRUPTED",
        f"kdeploy ended {during}; the last event is {last.type} (number {last.seq}, {timestamp(last.time)})",
        on_target=TOUCHED if touched else UNTOUCHED,
    )
    return Failure(
        code=error.code,
        category=error.category,
        message=error.message,
        where=Place(environment.name, stage.value if stage else ""),
        on_target=error.on_target,
        remedy=remedy(error, environment.name),
    )
