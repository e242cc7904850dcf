"""One stage of a log: its events in words, its output, and the line that stands for all of it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kdeploy_gui.model.event import (
    CheckDone,
    DependencyDone,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    OutputAppended,
    RetryScheduled,
    StageFinished,
    StageProgress,
    StageStarted,
)
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.stage import Stage, StageOutcome
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.log.lines import LineIndex
from kdeploy_gui.ui.log.narrate import Note, plural, progress_words
from kdeploy_gui.ui.states import Condition

Address = tuple[int, int, int]
"""Group, block in it, place in that: a note's number or the offset at which a line begins."""

_CONDITIONS = {
    StageOutcome.PENDING: Condition.QUEUED,
    StageOutcome.RUNNING: Condition.RUNNING,
    StageOutcome.SUCCEEDED: Condition.DONE,
    StageOutcome.FAILED: Condition.FAILED,
    StageOutcome.CANCELLED: Condition.CANCELLED,
}


@dataclass(slots=True)
class Notes:
    """Events in words; their place is their number."""

    notes: list[Note] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.notes)

    def place(self, row: int) -> int:
        """The place of a row."""
        return row

    def index(self, place: int) -> int:
        """The row of a place."""
        return place

    def time(self, place: int) -> datetime:
        """When it happened."""
        return self.times[place]


class Output:
    """Output that came in one stretch; the place of a line is the offset at which it begins."""

    def __init__(self, offset: int) -> None:
        self.lines = LineIndex(offset)
        self.expected = offset
        """Where it ends as far as events tell."""
        self.begins = array("Q")
        self.moments = array("d")

    def __len__(self) -> int:
        return len(self.lines)

    def append(self, body: OutputAppended, time: datetime) -> None:
        """More of it is stored."""
        self.begins.append(body.offset)
        self.moments.append(time.timestamp())
        self.expected = body.offset + body.length

    def place(self, row: int) -> int:
        """The place of a row."""
        return self.lines.starts[row]

    def index(self, place: int) -> int:
        """The row of a place."""
        return self.lines.line_at(place)

    def bounds(self, place: int) -> tuple[int, int]:
        """Where the line at a place begins and ends."""
        return self.lines.place(self.lines.line_at(place))

    def time(self, place: int) -> datetime:
        """When the first byte of a line came."""
        return datetime.fromtimestamp(self.moments[max(0, bisect_right(self.begins, place) - 1)], UTC)


class Group:
    """A stage, or what happened outside any. `open` None: as its outcome asks."""

    def __init__(self, stage: Stage | None) -> None:
        self.stage = stage
        self.blocks: list[Notes | Output] = []
        self.outcome = StageOutcome.PENDING
        self.seconds = 0.0
        self.open: bool | None = None
        self._now = ""
        self._stopped = ""
        self._retrying = False
        self._done: Counter[str] = Counter()

    @property
    def is_there(self) -> bool:
        """Whether anything of it has happened."""
        return self.outcome is not StageOutcome.PENDING or bool(self.blocks)

    def append_notes(self, time: datetime, notes: Sequence[Note]) -> None:
        """Add lines of one event."""
        if not notes:
            return
        if not self.blocks or not isinstance(self.blocks[-1], Notes):
            self.blocks.append(Notes())
        block = self.blocks[-1]
        if isinstance(block, Notes):
            block.times.extend(time for _ in notes)
            block.notes.extend(notes)

    def append_output(self, body: OutputAppended, time: datetime) -> None:
        """Add output; what follows the last stretch without anything between belongs to it."""
        last = self.blocks[-1] if self.blocks else None
        if not isinstance(last, Output) or last.expected != body.offset:
            last = Output(body.offset)
            self.blocks.append(last)
        last.append(body, time)

    def note(self, event: Event) -> None:
        """Bring its header up to date."""
        match event.body:
            case EnvironmentQueued(position, waiting_for):
                self._now = visible(waiting_for) or f"Position {position}"
            case StageStarted():
                self.outcome = StageOutcome.RUNNING
                self._retrying = event.attempt > 1
                self._now = f"Attempt {event.attempt}" if self._retrying else ""
            case StageProgress():
                self._now = progress_words(event.body)
            case RetryScheduled(in_s, because):
                self._retrying = True
                self._stopped = visible(because.message)
                self._now = f"Trying again in {duration(in_s)}: {self._stopped}"
            case StageFinished(outcome, seconds):
                self.outcome, self.seconds = outcome, seconds
            case FileDone(action=action):
                self._done["files same" if action == "same" else "files changed"] += 1
            case DependencyDone(action=action):
                self._done[f"dependencies {action}"] += 1
            case InstrumentState(on=on):
                self._done["instruments"] += 1
                self._done["instruments on"] += on == "yes"
            case CheckDone(ok=ok):
                self._done["checks"] += 1
                self._done["checks passed"] += ok
            case FactFound(name="kernel", value=value):
                self._now = visible(value)
            case _:
                pass

    def stop(self, message: str) -> None:
        """What the stage ended with."""
        self._stopped = visible(message)

    @property
    def said(self) -> str:
        """What it did, does or stopped at, in a few words."""
        if self.outcome is StageOutcome.FAILED:
            return f"Stopped: {self._stopped}" if self._stopped else "Stopped"
        if self.outcome is not StageOutcome.SUCCEEDED:
            return self._now
        return ", ".join(filter(None, (self._files(), self._dependencies(), self._instruments(), self._checks())))

    def condition(self, environment_ended: bool) -> Condition:
        """Its state; one that was running when everything ended was interrupted."""
        if self.outcome in (StageOutcome.PENDING, StageOutcome.RUNNING) and environment_ended:
            return Condition.NOT_RUN if self.outcome is StageOutcome.PENDING else Condition.INTERRUPTED
        if self.outcome is StageOutcome.RUNNING and self._retrying:
            return Condition.RETRYING
        return _CONDITIONS[self.outcome]

    def _files(self) -> str:
        changed, same = self._done["files changed"], self._done["files same"]
        if changed and same:
            return f"{plural(changed, 'file')} sent and {same:,} same"
        return f"{plural(changed, 'file')} sent" if changed else f"{plural(same, 'file')} same" if same else ""

    def _dependencies(self) -> str:
        counts = ((self._done[f"dependencies {word}"], word) for word in ("present", "installed", "missing"))
        return ", ".join(f"{plural(number, 'dependency')} {word}" for number, word in counts if number)

    def _instruments(self) -> str:
        total = self._done["instruments"]
        return f"{self._done['instruments on']} of {plural(total, 'instrument')} on" if total else ""

    def _checks(self) -> str:
        total = self._done["checks"]
        return f"{self._done['checks passed']} of {plural(total, 'check')} passed" if total else ""
