"""Switching a machine's supply: which commands that takes, and what no longer holds afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kdeploy_gui import defaults
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.guest_power import switch_guest
from kdeploy_gui.errors import KdeployError, PlanError
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.power import PowerDone, PowerStep

OFF_FIRST = (PowerAction.OFF, PowerAction.ON)


async def switch(ports: Ports, environment: Environment, action: PowerAction) -> PowerDone:
    """Switch a machine on or off, or reset it: by its own command, else off, a pause, on; a guest by its hypervisor.

    Its READY mark is dropped with its boot. Raises PlanError E-POWER-NONE and what `PowerSupply.run` or, for a guest,
    `Guests` raise.
    """
    if environment.is_guest:
        done = await switch_guest(ports.guests, ports.clock, environment, action)
        if action is not PowerAction.ON:
            await drop_mark(ports, environment, _because(action))
        return PowerDone(environment.name, action, done)
    power = environment.power
    missing = power.lacks(action)
    if missing:
        keys = " and ".join(f"`{each}`" for each in missing)
        message = f"the lab file has no command {keys} under [environment.power] of {environment.name}"
        raise PlanError("E-POWER-NONE", message, on_target="Nothing was switched.", key=missing[0])
    actions = OFF_FIRST if action is PowerAction.RESET and not power.reset else (action,)
    steps: list[PowerStep] = []
    for each in actions:
        if steps:
            await ports.clock.sleep(defaults.POWER_PAUSE)
        steps.append(await _step(ports, environment, each, was_off=bool(steps)))
        if each is not PowerAction.ON:
            await drop_mark(ports, environment, _because(each))
    return PowerDone(environment.name, action, tuple(steps))


async def _step(ports: Ports, environment: Environment, action: PowerAction, *, was_off: bool) -> PowerStep:
    started = ports.clock.monotonic()
    try:
        done = await ports.power.run(environment, action)
    except KdeployError as error:
        if was_off:
            error.on_target = f"{environment.name} is switched off: only switching it on again failed."
        raise
    seconds = round(ports.clock.monotonic() - started, 3)
    return PowerStep(action, environment.power.command(action), seconds, done.text.strip())


async def drop_mark(ports: Ports, environment: Environment, because: str) -> None:
    """What ran when a machine was READY runs no longer."""
    mark = await asyncio.to_thread(ports.readiness.latest, environment.name)
    if mark is not None and mark.ready:
        gone = replace(mark, ready=False, because=because, time=ports.clock.now())
        await asyncio.to_thread(ports.readiness.mark, gone)


def _because(action: PowerAction) -> str:
    return "it was switched off by kdeploy" if action is PowerAction.OFF else "it was reset by kdeploy"
