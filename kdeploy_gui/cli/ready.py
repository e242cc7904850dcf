"""`kdeploy ready`: the gate for test runners."""

from __future__ import annotations

from pathlib import Path

import click

from kdeploy_gui.cli.check import readiness_words
from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.options import EXIT_NOT_READY, EXIT_PLAN, EXIT_UNREACHABLE, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services


@click.command()
@click.argument("name")
@click.option("--manifest", metavar="PLAN", type=click.Path(path_type=Path), help="READY with this plan's files?")
@command_options()
def ready(output: Output, /, name: str, manifest: Path | None) -> int:
    """Is NAME READY right now? Looks at the machine: its boot, its kernel, its files.

    Exit status 0: ready; 3: not ready, and which fact moved; 4: unreachable or not trusted; 2: no such environment, or
    a mistake in the plan.
    """
    with services(output) as opened:
        known(opened, name)
        planned = opened.plans.check(manifest) if manifest else None
        if planned and (planned.problems or planned.plan is None):
            output.problems(planned.problems)
            return EXIT_PLAN
        check = opened.inventory.check(name, manifest=planned.plan if planned else None)
    if output.json:
        output.document(fields(check))
    elif check.failure is not None:
        output.failure(check.failure)
    else:
        output.say(f"{name}: {readiness_words(check)}")
    if check.failure is not None:
        return EXIT_UNREACHABLE
    return 0 if check.ready else EXIT_NOT_READY
