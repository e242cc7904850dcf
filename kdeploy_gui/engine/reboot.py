"""A restart that a machine makes itself, and the boot that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdeploy_gui import defaults, resources
from kdeploy_gui.engine import boot_ways, power
from kdeploy_gui.engine.boot import connected, is_down
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.errors import GuestError, NetworkError, TargetError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.power import Rebooted
from kdeploy_gui.ports import Target

FELL_SILENT = "E-STALLED"
"""How a connection fails that was made while the machine was still leaving."""


async def reboot(ports: Ports, environment: Environment, tell: Callable[[Body], None]) -> Rebooted:
    """Have a board or a guest restart itself over SSH, and wait until it answers from another boot.

    A board boots what it did before anybody switched its kernel, also where that switch was cut short.

    Raises what `Connector.connect`, `refuse_workstation` and `boot_ways.put_back` raise, TargetError E-POWER-REBOOT
    where it cannot, and NetworkError E-BOOT where no other boot answers in time.
    """
    started = ports.clock.monotonic()
    async with connected(ports.connector, environment) as target:
        before = await target.facts(FactsQuery())
        refuse_workstation(environment, before)
        if not environment.is_guest:
            for way in boot_ways.BOOT_LOADERS:
                await boot_ways.put_back(target, way)
        await leave(target, environment)
    await power.drop_mark(ports, environment, "it was restarted by kdeploy")
    tell(StageProgress(0, 0, "", f"{environment.name} restarts"))
    facts = await other_boot(ports, environment, before.boot_id)
    seconds = round(ports.clock.monotonic() - started, 3)
    return Rebooted(environment.name, facts.boot_id, facts.kernel_release, seconds)


async def leave(target: Target, environment: Environment) -> None:
    """Have a machine restart itself a moment later. Raises TargetError E-POWER-REBOOT."""
    done = await target.execute(Command(resources.text("remote/reboot.sh"), title="reboot"))
    answer, _, why = done.text.strip().partition("\t")
    if answer != "leaving":
        message = f"{environment.name} does not restart: {why or done.error_text or 'it gave no answer'}"
        raise TargetError("E-POWER-REBOOT", message, on_target="Nothing was changed.")


def refuse_workstation(environment: Environment, facts: Facts) -> None:
    """Raise TargetError E-POWER-SELF where a machine is this one, or a container on it."""
    if facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip():
        message = f"{environment.name} is this workstation, or a container on it: their kernel is one"
        raise TargetError("E-POWER-SELF", message, on_target="Nothing was changed.")


async def other_boot(ports: Ports, environment: Environment, before: str) -> Facts:
    """A machine's facts once it is in another boot. Raises NetworkError E-BOOT after the time that a boot may take."""
    clock, limit = ports.clock, environment.boot_timeout or defaults.BOOT_TIMEOUT
    end = clock.monotonic() + limit
    why = ""
    while clock.monotonic() < end:
        await clock.sleep(defaults.BOOT_POLL)
        try:
            async with connected(ports.connector, environment) as target:
                facts = await target.facts(FactsQuery())
        except (NetworkError, GuestError) as error:
            if not is_down(error) and (error.code != FELL_SILENT or error.hop):
                raise
            why = error.message
            continue
        if facts.boot_id != before:
            return facts
        why = "it still runs what it ran"
    raise NetworkError("E-BOOT", f"no other boot within {limit:.0f} s: {why}", limit=f"{limit:.0f}")
