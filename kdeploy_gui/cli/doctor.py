"""`kdeploy doctor`: what on this workstation needs attention."""

from __future__ import annotations

import click

from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.check import Finding
from kdeploy_gui.model.visible import visible

WORDS = {True: "ok", False: "ATTENTION", None: "n/a"}


@click.command()
@command_options()
def doctor(output: Output, /) -> int:
    """Check this workstation: keyring, ssh agent, libvirt, display, disk, clock, SQLite, history and lab file.

    Exit status 0: all well; 1: something needs attention.
    """
    from kdeploy_gui.app import examine_workstation

    findings = examine_workstation(output.lab)
    wrong = [each for each in findings if each.ok is False]
    if output.json:
        output.document({"ok": not wrong, "findings": findings})
    else:
        _print(output, findings, len(wrong))
    return EXIT_FAILED if wrong else 0


def _print(output: Output, findings: tuple[Finding, ...], wrong: int) -> None:
    from kdeploy_gui.cli.look import BROKEN, DONE, WAITING, Screen

    screen = Screen()
    looks = {True: DONE, False: BROKEN, None: WAITING}
    for each in findings:
        symbol = screen.symbol(looks[each.ok])
        line = f"{symbol} {each.subject:<14}{WORDS[each.ok]:<11}{visible(each.text)}"
        (output.say if each.ok is not False else click.echo)(line)
        if each.remedy and each.ok is not True:
            (output.say if each.ok is None else click.echo)(f"{'':<27}-> {visible(each.remedy)}")
    output.say(f"{count(wrong, 'thing')} to look at" if wrong else "all well")
