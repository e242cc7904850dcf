"""`kdeploy status`, `history` and `logs`: what the history knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.deploy import show_end
from kdeploy_gui.cli.options import command_options
from kdeploy_gui.cli.output import Output, fields, json_line
from kdeploy_gui.cli.session import events_of, services
from kdeploy_gui.cli.since import parse_since
from kdeploy_gui.cli.text import OutputText, local_time
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.event import Channel, OutputAppended
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.history import OutputChunk, RunQuery, RunRecord
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Stage
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Services

RUN = click.argument("run", type=click.IntRange(min=1))
STATES = [*(each.value for each in Outcome), "running"]


class Moment(click.ParamType[datetime]):
    """A point in time: `2026-11-01`, an ISO time, `24h`, `7d`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse what was typed."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_since(str(value), datetime.now(UTC))
        except ValueError:
            self.fail(f"'{value}' is no time: write 2026-11-01, 2026-11-01T08:30, 24h or 7d", param, ctx)


@click.command()
@RUN
@command_options()
def status(output: Output, /, run: int) -> int:
    """Show a run: every environment, the counts, and each failure with its remedy."""
    with services(output) as opened:
        state = fold(events_of(opened, run))
    if output.json:
        outcome = state.outcome or "running"
        output.document({"run": state.run, "plan": state.plan, "outcome": outcome, "environments": state.summary()})
    else:
        show_end(output, state)
    return 0


@click.command()
@click.option("--env", "environment", default="", metavar="NAME", help="Runs with this environment.")
@click.option("--status", "outcome", type=click.Choice(STATES), default=None, help="Runs that ended so.")
@click.option("--since", type=Moment(), help="2026-11-01, an ISO time, 24h or 7d.")
@click.option("--search", default="", metavar="TEXT", help="Runs in which this text appears.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--before", type=click.IntRange(min=1), default=None, metavar="RUN", help="Runs older than this one.")
@command_options()
def history(
    output: Output, /, environment: str, outcome: str | None, since: datetime | None, search: str, **page: int | None
) -> int:
    """List runs, newest first."""
    limit = page["limit"] or 0
    query = RunQuery(
        environment=environment,
        status=outcome or "",
        since=since,
        search=search,
        before=page["before"] or 0,
        limit=limit + 1,
    )
    with services(output) as opened:
        found = opened.history.runs(query)
    runs, older = found[:limit], len(found) > limit
    if output.json:
        listed = [{**fields(each), "outcome": each.outcome or "running"} for each in runs]
        output.document({"runs": listed, "older": older})
        return 0
    _print_runs(output, runs)
    if older:
        output.note(f"There are older ones: --before {runs[-1].run}")
    return 0


def _print_runs(output: Output, runs: list[RunRecord]) -> None:
    from kdeploy_gui.cli.look import OUTCOME_LOOKS, RUNNING, Screen, cell, plain_table

    if output.quiet:
        return
    if not runs:
        output.note("No run matches.")
        return
    screen = Screen()
    table = plain_table("run", "plan", "submitted", "outcome", "ready", "time", "environments")
    for each in runs:
        look = OUTCOME_LOOKS[each.outcome] if each.outcome else RUNNING
        took = duration((each.finished - each.submitted).total_seconds()) if each.finished else ""
        table.add_row(
            cell(str(each.run)),
            cell(each.plan),
            cell(local_time(each.submitted)),
            screen.draw(look, each.outcome or "running"),
            cell(f"{each.ready} of {len(each.environments)}"),
            cell(took),
            cell(_some(each.environments)),
        )
    screen.show(table)


def _some(names: tuple[str, ...]) -> str:
    shown = " ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown


@click.command()
@RUN
@click.option("--env", "environment", default="", metavar="NAME", help="Output of this environment only.")
@click.option("--stage", type=click.Choice([each.value for each in Stage]), help="Output of this stage only.")
@click.option("--console", is_flag=True, help="What the serial consoles printed instead.")
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
@command_options()
def logs(output: Output, /, run: int, environment: str, stage: str | None, console: bool, follow: bool) -> int:
    """Print the output of a run, control characters shown as escapes.

    With --json one document, with --json --follow one object per line.
    """
    chosen = Stage(stage) if stage else None
    with services(output) as opened:
        state = fold(events_of(opened, run))
        if environment and environment not in state.environments:
            known = ", ".join(state.environments)
            raise LocalError(
                "E-RUN-UNKNOWN", f"run {run} has no environment '{environment}', only {known}", run=str(run)
            )
        channel = Channel.CONSOLE if console else Channel.OUTPUT
        stored = opened.output.chunks(run, environment, chosen, channel)
        chunks = _followed(opened, run, channel) if follow else stored
        wanted = (each for each in chunks if environment in {"", each.environment} and chosen in {None, each.stage})
        if output.json:
            _print_json(output, run, wanted, follow)
        else:
            _print_text(output, wanted, state, "console" if console else "command")
    return 0


def _followed(opened: Services, run: int, channel: Channel) -> Iterator[OutputChunk]:
    for batch in opened.follow(run):
        for event in batch:
            if isinstance(event.body, OutputAppended) and event.body.channel is channel:
                data = opened.output.read(run, event.environment, event.body.offset, event.body.length, channel)
                yield OutputChunk(run, event.environment, event.stage, event.body.offset, data)


def _print_json(output: Output, run: int, chunks: Iterator[OutputChunk], follow: bool) -> None:
    rows = (
        {
            "environment": each.environment,
            "stage": each.stage,
            "offset": each.offset,
            "text": each.data.decode(errors="backslashreplace"),
        }
        for each in chunks
    )
    if not follow:
        output.document({"run": run, "output": list(rows)})
        return
    for row in rows:
        click.echo(json_line(row))


def _print_text(output: Output, chunks: Iterator[OutputChunk], state: RunState, speaker: str) -> None:
    """Output under headings that say whose it is; each stream is decoded on its own."""
    decoders = {name: OutputText() for name in state.environments}
    heading, at_line_start = "", True
    for each in chunks:
        text = decoders.setdefault(each.environment, OutputText()).add(each.data)
        label = each.stage.label if each.stage else ""
        here = f"== {visible(each.environment)} {label}".rstrip()
        if here != heading:
            click.echo(("" if at_line_start else "\n") + here)
            heading, at_line_start = here, True
        click.echo(text, nl=False)
        at_line_start = text.endswith("\n") if text else at_line_start
    if not at_line_start:
        click.echo()
    if not heading:
        output.note(f"No {speaker} of run {state.run} said anything; `kdeploy status {state.run}` shows how it went.")
