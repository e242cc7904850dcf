"""Times and outcomes of runs in the words of the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kdeploy_gui.model.history import FailedEnvironment, RetriedEnvironment, RunRecord
from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Outcome, Status
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.states import Condition, condition_of, condition_of_outcome

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
INTERRUPTED = "The program ended during this run. Retry what failed, or check the machines."


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a cell: a glyph, a text, or both."""

    text: str
    style: Text = Text.CELL
    token: str = "t2"  # noqa: S105 - a colour token
    icon: str = ""
    icon_token: str = ""


def day_text(moment: datetime, now: datetime) -> str:
    """`Today`, `Yesterday`, `Mon 23 Nov`, and the year where it is another one; local time."""
    day, today = moment.astimezone().date(), now.astimezone().date()
    away = (today - day).days
    if away in {0, 1}:
        return ("Today", "Yesterday")[away]
    text = f"{DAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"
    return text if day.year == today.year else f"{text} {day.year}"


def moment_text(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """`Today 14:32`, `Mon 23 Nov 17:31`; local time."""
    return f"{day_text(moment, now)} {clock(moment, seconds=seconds)}"


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """`14:32`; local time."""
    return moment.astimezone().strftime("%H:%M:%S" if seconds else "%H:%M")


def span_text(start: datetime, end: datetime | None, now: datetime) -> str:
    """`Yesterday 16:05:02 to 16:12:23`, with the second day where it is another one."""
    begin = moment_text(start, now, seconds=True)
    if end is None:
        return f"Since {begin[0].lower() if begin[0] in 'TY' else begin[0]}{begin[1:]}"
    same = start.astimezone().date() == end.astimezone().date()
    return f"{begin} to {clock(end, seconds=True) if same else moment_text(end, now, seconds=True)}"


def length_text(seconds: float) -> str:
    """`0:28`, `7:21`, `2 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def run_length(record: RunRecord, now: datetime) -> str:
    """How long a run took, or has taken until now."""
    return length_text(((record.finished or now) - record.submitted).total_seconds())


def ready_text(record: RunRecord) -> str:
    """`11 of 12 ready`, `4 ready so far`."""
    if record.outcome is None:
        return f"{record.ready} ready so far"
    return f"{record.ready} of {len(record.environments)} ready"


def some(names: Sequence[str]) -> str:
    """`am62-sk and 1 more`."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def outcome_pieces(record: RunRecord, state: RunState | None = None) -> tuple[Piece, ...]:
    """How a run ended: icon and word, then codes and environments; `state` tells of a run that goes on."""
    condition = condition_of_outcome(record.outcome)
    token = condition.token if condition in {Condition.RUNNING, Condition.INTERRUPTED} else condition.word_token
    word = Piece(condition.word, Text.HEADER, token, condition.icon, condition.token)
    if record.outcome is None:
        return (word, *([Piece(_going_on(state))] if state is not None else []))
    if record.failed:
        codes = list(dict.fromkeys(each.code for each in record.failed))
        return (
            word,
            Piece(", ".join(codes[:2]) + (f" and {len(codes) - 2} more" if codes[2:] else ""), Text.LOG, "t1"),
            Piece(some([each.name for each in record.failed])),
        )
    if record.outcome is Outcome.INTERRUPTED:
        return (word, Piece("the program ended during this run"))
    if record.outcome is Outcome.SUCCEEDED and record.retried:
        most = max(record.retried, key=lambda each: each.attempts)
        more = f" and {len(record.retried) - 1} more" if record.retried[1:] else ""
        text = f"flaky, {most.name} at try {most.attempts}{more}"
        return (word, Piece(text, Text.CELL, "t2", Condition.RETRYING.icon, Condition.RETRYING.token))
    return (word,)


def _going_on(state: RunState) -> str:
    conditions = [condition_of(each) for each in state.environments.values()]
    counts = {
        "failed": conditions.count(Condition.FAILED),
        "retrying": conditions.count(Condition.RETRYING),
        "waiting": conditions.count(Condition.WAITING),
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def attempts_of(environment: EnvironmentState) -> int:
    """The largest number of attempts at one stage."""
    return max(each.attempts for each in environment.stages)


def record_of(state: RunState) -> RunRecord:
    """A run as the list shows it, from its newest snapshot."""
    everyone = state.environments.values()
    return RunRecord(
        run=state.run,
        plan=state.plan,
        submitted=state.submitted or datetime.now(UTC),
        finished=state.finished,
        outcome=state.outcome,
        environments=tuple(state.environments),
        ready=sum(each.ready for each in everyone),
        failed=tuple(
            FailedEnvironment(each.name, each.error.code if each.error else "")
            for each in everyone
            if each.status is Status.FAILED
        ),
        retried=tuple(RetriedEnvironment(each.name, attempts_of(each)) for each in everyone if attempts_of(each) > 1),
    )
