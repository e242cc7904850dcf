"""`kdeploy instruments`: what an environment's kernel has, and what was seen working."""

from __future__ import annotations

import click
from rich.text import Text

from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.look import BROKEN, DONE, FAILED, STOPPED, WAITING, Look, Screen, cell, plain_table
from kdeploy_gui.cli.options import EXIT_UNREACHABLE, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.visible import visible

STATES = {
    State.PROVEN: DONE,
    State.ACTIVE: Look("●", "*", "green"),
    State.SPENT: BROKEN,
    State.OFF: STOPPED,
    State.ABSENT: FAILED,
    State.UNKNOWN: WAITING,
}


@click.command()
@click.argument("name")
@click.option("--prove", is_flag=True, help="See them working; everything is put back as it was.")
@command_options()
def instruments(output: Output, /, name: str, prove: bool) -> int:
    """Which kernel instruments NAME has: wanted by its last run, built in, reachable, on, proven in this boot.

    With -v the evidence for each and what would bring it. Exit status 0: it was looked at, whatever was found;
    4: unreachable or not trusted; 2: no such environment.
    """
    with services(output) as opened:
        known(opened, name)
        look = opened.inventory.instruments(name, prove=prove)
    if output.json:
        output.document(fields(look))
    elif look.failure is not None:
        output.failure(look.failure)
    elif not output.quiet:
        _show(look, output.verbose)
    return EXIT_UNREACHABLE if look.failure is not None else 0


def _show(look: InstrumentLook, verbose: bool) -> None:
    screen = Screen()
    table = plain_table("instrument", "wanted", "built in", "reachable", "on", "proven", "state", "")
    for row in look.instruments:
        state = STATES[State(row.state)]
        words = [row.instrument, row.wanted, row.built_in, row.reachable, row.on, row.proven]
        table.add_row(*map(cell, words), screen.draw(state, row.state), cell(row.note))
    screen.show(table)
    if verbose:
        screen.show(*(line for row in look.instruments for line in _evidence(row)))


def _evidence(row: InstrumentState) -> list[Text]:
    lines = [Text(f"{visible(row.instrument)}: {row.state}, boot {visible(row.boot_id)}", style="bold")]
    lines += [Text(f"  {visible(each.path)}: {visible(each.value)}") for each in row.evidence]
    if row.remedy:
        lines.append(Text(f"  what would help: {visible(row.remedy)}"))
    return lines
