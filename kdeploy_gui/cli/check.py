"""What a look at a machine found, in lines."""

from __future__ import annotations

import click

from kdeploy_gui.cli.output import Output, describe
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.visible import visible

NAMED = 5
"""Reasons that a line names; --json has them all."""


def print_check(output: Output, check: EnvironmentCheck) -> None:
    """What its hypervisor says of a guest, reached or not, how the machine is doing, READY or not."""
    if check.guest:
        output.say(f"{visible(check.environment)}: guest: {visible(check.guest)}")
    if check.failure is not None:
        click.echo(f"{visible(check.environment)}: not reached", err=True)
        click.echo("\n".join(describe(check.failure)), err=True)
        return
    facts = check.facts
    if facts is not None:
        system = facts.os_name or facts.os_id
        memory = f"{size(facts.memory_available)} of {size(facts.memory_total)} memory free"
        words = f"{facts.kernel_release} {facts.machine}, {system}, {memory}, load {facts.load:.2f}"
        output.say(f"{visible(check.environment)}: reached: {visible(words)}")
        _print_health(output, check.environment, facts)
    output.say(f"{visible(check.environment)}: {readiness_words(check)}")


def _print_health(output: Output, name: str, facts: Facts) -> None:
    """One line of health, and one for whatever somebody should look at."""
    health = facts.health
    if health is None:
        return
    errors = "unknown" if health.kernel_errors is None else str(health.kernel_errors)
    words = f"up {duration(facts.uptime)}, temperature {health.heat}, kernel errors {errors}"
    output.say(f"{visible(name)}: health: {words}")
    for subject, value in health.warnings():
        output.say(f"{visible(name)}: {visible(subject.replace('_', ' '))}: {visible(value)}")


def readiness_words(check: EnvironmentCheck) -> str:
    """READY or not, and why."""
    state = "READY" if check.ready else "not READY"
    named = "; ".join(check.because[:NAMED])
    more = f" and {len(check.because) - NAMED} more" if len(check.because) > NAMED else ""
    return f"{state}: {visible(named)}{more}" if named else state
