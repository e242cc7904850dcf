"""The six stages with what they looked at and did, as rows of words. Pure: events and state in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kdeploy_gui.model.event import CheckDone, DependencyDone, Event, FileDone, InstrumentState, RetryScheduled
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.run import EnvironmentState, StageState
from kdeploy_gui.model.stage import Stage, StageOutcome
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.log.narrate import elapsed, progress_words
from kdeploy_gui.ui.states import Condition, condition_of_stage

FILES = {
    "sent": (Condition.DONE, "Sent"),
    "same": (Condition.SAME, "Same"),
    "mode": (Condition.CHANGED, "Mode set"),
    "removed": (Condition.CHANGED, "Removed"),
}
DEPENDENCIES = {
    "present": (Condition.SAME, "Present"),
    "installed": (Condition.DONE, "Installed"),
    "missing": (Condition.FAILED, "Missing"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One row: what it is, its state, and what was found; for a stage also when and how often."""

    name: str
    condition: Condition
    word: str
    detail: str = ""
    started: datetime | None = None
    took: str = ""
    attempts: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        clock = f"{self.started.astimezone():%H:%M:%S}" if self.started else ""
        return self.name, self.word, clock, self.took, self.attempts, self.detail


@dataclass(slots=True)
class Step:
    """A stage and what it looked at; `places` says where each part is."""

    stage: Stage
    item: Item
    parts: list[Item] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)


def stage_item(stage: StageState, state: EnvironmentState, now: datetime) -> Item:
    """The row of a stage."""
    condition = condition_of_stage(stage, state)
    running = stage.outcome is StageOutcome.RUNNING and not state.status.is_final
    seconds = (now - stage.started).total_seconds() if running and stage.started else stage.seconds
    return Item(
        name=f"{list(Stage).index(stage.stage) + 1} {stage.stage.label[:1].upper()}{stage.stage.label[1:]}",
        condition=condition,
        word=condition.word,
        detail=_action(stage, state, running),
        started=stage.started,
        took=elapsed(seconds) if stage.started and (running or stage.seconds) else "",
        attempts=str(stage.attempts or ""),
    )


def _action(stage: StageState, state: EnvironmentState, running: bool) -> str:
    if running:
        note = "" if state.note == stage.stage.label else visible(state.note)
        progress = progress_words(state.progress) if state.progress.total else ""
        return ", ".join(dict.fromkeys(filter(None, (progress, note))))
    if stage.outcome is StageOutcome.FAILED and state.error is not None:
        return visible(f"{state.error.message} ({state.error.code})")
    if stage.stage is Stage.PREPARING and state.queued is not None:
        return visible(state.queued.waiting_for) or f"Queued, position {state.queued.position}"
    return ""


def parts_of(events: Iterable[Event]) -> Iterable[tuple[Stage, str, Item]]:
    """What events tell of the parts of stages: stage, a key, and the newest row of that key."""
    for event in events:
        if event.stage is not None:
            item = _part(event)
            if item is not None:
                yield event.stage, f"{type(event.body).__name__} {item.name}", item


def _part(event: Event) -> Item | None:
    match event.body:
        case FileDone(path, action, length):
            condition, word = FILES.get(action, (Condition.DONE, visible(action)))
            return Item(visible(path), condition, word, size(length) if action == "sent" else "", event.time)
        case DependencyDone(dependency, action, found, wanted, required, note):
            condition, word = DEPENDENCIES.get(action, (Condition.UNKNOWN, visible(action)))
            condition = Condition.WARNING if action == "missing" and not required else condition
            detail = ", ".join(filter(None, (found, f"wanted {wanted}" if wanted else "", note)))
            return Item(visible(dependency), condition, word, visible(detail), event.time)
        case InstrumentState():
            return _instrument(event.body, event.time)
        case CheckDone(check, ok, value, limit):
            word = "Passed" if ok else "Failed"
            name = check[:1].upper() + check[1:].replace("_", " ")
            condition = Condition.DONE if ok else Condition.FAILED
            detail = ". ".join(filter(None, (f"{value} ({limit})", event.body.help)))
            return Item(visible(name), condition, word, visible(detail), event.time)
        case RetryScheduled(in_s, because):
            detail = visible(f"{because.message} ({because.code}). Tried again after {duration(in_s)}.")
            return Item(f"Attempt {event.attempt}", Condition.RETRYING, "Failed", detail, event.time)
        case _:
            return None


STATES = {State.OFF.value: Condition.SHUT_OFF, State.SPENT.value: Condition.SPENT}
"""States of instruments that the matrix alone does not tell apart."""


def _instrument(body: InstrumentState, moment: datetime) -> Item:
    condition = {"yes": Condition.ON, "no": Condition.ABSENT}.get(body.on, Condition.UNKNOWN)
    condition = STATES.get(body.state, condition)
    if body.on == "yes" and body.proven == "yes":
        condition = Condition.PROVEN
    word = "Off" if condition is Condition.SHUT_OFF else condition.word
    if body.wanted == "required" and body.on != "yes":
        condition = Condition.FAILED
    states = f"built in {body.built_in}, reachable {body.reachable}"
    detail = visible(". ".join(filter(None, (f"{body.wanted}, {states}", body.note, body.remedy))))
    return Item(visible(body.instrument), condition, word, detail, moment)


def differing(before: Sequence[str], after: Sequence[str]) -> range:
    """The columns from the first to the last that differ."""
    changed = [column for column, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    return range(changed[0], changed[-1] + 1) if changed else range(0)
