"""Every state the window shows: its one word, its icon and its colour token."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from kdeploy_gui.errors import Category
from kdeploy_gui.model.run import EnvironmentState, StageState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status


class Condition(Enum):
    """A state of an environment, stage, plan row, check or instrument; members are (word, icon, token)."""

    READY = ("Ready", "check-circle", "ready")
    SUCCEEDED = ("Succeeded", "check-circle", "ready")
    DONE = ("Done", "check", "ready")
    RUNNING = ("Running", "circle-slice-4", "running")
    RETRYING = ("Retrying", "refresh", "retry")
    WAITING = ("Waiting", "timer-sand", "wait")
    QUEUED = ("Queued", "timer-sand", "wait")
    FAILED = ("Failed", "close-octagon", "failed")
    NOT_READY = ("Not ready", "alert-circle-outline", "retry")
    NOT_TRUSTED = ("Not trusted", "key-alert", "failed")
    UNREACHABLE = ("Unreachable", "lan-disconnect", "wait")
    SHUT_OFF = ("Shut off", "power", "wait")
    PENDING = ("Pending", "circle-outline", "t3")
    CANCELLED = ("Cancelled", "stop-circle-outline", "wait")
    INTERRUPTED = ("Interrupted", "lightning-bolt-circle", "retry")
    UNKNOWN = ("Unknown", "help-circle-outline", "wait")
    CHECKING = ("Checking", "circle-slice-3", "running")
    PLANNING = ("Planning", "circle-slice-3", "running")
    NOT_RUN = ("Not run", "minus", "t3")
    NOT_TRIED = ("Not tried", "minus", "t3")
    ABSENT = ("Absent", "minus", "t3")
    REFUSED = ("Refused", "cancel", "failed")
    NEW = ("New", "plus", "ready")
    CHANGED = ("Changed", "pencil", "running")
    SAME = ("Same", "equal", "t3")
    INSTALL = ("Install", "tray-arrow-down", "running")
    ENABLE = ("Enable", "power", "running")
    REBOOT = ("Reboot", "restart", "retry")
    ON = ("On", "check", "ready")
    ACTIVE = ("Active", "check", "ready")
    PROVEN = ("Proven", "check-decagram", "ready")
    SPENT = ("Spent", "battery-off-outline", "retry")
    OFF = ("Off", "minus", "t3")
    WANTED = ("Wanted", "check", "ready")
    REQUIRED = ("Required", "alert-circle-outline", "t1")
    WARNING = ("Warning", "alert-outline", "retry")
    INFORMATION = ("Information", "information-outline", "running")
    SPLAT = ("Splat", "bug", "failed")
    OK = ("OK", "check-circle", "ready")
    ATTENTION = ("Needs attention", "alert-circle", "retry")
    OPTIONAL = ("Optional", "minus", "t3")

    @property
    def word(self) -> str:
        """The only word for this state."""
        return self.value[0]

    @property
    def icon(self) -> str:
        """The glyph, without a prefix."""
        return self.value[1]

    @property
    def token(self) -> str:
        """The colour token of the icon."""
        return self.value[2]

    @property
    def emphasised(self) -> bool:
        """Whether the word is drawn in the state's own colour, too."""
        return self in _EMPHASISED

    @property
    def word_token(self) -> str:
        """The colour token of the word."""
        return self.token if self.emphasised else "t2"


_EMPHASISED = frozenset({Condition.FAILED, Condition.REFUSED, Condition.NOT_TRUSTED, Condition.ATTENTION})

CATEGORY_LOOK: Mapping[Category, tuple[str, str]] = {
    Category.CONFIG: ("Configuration", "file-alert-outline"),
    Category.TRUST: ("Trust", "key-alert"),
    Category.AUTH: ("Login", "lock-alert-outline"),
    Category.NET: ("Network", "lan-disconnect"),
    Category.TARGET: ("Target", "developer-board"),
    Category.ARTIFACT: ("Artifact", "package-variant-remove"),
    Category.VM: ("Guest", "monitor-off"),
    Category.LOCAL: ("This computer", "desktop-tower"),
    Category.CANCELLED: ("Cancelled", "stop-circle-outline"),
    Category.BUG: ("Fault in kdeploy", "alert-decagram-outline"),
}
"""Word and icon of an error's category."""

_FINAL = {
    Status.FAILED: Condition.FAILED,
    Status.CANCELLED: Condition.CANCELLED,
    Status.INTERRUPTED: Condition.INTERRUPTED,
}
_OUTCOMES = {
    Outcome.SUCCEEDED: Condition.SUCCEEDED,
    Outcome.FAILED: Condition.FAILED,
    Outcome.CANCELLED: Condition.CANCELLED,
    Outcome.INTERRUPTED: Condition.INTERRUPTED,
}
_STAGE_OUTCOMES = {
    StageOutcome.SUCCEEDED: Condition.DONE,
    StageOutcome.FAILED: Condition.FAILED,
    StageOutcome.CANCELLED: Condition.CANCELLED,
}


def condition_of_outcome(outcome: Outcome | None) -> Condition:
    """The state of a whole run; None while it goes on."""
    return Condition.RUNNING if outcome is None else _OUTCOMES[outcome]


def condition_of(state: EnvironmentState) -> Condition:
    """The state of an environment within a run."""
    if state.status is Status.COMPLETED:
        if state.ready:
            return Condition.READY
        return Condition.NOT_READY if state.readiness else Condition.SUCCEEDED
    if state.status.is_final:
        return _FINAL[state.status]
    if state.status is Status.PENDING:
        return Condition.WAITING if state.note else Condition.PENDING
    running = next((each for each in state.stages if each.stage.value == state.status.value), None)
    if running is not None and running.outcome is StageOutcome.RUNNING and is_retrying(running, state):
        return Condition.RETRYING
    return Condition.RUNNING


def condition_of_stage(stage: StageState, environment: EnvironmentState) -> Condition:
    """The state of one stage of an environment within a run."""
    if stage.outcome in _STAGE_OUTCOMES:
        return _STAGE_OUTCOMES[stage.outcome]
    if stage.outcome is StageOutcome.RUNNING:
        if environment.status.is_final:
            return _FINAL.get(environment.status, Condition.UNKNOWN)
        return Condition.RETRYING if is_retrying(stage, environment) else Condition.RUNNING
    if environment.status.is_final:
        return Condition.NOT_RUN
    first = stage.stage is next(iter(Stage))
    return Condition.QUEUED if first and condition_of(environment) is Condition.WAITING else Condition.PENDING


def is_retrying(stage: StageState, environment: EnvironmentState) -> bool:
    """Whether a running stage is in, or waits for, another attempt."""
    return stage.attempts > 1 or environment.note.startswith("again in ")


def slice_icon(share: float) -> str:
    """The pie for the share of work done, 0 to 1."""
    return f"circle-slice-{min(max(round(share * 8), 1), 7)}"
