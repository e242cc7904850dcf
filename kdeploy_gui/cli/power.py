"""`kdeploy power`: a board's supply, by the commands of its lab entry; a guest by its hypervisor."""

from __future__ import annotations

import click

from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.follow import termination_interrupts
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.model.environment import PowerAction
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.kernel import KernelBooted
from kdeploy_gui.model.power import Rebooted
from kdeploy_gui.model.visible import visible

BOOT, REBOOT = "boot", "reboot"


@click.command()
@click.argument("name")
@click.argument("action", type=click.Choice([*(each.value for each in PowerAction), REBOOT, BOOT]))
@click.argument("kernel", default="")
@command_options(on_plan_error=EXIT_FAILED)
def power(output: Output, /, name: str, action: str, kernel: str) -> int:
    """Switch a machine on or off, reset it, let it restart, or boot another kernel.

    `reboot` has it restart itself over SSH, so that its services end and its files are written, and waits until it
    answers from another boot; `reset` is for one that does not answer.

    A guest that libvirt has (`domain` in the lab file) is started, shut down by its power button - after a minute the
    plug is pulled - or reset. `boot KERNEL` restarts it, once, with that [[environment.kernel]], waits for it, and goes
    back to the one before where it does not come up; its definition stays as it is.

    A board leaves its kernel for the other one, whose files must be on it, by kexec, or GRUB boots it once: a power
    cycle leads back. With extlinux.conf, at a board with a console, it is the default until the board is up.

    A board is switched with the commands under [environment.power]. They run on this workstation, in the lab file's
    folder, split as a shell splits them but without one: write sh -c '...' for pipes and variables. Without a reset
    command a reset is off, 2 seconds, on. Exit status 0: done; 1: not done, or not known to be.
    """
    if (action == BOOT) != bool(kernel):
        raise click.UsageError("boot needs the name of a kernel" if action == BOOT else f"{action} takes no kernel")
    with termination_interrupts(), services(output) as opened:
        environment = known(opened, name)
        if action == BOOT:
            return _say_booted(output, opened.inventory.boot(environment.name, kernel, _Progress(output)))
        if action == REBOOT:
            return _say_rebooted(output, opened.inventory.reboot(environment.name, _Progress(output)))
        done = opened.inventory.switch(environment.name, PowerAction(action))
    if output.json:
        output.document(fields(done))
        return 0
    for step in done.steps:
        output.say(f"{name}: {step.action.value}: {visible(step.command)} ({duration(step.seconds)})")
        if output.verbose and step.output:
            output.say(step.output)
    return 0


class _Progress:
    """Says on the terminal what a switch of kernels is doing."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, body: Body) -> None:
        if isinstance(body, StageProgress) and body.note and not body.note.startswith("waiting"):
            self._output.note(body.note)


def _say_rebooted(output: Output, rebooted: Rebooted) -> int:
    if output.json:
        output.document(fields(rebooted))
        return 0
    output.say(visible(f"{rebooted.environment}: restarted, runs {rebooted.release} ({duration(rebooted.seconds)})"))
    return 0


def _say_booted(output: Output, booted: KernelBooted) -> int:
    if output.json:
        output.document(fields(booted))
        return 0
    before = f", before it {booted.before}" if booted.before else ""
    words = f"{booted.environment}: {booted.kernel}: {booted.release} runs{before} ({duration(booted.seconds)})"
    output.say(visible(words))
    if output.verbose:
        output.say(visible(f"{booted.build}\n{booted.cmdline}"))
    return 0
