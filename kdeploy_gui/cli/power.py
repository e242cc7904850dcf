"""`kdeploy power`: a board's supply, by the commands of its lab entry."""

from __future__ import annotations

import click

from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.environment import PowerAction
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.visible import visible

BOOT = "boot"


@click.command()
@click.argument("name")
@click.argument("action", type=click.Choice([*(each.value for each in PowerAction), BOOT]))
@click.argument("kernel", default="")
@command_options(on_plan_error=EXIT_FAILED)
def power(output: Output, /, name: str, action: str, kernel: str) -> int:
    """Switch NAME on or off, or reset it, with the commands under [environment.power] in the lab file.

    They run on this workstation, in the lab file's folder, split as a shell splits them but without one: write
    sh -c '...' for pipes and variables. Without a reset command a reset is off, 2 seconds, on. Exit status 0: done;
    1: not done, or not known to be.
    """
    if (action == BOOT) != bool(kernel):
        raise click.UsageError("boot needs the name of a kernel" if action == BOOT else f"{action} takes no kernel")
    with services(output) as opened:
        environment = known(opened, name)
        if action == BOOT:
            message = f"kdeploy cannot switch kernels of boards yet: {name} was not booted with {kernel}"
            raise PlanError("E-POWER-BOOT", message, on_target="Nothing was switched.", kernel=kernel)
        done = opened.inventory.switch(environment.name, PowerAction(action))
    if output.json:
        output.document(fields(done))
        return 0
    for step in done.steps:
        output.say(f"{name}: {step.action.value}: {visible(step.command)} ({duration(step.seconds)})")
        if output.verbose and step.output:
            output.say(step.output)
    return 0
