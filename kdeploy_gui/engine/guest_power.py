"""A guest's power button: on, off and reset through its hypervisor."""

from __future__ import annotations

from kdeploy_gui import defaults
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.guest import GuestState
from kdeploy_gui.model.power import PowerStep
from kdeploy_gui.ports import Clock, Guests


async def switch_guest(
    guests: Guests, clock: Clock, environment: Environment, action: PowerAction
) -> tuple[PowerStep, ...]:
    """Start a guest, shut it down (or pull the plug of one that does not obey), or reset it. Raises GuestError."""
    started = clock.monotonic()
    status = await guests.status(environment)
    before = status.state
    if action is PowerAction.ON:
        if before is GuestState.FROZEN:
            raise _frozen(environment)
        await guests.start(environment)
        said = "it was running" if before is GuestState.RUNNING else f"it was {status.text}"
    elif action is PowerAction.OFF:
        said = await _off(guests, environment, before)
    elif before.is_down:
        await guests.start(environment)
        said = f"it was {status.text}: started"
    elif before is GuestState.FROZEN:
        await guests.force_off(environment)
        await guests.start(environment)
        said = "its QEMU did not answer: it was ended, and started again"
    else:
        await guests.reset(environment)
        said = "reset"
    seconds = round(clock.monotonic() - started, 3)
    return (PowerStep(action, f"libvirt: {environment.domain}: {said}", seconds),)


async def _off(guests: Guests, environment: Environment, before: GuestState) -> str:
    if before.is_down:
        return "it was off"
    obeyed = before is GuestState.RUNNING and await guests.shut_down(environment, defaults.SHUTDOWN_TIMEOUT)
    if obeyed:
        return "it shut down"
    await guests.force_off(environment)
    if before is not GuestState.RUNNING:
        return f"it was {before.value}: the plug was pulled"
    return f"it did not shut down within {defaults.SHUTDOWN_TIMEOUT:.0f} s: the plug was pulled"


def _frozen(environment: Environment) -> GuestError:
    message = f"{environment.domain} counts as running, but its QEMU does not answer"
    return GuestError("E-GUEST-FROZEN", message, domain=environment.domain, uri=environment.uri)
