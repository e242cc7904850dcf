"""Three ways to show a run while it goes on: events as JSON, plain lines, or a live table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kdeploy_gui.cli.look import (
    AGAIN,
    RUNNING,
    STAGE_HEADINGS,
    STAGE_LOOKS,
    STATUS_LOOKS,
    Look,
    Screen,
    cell,
    plain_table,
    status_words,
)
from kdeploy_gui.cli.output import Output, json_line
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.event import (
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    InstrumentSwitched,
    RetryScheduled,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    TargetRebooted,
    event_to_json,
)
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.run import EnvironmentState, RunState, StageState
from kdeploy_gui.model.splat import SplatSeen
from kdeploy_gui.model.stage import StageOutcome, Status
from kdeploy_gui.model.visible import visible

WIDE = 140
"""Columns from which every stage has its own."""
FRAME = 5
"""Lines around the live table's rows."""


class Display(Protocol):
    """Shows a run as it goes on."""

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """New events, maybe none, and the state after them."""

    def note(self, text: str) -> None:
        """Something the program itself has to say meanwhile."""

    def close(self) -> None:
        """The run has ended, or nobody looks any more."""


def choose_display(output: Output) -> Display:
    """The display for these options and this terminal."""
    if output.json:
        return JsonLines()
    if output.quiet:
        return Silence()
    screen = Screen()
    return LiveTable(screen) if screen.live and not output.verbose else PlainLines(screen, output.verbose)


class Silence:
    """Shows nothing."""

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class JsonLines:
    """One JSON object per event."""

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """Print the batch; flushed, so that readers follow live."""
        if batch:
            click.echo("\n".join(json_line(event_to_json(event)) for event in batch))

    def note(self, text: str) -> None:
        """Nothing but events goes to machines."""

    def close(self) -> None:
        """Nothing is left to print."""


class Announcement:
    """The first event as JSON, then nothing: what a background run tells whoever started it."""

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """Print the `run_submitted` line."""
        for event in batch:
            if isinstance(event.body, RunSubmitted):
                click.echo(json_line(event_to_json(event)))

    def note(self, text: str) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing is left to print."""


class PlainLines:
    """One line per thing worth telling; `verbose` tells everything but progress."""

    def __init__(self, screen: Screen, verbose: bool = False) -> None:
        self._screen = screen
        self._verbose = verbose

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """Print the lines of a batch."""
        for event in batch:
            line = self._line(event)
            if line:
                moment = event.time.astimezone().strftime("%H:%M:%S")
                name = f"{visible(event.environment)}: " if event.environment else ""
                click.echo(f"{moment} {name}{line}")

    def note(self, text: str) -> None:
        """One more line."""
        click.echo(text)

    def close(self) -> None:
        """Nothing is left to print."""

    def _line(self, event: Event) -> str:
        label = event.stage.label if event.stage else ""
        match event.body:
            case RunSubmitted(plan, environments):
                return f"run {event.run}: {visible(plan)} on {count(len(environments), 'environment')}"
            case StageFinished(outcome, took):
                return f"{self._screen.symbol(STAGE_LOOKS[outcome])} {label} {outcome} ({duration(took)})"
            case StageProgress(0, 0, note=note) if note:
                return f"{label}: {visible(note)}"
            case EnvironmentQueued(waiting_for=waiting_for) if waiting_for.startswith("locked"):
                return f"waits: {visible(waiting_for)}"
            case RetryScheduled(in_s, because):
                why = f"{because.code}: {visible(because.message)}"
                return f"{self._screen.symbol(AGAIN)} {label} again in {duration(in_s)}: {why}"
            case FactFound(name, value) if name.startswith("warning"):
                return f"{visible(name.replace('_', ' '))}: {visible(value)}"
            case TargetRebooted(before, after):
                boots = f"boot id {visible(before)} is now {visible(after)}"
                return f"{self._screen.symbol(AGAIN)} {label}: target rebooted, {boots}"
            case SplatSeen(splat) if splat.counts:
                return f"kernel: {visible(splat.words)}"
            case CheckDone(ok=False):
                return _check(event.body)
            case EnvironmentFinished(status, ready, error):
                why = f", {error.code}: {visible(error.message)}" if error else ""
                return f"{self._screen.symbol(STATUS_LOOKS[status])} {status}{', READY' if ready else ''}{why}"
            case _:
                return _detail(event) if self._verbose else ""


def _detail(event: Event) -> str:
    """The lines that -v adds."""
    match event.body:
        case EnvironmentQueued(position, waiting_for):
            return f"waiting, position {position}{': ' if waiting_for else ''}{visible(waiting_for)}"
        case StageStarted():
            return f"{event.stage.label if event.stage else ''}, attempt {event.attempt}"
        case FactFound(name, value):
            return f"{visible(name)} = {visible(value)}"
        case FileDone(path, action, length):
            return f"{action} {visible(path)} ({size(length)})"
        case DependencyDone(dependency, action, found):
            return f"{visible(dependency)} {action} {visible(found)}".rstrip()
        case InstrumentState():
            body = event.body
            shown = f"built in {body.built_in}, reachable {body.reachable}, on {body.on}, proven {body.proven}"
            return f"{visible(body.instrument)} {body.wanted}: {shown}"
        case InstrumentSwitched():
            return visible(event.body.words)
        case SplatSeen(splat):
            return f"kernel: {visible(splat.words)}"
        case CheckDone():
            return _check(event.body)
        case _:
            return ""


def _check(check: CheckDone) -> str:
    said = f"{check.check} {'ok' if check.ok else 'NOT OK'}: {check.value} (limit {check.limit})"
    return visible(f"{said}. {check.help}" if check.help else said)


class LiveTable:
    """A table redrawn in place; it goes away at the end, the summary takes its place."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._live = Live(console=screen, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, batch: Sequence[Event], state: RunState) -> None:
        """Redraw; also without events, for the running clocks."""
        self._live.update(self.frame(state, datetime.now(UTC)), refresh=True)

    def note(self, text: str) -> None:
        """A line above the table."""
        self._screen.print(Text(text))

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def frame(self, state: RunState, now: datetime) -> Group:
        """The whole picture of one moment."""
        shown = _first_to_see(state, max(self._screen.height - FRAME, 3))
        hidden = len(state.environments) - len(shown)
        table = self._wide(shown, now) if self._screen.width >= WIDE else self._narrow(shown, now)
        parts: list[Text | Table] = [_headline(state, now), Text(), table]
        if hidden:
            parts.append(Text(f"and {hidden} more", style="dim"))
        return Group(*parts)

    def _wide(self, shown: Sequence[EnvironmentState], now: datetime) -> Table:
        table = _one_line_rows("environment", *STAGE_HEADINGS.values(), "files", "now")
        for each in shown:
            cells = [self._stage(stage, each, now) for stage in each.stages]
            table.add_row(cell(each.name), *cells, _files(each), self._now(each))
        return table

    def _narrow(self, shown: Sequence[EnvironmentState], now: datetime) -> Table:
        table = _one_line_rows("environment", "stages", "now")
        for each in shown:
            looks = [(self._screen.symbol(look), look.style) for look in map(_stage_look, each.stages)]
            table.add_row(cell(each.name), Text.assemble(*looks), self._now(each))
        return table

    def _stage(self, stage: StageState, of: EnvironmentState, now: datetime) -> Text:
        look = _stage_look(stage)
        match stage.outcome:
            case StageOutcome.PENDING:
                return self._screen.draw(look, "")
            case StageOutcome.RUNNING:
                share = _share(of.progress)
                return self._screen.draw(look, share or duration((now - (stage.started or now)).total_seconds()))
            case StageOutcome.SUCCEEDED:
                return self._screen.draw(look, duration(stage.seconds))
            case _:
                return self._screen.draw(look, stage.outcome.value)

    def _now(self, state: EnvironmentState) -> Text:
        look = STATUS_LOOKS.get(state.status, RUNNING)
        words = status_words(state.status)
        if state.status is Status.COMPLETED:
            words += ", READY" if state.ready else ", not READY"
        elif state.error:
            words += f" {state.error.code}: {state.error.message}"
        elif state.note and state.note != words:
            words += f": {state.note}"
        progress = _amount(state.progress) if not state.status.is_final else ""
        drawn = self._screen.draw(look, f"{words} {progress}".rstrip())
        drawn.no_wrap, drawn.overflow = True, "ellipsis"
        return drawn


