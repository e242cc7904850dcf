"""What the fleet shows of a run: rows, cells and totals as words and numbers. Pure: state and time in, values out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from statistics import median

from kdeploy_gui.model.event import RetryScheduled, StageProgress
from kdeploy_gui.model.run import EnvironmentState, RunState, StageState
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.states import Condition, condition_of, condition_of_stage, slice_icon

QUIET = 2.0
"""Seconds without news after which a row says so."""
SILENT = 10.0
"""Seconds without news after which it says since when."""
MIB = 1024 * 1024

ATTENTION: Mapping[Condition, int] = {
    condition: rank
    for rank, condition in enumerate(
        (
            Condition.FAILED,
            Condition.INTERRUPTED,
            Condition.NOT_READY,
            Condition.RETRYING,
            Condition.WAITING,
            Condition.RUNNING,
            Condition.PENDING,
            Condition.CANCELLED,
            Condition.SUCCEEDED,
            Condition.READY,
        )
    )
}
"""Classes of states, what needs a person first."""
PROBLEMS = frozenset({Condition.FAILED, Condition.INTERRUPTED, Condition.NOT_READY, Condition.RETRYING})
RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED, Status.INTERRUPTED})

_COUNTED = (
    Condition.READY,
    Condition.SUCCEEDED,
    Condition.RUNNING,
    Condition.RETRYING,
    Condition.WAITING,
    Condition.PENDING,
    Condition.NOT_READY,
    Condition.CANCELLED,
    Condition.INTERRUPTED,
    Condition.FAILED,
)
_LOCKED = re.compile(r"locked by (run \d+) \(pid (\d+)\)")
_IN_USE = re.compile(r".* is in use by (run \d+)")


@dataclass(frozen=True, slots=True)
class StageCell:
    """One stage of one environment; `share`, 0 to 1, is drawn as a bar."""

    condition: Condition
    word: str = ""
    time: str = ""
    share: float | None = None

    @property
    def icon(self) -> str:
        """The glyph: for work whose share is known a pie."""
        running = self.condition is Condition.RUNNING and self.share is not None
        return slice_icon(self.share or 0.0) if running else self.condition.icon

    @property
    def said(self) -> str:
        """The cell in words."""
        return ", ".join(part for part in (self.word or self.condition.word, self.time) if part)


_STILL = {each: StageCell(each, each.word) for each in (Condition.PENDING, Condition.QUEUED, Condition.NOT_RUN)}


@dataclass(frozen=True, slots=True)
class Row:
    """One environment of a run."""

    name: str
    condition: Condition
    share: float
    stages: tuple[StageCell, ...]
    elapsed: str
    now: str
    final: bool
    retryable: bool

    @property
    def icon(self) -> str:
        """The glyph: for running ones a pie of the stages done."""
        return slice_icon(self.share) if self.condition is Condition.RUNNING else self.condition.icon

    @property
    def rank(self) -> int:
        """How much it needs a person; the lowest comes first."""
        return ATTENTION[self.condition]

    @property
    def stage(self) -> int | None:
        """Which stage is at work, or stopped it; None: none."""
        active = {Condition.RUNNING, Condition.RETRYING, Condition.FAILED, Condition.CANCELLED, Condition.INTERRUPTED}
        return next((place for place, cell in enumerate(self.stages) if cell.condition in active), None)

    def fields(self) -> Mapping[str, Sequence[str]]:
        """What the filter's keys look at: state, and the stage at work (its first word and its whole name)."""
        stage = list(Stage)[self.stage].label if self.stage is not None else ""
        return {
            "status": (self.condition.word,),
            "stage": (stage, *stage.split()) if stage else (),
            "env": (self.name,),
        }


FILTER_KEYS = ("status", "stage", "env")


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole run in numbers. `left` is empty where nothing honest can be said."""

    counts: tuple[tuple[Condition, int], ...] = ()
    environments: int = 0
    stages_done: int = 0
    stages: int = 0
    elapsed: str = ""
    left: str = ""
    share: float = 0.0


def row_of(state: EnvironmentState, run: RunState, now: datetime) -> Row:
    """The row of an environment."""
    condition = condition_of(state)
    stages = tuple(stage_cell(each, state, now) for each in state.stages)
    began = state.started or run.submitted
    ended = state.finished if state.status.is_final else now
    return Row(
        name=state.name,
        condition=condition,
        share=state.stages_done / len(run.stages),
        stages=stages,
        elapsed=clock((ended - began).total_seconds()) if began and ended else "",
        now=now_text(state, condition, now),
        final=state.status.is_final,
        retryable=state.status in RETRYABLE or condition is Condition.NOT_READY,
    )


def stage_cell(stage: StageState, state: EnvironmentState, now: datetime) -> StageCell:
    """The cell of one stage."""
    if stage.outcome is StageOutcome.SUCCEEDED:
        return _done(int(stage.seconds))
    condition = condition_of_stage(stage, state)
    if condition in _STILL:
        return _STILL[condition]
    match condition:
        case Condition.RUNNING | Condition.RETRYING:
            progress = state.progress if stage.stage.value == state.status.value else StageProgress(0, 0)
            share = min(max(progress.done / progress.total, 0.0), 1.0) if progress.total > 0 else None
            word = _retry_word(stage, state) if condition is Condition.RETRYING else _progress_word(progress, share)
            return StageCell(condition, word, _since(stage.started, now), share)
        case _:
            took = clock(stage.seconds) if stage.seconds else _since(stage.started, state.finished or now)
            return StageCell(condition, condition.word, took)


def now_text(state: EnvironmentState, condition: Condition, now: datetime) -> str:
    """What goes on, or how it ended, in one line."""
    if state.status.is_final:
        return visible(_end_text(state, condition))
    if state.queued is not None:
        return visible(_queue_text(state.queued.position, state.queued.waiting_for))
    if state.retry is not None:
        return visible(_retry_text(state.retry, state.heard, now))
    if state.status is Status.PENDING:
        return ""
    return visible(_work_text(Stage(state.status.value), state.progress) + _silence(state.heard, now))


def totals_of(run: RunState, now: datetime) -> Totals:
    """The run in numbers."""
    everyone = run.environments.values()
    found = Counter(condition_of(each) for each in everyone)
    done = sum(each.stages_done for each in everyone)
    stages = len(everyone) * len(run.stages)
    began, ended = run.submitted, run.finished or now
    return Totals(
        counts=tuple((each, found[each]) for each in _COUNTED if found[each]),
        environments=len(everyone),
        stages_done=done,
        stages=stages,
        elapsed=clock((ended - began).total_seconds()) if began else "",
        left=_left(run, now),
        share=done / stages if stages else 0.0,
    )


def clock(seconds: float) -> str:
    """`0:09`, `12:30`, `2:05:00`."""
    whole = max(0, int(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def time_of_day(moment: datetime) -> str:
    """The moment on this computer's clock."""
    return moment.astimezone().strftime("%H:%M:%S")


