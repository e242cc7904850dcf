"""`kdeploy env history`: when an environment became READY, and when it no longer was."""

from __future__ import annotations

import click

from kdeploy_gui.cli.environments import env, known
from kdeploy_gui.cli.look import DONE, FAILED, Screen, cell, plain_table
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import local_time


@env.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Changes that are listed at most.")
@command_options(on_plan_error=EXIT_FAILED)
def history(output: Output, /, name: str, limit: int) -> int:
    """When NAME became READY and when it no longer was, newest first; nobody is contacted."""
    with services(output) as opened:
        known(opened, name)
        changes = opened.readiness.changes(name, limit)
    if output.json:
        output.document({"environment": name, "changes": [fields(each) for each in changes]})
        return 0
    table = plain_table("when", "", "run", "because")
    screen = Screen()
    for each in changes:
        words = screen.draw(DONE if each.ready else FAILED, "READY" if each.ready else "not READY")
        table.add_row(cell(local_time(each.time)), words, cell(str(each.run or "")), cell(each.because))
    if changes:
        screen.show(table)
    else:
        output.note(f"{name} has not been READY yet.")
    return 0