def _one_line_rows(*headings: str) -> Table:
    """A table in which the last column alone gives way when the terminal is narrow."""
    table = plain_table(*headings)
    for column in table.columns[:-1]:
        column.no_wrap = True
    return table


def _stage_look(stage: StageState) -> Look:
    return AGAIN if stage.outcome is StageOutcome.RUNNING and stage.attempts > 1 else STAGE_LOOKS[stage.outcome]


def _headline(state: RunState, now: datetime) -> Text:
    ended = sum(each.status.is_final for each in state.environments.values())
    ready = sum(each.ready for each in state.environments.values())
    since = f", {duration((now - state.submitted).total_seconds())}" if state.submitted else ""
    words = f"run {state.run}  {visible(state.plan)}  {ended} of {len(state.environments)} ended, {ready} READY{since}"
    return Text(words, style="bold", no_wrap=True, overflow="ellipsis")


def _first_to_see(state: RunState, room: int) -> list[EnvironmentState]:
    """As many environments as fit: those at work first, then those that failed, in the lab's order."""
    everyone = list(state.environments.values())
    if len(everyone) <= room:
        return everyone
    kept = sorted(everyone, key=_urgency)[:room]
    names = {each.name for each in kept}
    return [each for each in everyone if each.name in names]


def _urgency(state: EnvironmentState) -> int:
    if not state.status.is_final:
        return 2 if state.status is Status.PENDING else 0
    return 3 if state.status is Status.COMPLETED else 1


def _files(state: EnvironmentState) -> Text:
    files = state.files
    return Text(f"{files.sent} sent, {files.same} same" if files.sent or files.same else "")


def _share(progress: StageProgress) -> str:
    return f"{100 * min(progress.done, progress.total) // progress.total} %" if progress.total > 0 else ""


def _amount(progress: StageProgress) -> str:
    if progress.total <= 0:
        return ""
    if progress.unit in {"B", "byte", "bytes"}:
        return f"{size(progress.done)} of {size(progress.total)}"
    return f"{progress.done} of {progress.total} {visible(progress.unit)}".rstrip()
