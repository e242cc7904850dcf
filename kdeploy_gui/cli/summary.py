"""The end of a run for people: a table, the counts, and every failure with its remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from kdeploy_gui.cli.look import (
    DONE,
    FAILED,
    OUTCOME_LOOKS,
    RUNNING,
    STATUS_LOOKS,
    Screen,
    cell,
    plain_table,
    status_words,
)
from kdeploy_gui.cli.output import rows
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import visible, visible_lines


def print_summary(screen: Screen, state: RunState) -> None:
    """Everything a person wants to know about a run, ended or not."""
    gap = Text()
    table = _table(screen, state.environments.values())
    screen.show(gap, _headline(screen, state), gap, table, gap, Text(_counts(state)))
    for each in state.environments.values():
        if each.error:
            screen.show(gap)
            print_failure(screen, each.name, each.error)


def print_failure(screen: Screen, name: str, failure: Failure) -> None:
    """One environment's failure: code, what, where, what is on the target, remedy, evidence."""
    heading = Text(f"{screen.symbol(FAILED)} {visible(name)}  {failure.code} ({failure.category})", style=FAILED.style)
    grid = Table.grid(padding=(0, 2, 0, 2), pad_edge=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("what happened", Text(visible_lines(failure.message)))
    for label, text in rows(failure):
        shown = _stage_named(text) if label == "where" else text
        grid.add_row(label, Text(visible_lines(shown), style="bold" if label == "what to do" else ""))
    screen.show(heading, grid)


def _stage_named(where: str) -> str:
    for stage in Stage:
        where = where.replace(f", {stage.value}", f", {stage.label}")
    return where


def _headline(screen: Screen, state: RunState) -> Text:
    look, words = (OUTCOME_LOOKS[state.outcome], state.outcome.value) if state.outcome else (RUNNING, "running")
    took = ""
    if state.submitted and state.finished:
        took = f" in {duration((state.finished - state.submitted).total_seconds())}"
    return Text.assemble(
        (f"run {state.run}  {visible(state.plan)}  ", "bold"), (f"{screen.symbol(look)} {words}{took}", look.style)
    )


def _table(screen: Screen, environments: Iterable[EnvironmentState]) -> Table:
    table = plain_table("environment", "state", "ready", "files", "retries", "time")
    for each in environments:
        look = STATUS_LOOKS.get(each.status, RUNNING)
        ready = Text("READY", style=DONE.style) if each.ready else Text("no", style="dim")
        took = duration(each.seconds) if each.seconds else ""
        state = screen.draw(look, status_words(each.status))
        table.add_row(cell(each.name), state, ready, _files(each), cell(_retries(each)), cell(took))
    return table


def _files(state: EnvironmentState) -> Text:
    files = state.files
    if not files.sent and not files.same:
        return Text("")
    sent = f"{files.sent} sent ({size(files.bytes)})" if files.sent else "0 sent"
    return Text(f"{sent}, {files.same} same")


def _retries(state: EnvironmentState) -> str:
    again = sum(max(stage.attempts - 1, 0) for stage in state.stages)
    return str(again) if again else ""


def _counts(state: RunState) -> str:
    everyone = state.environments.values()
    ready = sum(each.ready for each in everyone)
    parts = [f"{ready} of {count(len(everyone), 'environment')} READY"]
    by_status = Counter(each.status.value if each.status.is_final else "running" for each in everyone)
    parts += [f"{number} {word}" for word, number in by_status.items() if word != "completed"]
    categories = Counter(each.error.category.value for each in everyone if each.error)
    if categories:
        parts.append("errors: " + ", ".join(f"{number} {word}" for word, number in sorted(categories.items())))
    return "; ".join(parts)
