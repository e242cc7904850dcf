"""What happened, in order: the only thing that travels upwards.

An `Event` is a header (sequence number, time, run, environment, stage, attempt) and one body. The bodies' names in
snake case are the event types of `--json`, the history and the event stream.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.instrument import Reading, State
from kdeploy_gui.model.splat import SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

type_pattern = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class RunSubmitted:
    """A plan was accepted. It deploys nothing where it `takes_back` a run, or `validates` one again."""

    plan: str
    environments: tuple[str, ...]
    priority: int = 0
    takes_back: int = 0
    validates: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run's first environment may start."""


@dataclass(frozen=True, slots=True)
class EnvironmentQueued:
    """An environment waits; `position` counts from 1, `waiting_for` says for what."""

    position: int
    waiting_for: str = ""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """An attempt at a stage begins."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage is; `total` 0: not known."""

    done: int
    total: int
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FactFound:
    """Something learnt about the target."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class TargetRebooted:
    """The machine booted again, and nobody in this run had asked for it; boot ids before and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file of the plan is as declared; `action`: sent, same, mode (only mode or owner were set) or removed."""

    path: str
    action: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DependencyDone:
    """A dependency was looked at; `action`: present, installed, missing. `note` says why it is missing."""

    dependency: str
    action: str
    found: str = ""
    wanted: str = ""
    required: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class InstrumentState:
    """An instrument's row of the matrix; `built_in` to `proven` are yes, no or unknown, and hold for one boot.

    `note` says what is the matter, `remedy` what would bring it; `evidence` is what was read, and where.
    """

    instrument: str
    wanted: str
    built_in: str = "unknown"
    reachable: str = "unknown"
    on: str = "unknown"
    proven: str = "unknown"
    note: str = ""
    state: str = State.UNKNOWN.value
    remedy: str = ""
    boot_id: str = ""
    evidence: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class InstrumentSwitched:
    """A switch of the running kernel was thrown, or, with `back`, taken back; `because` says why it could not be.

    `before` and `after` are what was read there. `undo` is what takes it back; empty: what was read before. With
    `mount` it is a file system of that type.
    """

    path: str
    before: str
    after: str
    boot_id: str = ""
    undo: str = ""
    mount: str = ""
    back: bool = False
    because: str = ""

    @property
    def words(self) -> str:
        """What was done, in one line."""
        if self.because:
            return f"{self.path} was not switched back: {self.because}"
        if self.mount:
            return f"{self.mount} {'unmounted from' if self.back else 'mounted at'} {self.path}"
        return f"{self.path} switched{' back' if self.back else ''} from '{self.before}' to '{self.after}'"


@dataclass(frozen=True, slots=True)
class CheckDone:
    """A readiness check with what was found and what was allowed.

    A failed one has a `code`, the `evidence` for its value (what was read where, what a tool said), and a `remedy`.
    """

    check: str
    ok: bool
    value: str
    limit: str
    evidence: str = ""
    code: str = ""
    remedy: str = ""

    @property
    def subject(self) -> str:
        """What it is about besides its kind: a path, a tool, an option; empty where there is one of its kind alone."""
        return self.check.partition(" ")[2]

    @property
    def help(self) -> str:
        """What is known beyond value and limit, in one line: the evidence, and what would help."""
        return " ".join(filter(None, (f"Evidence: {self.evidence}." if self.evidence else "", self.remedy)))


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The stage failed and runs again after `in_s` seconds."""

    in_s: float
    because: Failure


class Channel(StrEnum):
    """Where output came from: commands and the kernel's log over the connection, or the serial console."""

    OUTPUT = "output"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class OutputAppended:
    """`length` bytes of output were stored at `offset` of the environment's log of that channel."""

    offset: int
    length: int
    channel: Channel = Channel.OUTPUT


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ended; `seconds` over all attempts."""

    outcome: StageOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class RollbackDone:
    """What run `of` placed was taken back, or, with `because`, could not be: files restored and files removed.

    With `snapshot` the whole guest is back at it.
    """

    of: int
    restored: int = 0
    removed: int = 0
    because: str = ""
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class ReadinessChanged:
    """The environment's READY mark was set or dropped."""

    ready: bool
    because: str


@dataclass(frozen=True, slots=True)
class EnvironmentFinished:
    """Nothing more happens to this environment in this run."""

    status: Status
    ready: bool
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage in a summary."""

    stage: Stage
    outcome: StageOutcome
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Files of one environment by what was done; `bytes` counts what was sent."""

    sent: int = 0
    same: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentSummary:
    """One environment in the summary of a run."""

    name: str
    status: Status
    ready: bool
    seconds: float
    stages: tuple[StageSummary, ...] = ()
    files: FileCounts = field(default_factory=FileCounts)
    error: Failure | None = None
    failed_checks: tuple[CheckDone, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ended."""

    outcome: Outcome
    environments: tuple[EnvironmentSummary, ...] = ()


Body = (
    RunSubmitted
    | RunStarted
    | EnvironmentQueued
    | StageStarted
    | StageProgress
    | FactFound
    | TargetRebooted
    | FileDone
    | DependencyDone
    | InstrumentState
    | InstrumentSwitched
    | CheckDone
    | SplatSeen
    | RetryScheduled
    | OutputAppended
    | StageFinished
    | RollbackDone
    | ReadinessChanged
    | EnvironmentFinished
    | RunFinished
)


def type_of(body: type[Body]) -> str:
    """`StageStarted` -> `stage_started`."""
    return type_pattern.sub("_", body.__name__).lower()


BODY_TYPES: Mapping[str, type[Body]] = {type_of(each): each for each in Body.__args__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One body with its header. `seq` is gapless per run and starts at 1; `time` is UTC; `attempt` starts at 1."""

    seq: int
    time: datetime
    run: int
    body: Body
    environment: str = ""
    stage: Stage | None = None
    attempt: int = 0

    @property
    def type(self) -> str:
        """The event type of the contract."""
        return type_of(type(self.body))


Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json(value: object) -> Json:
    """A frozen value of this package as JSON: dataclasses to objects, enums to their values.

    Raises TypeError for anything else.
    """
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, tuple | list):
        return [to_json(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_to_json(event: Event) -> dict[str, Json]:
    """An event as one flat object: header fields that apply, then the body's."""
    flat: dict[str, Json] = {
        "seq": event.seq,
        "time": timestamp(event.time),
        "run": event.run,
        "type": event.type,
    }
    if event.environment:
        flat["environment"] = event.environment
    if event.stage is not None:
        flat["stage"] = event.stage.value
        flat["attempt"] = event.attempt
    body = to_json(event.body)
    if isinstance(body, dict):
        flat.update(body)
    return flat
