"""A run as one HTML file: no script, nothing loaded from elsewhere, all foreign text escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from kdeploy_gui import __version__, resources
from kdeploy_gui.model.event import (
    CheckDone,
    DependencyDone,
    Event,
    FileDone,
    InstrumentState,
    RetryScheduled,
    StageStarted,
)
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.run import EnvironmentState, RunState, fold
from kdeploy_gui.model.splat import Splat, SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.model.visible import visible_lines

FILES_SHOWN = 500
"""Files listed per environment; the rest is counted."""
SYMBOLS: Mapping[StrEnum, str] = {
    Status.COMPLETED: "✓",
    Status.FAILED: "✗",
    Status.CANCELLED: "■",
    Status.INTERRUPTED: "!",
    Status.PENDING: "·",
    StageOutcome.PENDING: "·",
    StageOutcome.RUNNING: "▸",
    StageOutcome.SUCCEEDED: "✓",
    StageOutcome.FAILED: "✗",
    StageOutcome.CANCELLED: "■",
    Outcome.SUCCEEDED: "✓",
    Outcome.FAILED: "✗",
    Outcome.CANCELLED: "■",
    Outcome.INTERRUPTED: "!",
}


@dataclass(frozen=True, slots=True)
class Retry:
    """A stage that was run again."""

    stage: str
    attempt: int
    body: RetryScheduled


@dataclass(slots=True)
class SplatRow:
    """The first kernel report of a title, the stage it came in, and how many there were."""

    splat: Splat
    stage: str
    count: int = 0


@dataclass(slots=True)
class Detail:
    """What the fold of a run does not keep of one environment; of repeated attempts the last one counts."""

    state: EnvironmentState
    files: dict[str, FileDone] = field(default_factory=dict)
    dependencies: dict[str, DependencyDone] = field(default_factory=dict)
    instruments: dict[str, InstrumentState] = field(default_factory=dict)
    checks: list[CheckDone] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    splats: dict[str, SplatRow] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take one event of this environment."""
        match event.body:
            case StageStarted() if event.stage is Stage.VALIDATING:
                self.checks.clear()
            case FileDone(path):
                self.files[path] = event.body
            case DependencyDone(dependency):
                self.dependencies[dependency] = event.body
            case InstrumentState(instrument):
                self.instruments[instrument] = event.body
            case CheckDone():
                self.checks.append(event.body)
            case SplatSeen(splat):
                row = self.splats.setdefault(splat.title, SplatRow(splat, event.stage.label if event.stage else ""))
                row.count += 1
            case RetryScheduled():
                self.retries.append(Retry(event.stage.label if event.stage else "", event.attempt, event.body))
            case _:
                pass

    @property
    def files_shown(self) -> list[FileDone]:
        """The files that are listed: those that changed first."""
        return sorted(self.files.values(), key=lambda each: (each.action == "same", each.path))[:FILES_SHOWN]


def render(events: Sequence[Event], now: datetime | None = None) -> str:
    """The report of a run, ended or not, from its events."""
    state = fold(events)
    details = {name: Detail(each) for name, each in state.environments.items()}
    for event in events:
        if event.environment:
            details[event.environment].add(event)
    return (
        _templates()
        .get_template("run.html.j2")
        .render(
            run=state,
            details=list(details.values()),
            failures=[each for each in state.environments.values() if each.error],
            counts=counts(state),
            stages=list(Stage),
            version=__version__,
            now=now or datetime.now(UTC),
        )
    )


def counts(state: RunState) -> list[tuple[str, int]]:
    """READY, failed and so on, without those that are zero; READY always."""
    everyone = state.environments.values()
    by_status = Counter(each.status.value if each.status.is_final else "running" for each in everyone)
    ready = sum(each.ready for each in everyone)
    not_ready = by_status.pop(Status.COMPLETED.value, 0) - ready
    rest = [(word, number) for word, number in sorted(by_status.items())]
    return [("READY", ready), *([("completed, not READY", not_ready)] if not_ready > 0 else []), *rest]


def _templates() -> Templates:
    templates = Templates(
        loader=FileSystemLoader(resources.ROOT / "reports"),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(duration=duration, size=size, moment=_moment, symbol=_symbol, label=_label, prose=_prose)
    return templates


def _harmless(value: object) -> object:
    """Foreign text with its control characters visible; jinja escapes what this returns."""
    return visible_lines(value) if type(value) is str else value


def _moment(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def _symbol(state: Status | StageOutcome | Outcome | None) -> str:
    return SYMBOLS.get(state, "▸") if state else "▸"


def _label(status: str) -> str:
    """A status or stage as people read it."""
    return Stage(status).label if status in set(Stage) else status


def _prose(text: str) -> list[tuple[bool, str]]:
    """The parts of a remedy and whether each is something to type: it stood between backticks."""
    return [(place % 2 == 1, part) for place, part in enumerate(text.split("`")) if part]
