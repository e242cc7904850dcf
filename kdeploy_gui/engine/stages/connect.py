"""Environment connection: identity, login, facts."""

from __future__ import annotations

from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.gate import refusals
from kdeploy_gui.model.event import FactFound
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import duration


async def run(context: Context) -> None:
    """Connect and tell what the machine is. Raises the gate's first refusal, before packages are installed.

    What only validates sends nothing that could be refused.
    """
    await context.target()
    if context.environment.legacy:
        context.emit(FactFound("warning", "legacy = true: algorithms that are no longer safe are allowed"))
    for name, value in described(context.known):
        context.emit(FactFound(name, value))
    if context.plan.validates:
        return
    packages = any(each.name for each in context.plan.dependencies)
    context.refuse(refusals(context.arrivals(), context.known, context.environment.roots, complete=not packages))


def described(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Facts in the words and units in which people read them."""
    return (
        ("kernel", facts.kernel_release),
        ("kernel_build", facts.kernel_build),
        ("machine", facts.machine),
        ("boot_id", facts.boot_id),
        ("os", facts.os_name),
        ("user", f"{facts.user}:{facts.group}"),
        ("memory_available", f"{facts.memory_available >> 20} MiB of {facts.memory_total >> 20} MiB"),
        ("load", f"{facts.load:.2f}"),
        ("uptime", duration(facts.uptime)),
        ("clock_skew", f"{facts.clock_skew:+.1f} s"),
        ("package_manager", facts.package_manager or "none"),
        *((f"disk {path}", f"{disk.free_bytes >> 20} MiB free on {disk.mount}") for path, disk in facts.disks.items()),
        *(facts.health.described() if facts.health else ()),
    )
