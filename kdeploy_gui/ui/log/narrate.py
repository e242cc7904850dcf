"""Every event in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    InstrumentSwitched,
    OutputAppended,
    ReadinessChanged,
    RetryScheduled,
    RollbackDone,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.splat import SplatSeen
from kdeploy_gui.model.stage import StageOutcome, Status
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.log.ansi import clean

SHOWN_FAILURE_LINES = 200


class Level(Enum):
    """How much a line asks to be read."""

    PLAIN = "plain"
    ATTENTION = "attention"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Note:
    """One line about an event."""

    text: str
    level: Level = Level.PLAIN


def narrate(event: Event) -> tuple[Note, ...]:
    """What an event says, one line a note; nothing for what is shown elsewhere."""
    match event.body:
        case StageStarted():
            return (Note(f"Attempt {event.attempt}", Level.ATTENTION),) if event.attempt > 1 else ()
        case EnvironmentFinished(status, ready, error):
            return (_end(status, ready, error),)
        case RetryScheduled(in_s, because):
            text = f"{because.message} ({because.code}). Trying again in {duration(in_s)}."
            return (Note(visible(text), Level.ATTENTION),)
        case body:
            text = _of_run(body) or _of_stage(body)
            return (Note(visible(text), _level(body)),) if text else ()


def narrate_failure(failure: Failure) -> tuple[Note, ...]:
    """A failure with all that is known about it: what happened, what is on the target, what to do, the evidence."""
    lines = [f"{failure.message} ({failure.code})", failure.on_target, failure.remedy]
    if failure.evidence.command:
        status = failure.evidence.exit_status
        ended = "did not end" if status is None else f"ended with status {status}"
        lines.append(f"{failure.evidence.command} {ended}")
    said = failure.evidence.stderr.split("\n")[-SHOWN_FAILURE_LINES:]
    if failure.evidence.console:
        said += ["last lines of the serial console:", *failure.evidence.console.split("\n")[-SHOWN_FAILURE_LINES:]]
    texts = [clean(part).text for line in lines for part in line.split("\n")]
    texts += [clean(line).text for line in said]
    return tuple(Note(text, Level.PROBLEM) for text in texts if text.strip())


def progress_words(progress: StageProgress) -> str:
    """How far a stage is."""
    if not progress.total:
        return visible(progress.note)
    if progress.unit == "bytes":
        return f"{size(progress.done)} of {size(progress.total)}"
    return visible(f"{progress.done} of {progress.total} {progress.unit}".rstrip())


def elapsed(seconds: float) -> str:
    """A duration as a clock shows it: `0:28`, `12:05`, from an hour on `2 h 20 min`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60}:{whole % 60:02}"


def plural(number: int, noun: str) -> str:
    """`1 file`, `3 files`, `2 dependencies`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def _of_run(body: Body) -> str:
    match body:
        case RunSubmitted(plan, environments):
            return f"{plan} was submitted for {plural(len(environments), 'environment')}"
        case RunStarted():
            return "The run started"
        case RunFinished(outcome):
            return f"The run ended: {outcome}"
        case EnvironmentQueued(position, waiting_for):
            return f"Waiting: {waiting_for}" if waiting_for else f"Queued, position {position}"
        case OutputAppended():
            return ""
        case _:
            return ""


def _of_stage(body: Body) -> str:
    match body:
        case StageProgress(0, _, _, note) if note:
            return note[:1].upper() + note[1:]
        case FactFound(name, value):
            return f"{name.replace('_', ' ')}: {value}"
        case TargetRebooted(before, after):
            return f"Target rebooted (boot id changed from {before} to {after}); what was done before is verified again"
        case FileDone(path, action, length):
            return _FILES.get(action, "{action} {path}").format(action=action, path=path, size=size(length))
        case DependencyDone(dependency, action, found, wanted, required, note):
            wish = f", wanted {wanted}" if wanted else ""
            state = f"{dependency} {action}{f', {found}' if found else ''}{wish}{'' if required else ' (optional)'}"
            return f"{state}: {note}" if note else state
        case InstrumentState(instrument, wanted, built_in, reachable, on, proven, note):
            states = f"built in {built_in}, reachable {reachable}, on {on}, proven {proven}"
            return f"{instrument} ({wanted}): {states}{f'. {note}' if note else ''}"
        case InstrumentSwitched():
            return body.words
        case CheckDone(check, ok, value, limit):
            said = f"Check {check.replace('_', ' ')} {'passed' if ok else 'failed'}: {value} ({limit})"
            return f"{said}. {body.help}" if body.help else said
        case SplatSeen(splat):
            return f"Kernel: {splat.words}"
        case RollbackDone(of, restored, removed, because, snapshot):
            done = f"back at the snapshot {snapshot}" if snapshot else f"{restored} files restored, {removed} removed"
            return f"Run {of} was not taken back: {because}" if because else f"Run {of} was taken back: {done}"
        case ReadinessChanged(ready, because):
            return f"{'READY' if ready else 'Not READY'}: {because}"
        case StageFinished(outcome, seconds):
            return f"{_ENDS[outcome]} after {duration(seconds)}"
        case _:
            return ""


_FILES = {
    "sent": "Sent {path}, {size}",
    "same": "Same on the target: {path}",
    "mode": "Set mode and owner of {path}",
    "removed": "Removed {path}",
}
_ENDS = {
    StageOutcome.SUCCEEDED: "Done",
    StageOutcome.FAILED: "Failed",
    StageOutcome.CANCELLED: "Cancelled",
    StageOutcome.RUNNING: "Still running",
    StageOutcome.PENDING: "Pending",
}


def _level(body: Body) -> Level:
    match body:
        case CheckDone(ok=False) | SplatSeen(fails=True) | StageFinished(StageOutcome.FAILED):
            return Level.PROBLEM
        case DependencyDone(action="missing", required=required):
            return Level.PROBLEM if required else Level.ATTENTION
        case InstrumentState(wanted="required", on="no" | "unknown"):
            return Level.PROBLEM
        case InstrumentSwitched(because=because) if because:
            return Level.ATTENTION
        case SplatSeen(splat):
            return Level.ATTENTION if splat.counts else Level.PLAIN
        case (
            RollbackDone()
            | ReadinessChanged(ready=False)
            | TargetRebooted()
            | FactFound(name="rebooted")
            | StageFinished(StageOutcome.CANCELLED)
        ):
            return Level.ATTENTION
        case FactFound(name=name) if name.startswith("warning"):
            return Level.ATTENTION
        case _:
            return Level.PLAIN


def _end(status: Status, ready: bool, error: Failure | None) -> Note:
    word = {
        Status.COMPLETED: "Ready" if ready else "Done, not READY",
        Status.FAILED: "Failed",
        Status.CANCELLED: "Cancelled",
        Status.INTERRUPTED: "Interrupted",
    }.get(status, str(status))
    level = {Status.COMPLETED: Level.PLAIN, Status.FAILED: Level.PROBLEM}.get(status, Level.ATTENTION)
    return Note(visible(f"{word}: {error.message}" if error else word), level)
