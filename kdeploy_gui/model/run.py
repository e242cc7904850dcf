"""The state of a run, folded from its events: the one way from events to every view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    EnvironmentQueued,
    EnvironmentSummary,
    Event,
    FactFound,
    FileCounts,
    FileDone,
    InstrumentState,
    InstrumentSwitched,
    ReadinessChanged,
    RetryScheduled,
    RollbackDone,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    StageSummary,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.splat import SplatSeen
from kdeploy_gui.model.stage import LOOKING, Outcome, Stage, StageOutcome, Status


@dataclass(frozen=True, slots=True)
class StageState:
    """One stage of one environment; `seconds` is set when it has ended."""

    stage: Stage
    outcome: StageOutcome = StageOutcome.PENDING
    attempts: int = 0
    started: datetime | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """One environment within a run. `note` says in words what goes on now.

    `queued` is set while it waits for its turn or its lock, `retry` while it waits for another attempt; `checks`,
    `dependencies` and `instruments` are the newest of each name, `splats` the first of each title; `heard` is the time
    of its last event. Once `taken_back`, the files that the run placed are not there any more.
    """

    name: str
    status: Status = Status.PENDING
    ready: bool = False
    stages: tuple[StageState, ...] = tuple(StageState(stage) for stage in Stage)
    progress: StageProgress = field(default_factory=lambda: StageProgress(0, 0))
    files: FileCounts = field(default_factory=FileCounts)
    facts: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, DependencyDone] = field(default_factory=dict)
    instruments: Mapping[str, InstrumentState] = field(default_factory=dict)
    switched: Mapping[str, InstrumentSwitched] = field(default_factory=dict)
    checks: Mapping[str, CheckDone] = field(default_factory=dict)
    splats: Mapping[str, SplatSeen] = field(default_factory=dict)
    queued: EnvironmentQueued | None = None
    retry: RetryScheduled | None = None
    note: str = ""
    readiness: str = ""
    error: Failure | None = None
    taken_back: bool = False
    started: datetime | None = None
    finished: datetime | None = None
    heard: datetime | None = None

    @property
    def seconds(self) -> float:
        """Seconds from its first stage to its end; 0 while it has not ended."""
        if self.started is None or self.finished is None:
            return 0.0
        return (self.finished - self.started).total_seconds()

    @property
    def stages_done(self) -> int:
        """How many of its stages succeeded."""
        return sum(each.outcome is StageOutcome.SUCCEEDED for each in self.stages)

    @property
    def can_validate(self) -> bool:
        """Whether its checks can be made again: it came to them, and what the run deployed is still there."""
        at = {each.stage: each for each in self.stages}[Stage.VALIDATING]
        return self.status.is_final and at.attempts > 0 and not self.taken_back

    @property
    def failed_checks(self) -> tuple[CheckDone, ...]:
        """The checks that said no when they were made last."""
        return tuple(each for each in self.checks.values() if not each.ok)

    @property
    def attempts(self) -> int:
        """Attempts of all stages together."""
        return sum(each.attempts for each in self.stages)

    def summary(self) -> EnvironmentSummary:
        """This environment as the summary of a run tells it."""
        stages = tuple(StageSummary(each.stage, each.outcome, each.attempts, each.seconds) for each in self.stages)
        return EnvironmentSummary(
            self.name, self.status, self.ready, self.seconds, stages, self.files, self.error, self.failed_checks
        )

    def after(self, event: Event) -> EnvironmentState:
        """This state with one more event of this environment."""
        state = self._with_stage(event)
        match event.body:
            case EnvironmentQueued(position, waiting_for):
                note = waiting_for or f"waiting, position {position}"
                return replace(state, queued=event.body, note=note)
            case StageProgress(note=note):
                return replace(state, progress=event.body, note=note or state.note)
            case FactFound(name, value):
                return replace(state, facts={**state.facts, name: value})
            case TargetRebooted():
                return replace(state, note="rebooted: what was done before is verified again")
            case FileDone():
                return replace(state, files=_count(state.files, event.body))
            case DependencyDone(name):
                return replace(state, dependencies={**state.dependencies, name: event.body})
            case InstrumentState(name):
                return replace(state, instruments={**state.instruments, name: event.body})
            case InstrumentSwitched(path, back=back):
                others = {key: each for key, each in state.switched.items() if key != path}
                return replace(state, switched=others if back else {**others, path: event.body})
            case CheckDone(name):
                return replace(state, checks={**state.checks, name: event.body})
            case SplatSeen(splat):
                note = f"kernel: {splat.title}" if splat.counts else state.note
                first = state.splats.get(splat.title, event.body)
                return replace(state, splats={**state.splats, splat.title: first}, note=note)
            case RetryScheduled(in_s, because):
                return replace(state, retry=event.body, note=f"again in {in_s:.1f} s: {because.message}")
            case RollbackDone(because=""):
                return replace(state, taken_back=True)
            case ReadinessChanged(ready, because):
                return replace(state, ready=ready, readiness=because)
            case EnvironmentFinished(status, ready, error):
                note = error.message if error else ""
                end = replace(state, status=status, ready=ready, error=error, note=note, finished=event.time)
                return replace(end, queued=None, retry=None)
            case _:
                return state

    def _with_stage(self, event: Event) -> EnvironmentState:
        if event.stage is None or not isinstance(event.body, StageStarted | StageFinished):
            return replace(self, heard=event.time)
        stages = tuple(_stage_after(each, event) if each.stage is event.stage else each for each in self.stages)
        if isinstance(event.body, StageStarted):
            return replace(
                self,
                stages=stages,
                status=Status(event.stage.value),
                progress=StageProgress(0, 0),
                files=FileCounts() if event.stage is Stage.DEPLOYING else self.files,
                note=event.stage.label,
                queued=None,
                retry=None,
                started=self.started or event.time,
                heard=event.time,
            )
        return replace(self, stages=stages, heard=event.time)

    def interrupted(self, moment: datetime) -> EnvironmentState:
        """This state after its program died; unchanged if it had ended before."""
        if self.status.is_final:
            return self
        return replace(self, status=Status.INTERRUPTED, finished=moment, queued=None, retry=None)


def _count(files: FileCounts, done: FileDone) -> FileCounts:
    if done.action == "sent":
        return FileCounts(files.sent + 1, files.same, files.bytes + done.bytes)
    return replace(files, same=files.same + 1) if done.action == "same" else files


def _stage_after(state: StageState, event: Event) -> StageState:
    match event.body:
        case StageStarted():
            started = state.started or event.time
            return replace(state, outcome=StageOutcome.RUNNING, attempts=event.attempt, started=started)
        case StageFinished(outcome, seconds):
            return replace(state, outcome=outcome, seconds=seconds)
        case _:
            return state


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its events tell it so far; folding any prefix of them is valid.

    `outcome` is None while the run goes on; a history turns a run whose program died into `interrupted`. Without
    `takes_back` and `validates`, numbers of other runs, it is one that deploys.
    """

    run: int = 0
    plan: str = ""
    priority: int = 0
    takes_back: int = 0
    validates: int = 0
    environments: Mapping[str, EnvironmentState] = field(default_factory=dict)
    submitted: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    outcome: Outcome | None = None
    last_seq: int = 0

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that its environments go through."""
        return LOOKING if self.validates else tuple(Stage)

    def after(self, event: Event) -> RunState:
        """This state with one more event."""
        state = replace(self, run=event.run, last_seq=event.seq)
        if event.environment:
            known = state.environments.get(event.environment, EnvironmentState(event.environment))
            return replace(state, environments={**state.environments, event.environment: known.after(event)})
        return state._after_run_event(event.body, event.time)

    def after_all(self, events: Iterable[Event]) -> RunState:
        """This state with more events, in one pass: what `after` gives for each in turn."""
        state, changed = self, dict[str, EnvironmentState]()
        for event in events:
            if event.environment:
                known = changed.get(event.environment) or state.environments.get(event.environment)
                changed[event.environment] = (known or EnvironmentState(event.environment)).after(event)
                last = event
            else:
                state = replace(state, environments={**state.environments, **changed}).after(event)
                changed = {}
        if changed:
            environments = {**state.environments, **changed}
            state = replace(state, environments=environments, run=last.run, last_seq=last.seq)
        return state

    def _after_run_event(self, body: Body, moment: datetime) -> RunState:
        match body:
            case RunSubmitted(plan, environments, priority, takes_back, validates):
                fresh = {name: self.environments.get(name, EnvironmentState(name)) for name in environments}
                merged = {**fresh, **{name: each for name, each in self.environments.items() if name not in fresh}}
                known = replace(self, plan=plan, priority=priority, takes_back=takes_back, validates=validates)
                return replace(known, environments=merged, submitted=moment)
            case RunStarted():
                return replace(self, started=moment)
            case RunFinished(outcome):
                ended = {name: each.interrupted(moment) for name, each in self.environments.items()}
                return replace(self, environments=ended, outcome=outcome, finished=moment)
            case _:
                return self

    def summary(self) -> tuple[EnvironmentSummary, ...]:
        """All environments as `run_finished` lists them."""
        return tuple(each.summary() for each in self.environments.values())


def fold(events: Iterable[Event]) -> RunState:
    """The state after `events` of one run."""
    return RunState().after_all(events)
