"""What a history can be asked, and what it answers about runs and failures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.stage import Outcome, Stage


class RunField(Enum):
    """What of a run a term looks at."""

    TEXT = "text"
    ENVIRONMENT = "env"
    PLAN = "plan"
    STATUS = "status"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class RunTerm:
    """One condition. TEXT is sought in plan, environments and errors, as a regular expression with `is_regex`.

    ENVIRONMENT, PLAN and CODE are whole names in which `*` stands for anything; case is ignored. STATUS is an outcome
    or `running`.
    """

    field: RunField
    value: str
    negated: bool = False
    is_regex: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs: those with this environment, outcome (`running` too), since when, with this text; newest first.

    Every one of `terms` must hold as well. `before` is the run number to go on from (exclusive, 0: from the newest),
    `limit` how many at most.
    """

    environment: str = ""
    status: str = ""
    since: datetime | None = None
    search: str = ""
    terms: tuple[RunTerm, ...] = ()
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class FailedEnvironment:
    """An environment that failed in a run, and the code of its error."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class RetriedEnvironment:
    """An environment of which a stage took more than one attempt, and how many it took at most."""

    name: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run in a list; `outcome` None: it goes on."""

    run: int
    plan: str
    submitted: datetime
    finished: datetime | None
    outcome: Outcome | None
    environments: tuple[str, ...]
    ready: int
    failed: tuple[FailedEnvironment, ...] = ()
    retried: tuple[RetriedEnvironment, ...] = ()


@dataclass(frozen=True, slots=True)
class RunCount:
    """How many runs match, of how many."""

    matching: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """How one environment failed in one run. `solved_by` is the next run in which it completed, 0: there is none."""

    run: int
    plan: str
    time: datetime
    environment: str
    failure: Failure
    attempts: int = 1
    solved_by: int = 0
    solved: datetime | None = None


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took where it succeeded: half of the times are within `half` seconds, 95 % within `most`."""

    stage: Stage
    half: float
    most: float


def stage_times(seconds: Iterable[tuple[Stage, float]]) -> tuple[StageTime, ...]:
    """The spread of times by stage, in the order of stages."""
    found: dict[Stage, list[float]] = {}
    for stage, each in seconds:
        found.setdefault(stage, []).append(each)
    ordered = ((stage, sorted(found[stage])) for stage in Stage if stage in found)
    return tuple(
        StageTime(stage, times[len(times) // 2], times[-(-len(times) * 19 // 20) - 1]) for stage, times in ordered
    )


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Stored output of one environment in one stage."""

    run: int
    environment: str
    stage: Stage | None
    offset: int
    data: bytes