@lru_cache(4096)
def _done(seconds: int) -> StageCell:
    return StageCell(Condition.DONE, "", clock(seconds))


def _since(moment: datetime | None, now: datetime) -> str:
    return clock((now - moment).total_seconds()) if moment else ""


def _retry_word(stage: StageState, state: EnvironmentState) -> str:
    number = stage.attempts if state.retry is not None else stage.attempts - 1
    return f"Retry {max(number, 1)}"


def _progress_word(progress: StageProgress, share: float | None) -> str:
    if share is None:
        return Condition.RUNNING.word
    return f"{share * 100:.0f} %" if progress.unit == "bytes" else f"{progress.done} of {progress.total}"


def _end_text(state: EnvironmentState, condition: Condition) -> str:
    if state.error is not None:
        return sentence(state.error.message)
    if condition is Condition.READY and state.finished is not None:
        return f"Ready since {time_of_day(state.finished)}"
    if condition is Condition.INTERRUPTED:
        return "kdeploy ended while it went on"
    return state.readiness or condition.word


def _queue_text(position: int, waiting_for: str) -> str:
    if not waiting_for:
        return f"Waiting, position {position}"
    text = _LOCKED.sub(r"In use by \1 of process \2", waiting_for)
    text = _IN_USE.sub(r"In use by \1", text)
    return text if text != waiting_for else f"Waiting: {waiting_for}"


def _retry_text(retry: RetryScheduled, heard: datetime | None, now: datetime) -> str:
    left = retry.in_s - (now - heard).total_seconds() if heard else retry.in_s
    return f"{sentence(retry.because.message)}, trying again {f'in {left:.0f} s' if left >= 1 else 'now'}"


def _work_text(stage: Stage, progress: StageProgress) -> str:
    if progress.total <= 0:
        return progress.note or stage.label.capitalize()
    if progress.unit == "bytes":
        counted = f"{progress.done / MIB:.1f} of {progress.total / MIB:.1f} MiB"
        return f"{counted}, {progress.note}" if progress.note and progress.done == progress.total else counted
    unit = progress.unit or "step"
    one = unit[:-3] + "y" if unit.endswith("ies") else unit.removesuffix("s")
    counted = f"{one} {progress.done} of {progress.total}"
    if progress.done == 0:
        counted = f"{progress.total} {one if progress.total == 1 else unit}"
    text = f"{progress.note}, {counted}" if progress.note else counted
    return text[:1].upper() + text[1:]


def _silence(heard: datetime | None, now: datetime) -> str:
    quiet = (now - heard).total_seconds() if heard else 0.0
    if quiet < QUIET:
        return ""
    if quiet < SILENT:
        return ", no news yet"
    return f", last news {quiet:.0f} s ago" if quiet < 120 else f", last news {clock(quiet)} ago"


def _left(run: RunState, now: datetime) -> str:
    """How long it may still take, from what the same stages took elsewhere in this run; empty: nobody can know."""
    took: dict[Stage, list[float]] = {stage: [] for stage in Stage}
    for each in run.environments.values():
        for stage in each.stages:
            if stage.outcome is StageOutcome.SUCCEEDED:
                took[stage.stage].append(stage.seconds)
    longest = 0.0
    for each in run.environments.values():
        if each.status.is_final:
            continue
        left = _left_of(each, took, now)
        if left is None:
            return ""
        longest = max(longest, left)
    if run.outcome is not None or longest == 0.0:
        return ""
    return f"About {round(longest / 60)} min left" if longest >= 60 else "Less than 1 min left"


def _left_of(state: EnvironmentState, took: Mapping[Stage, Sequence[float]], now: datetime) -> float | None:
    if state.queued is not None or state.retry is not None or state.status is Status.PENDING:
        return None
    left = 0.0
    for stage in state.stages:
        if stage.outcome is StageOutcome.SUCCEEDED:
            continue
        if not took[stage.stage]:
            return None
        usual = median(took[stage.stage])
        if stage.outcome is StageOutcome.RUNNING and stage.started is not None:
            usual -= (now - stage.started).total_seconds()
            if usual < 0:
                return None
        left += usual
    return left
