"""What a guest's hypervisor knows about why the guest does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from kdeploy_gui.errors import GuestDied, GuestError, HypervisorLost, KdeployError, NetworkError, Rebooted
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import GuestState, GuestStatus
from kdeploy_gui.ports import Guests

NO_ANSWER = frozenset({"E-LIBVIRT-MISSING", "E-LIBVIRT-DENIED"})
"""Where nobody can be asked: what the network said is all there is."""


async def explained(guests: Guests, environment: Environment, error: Exception) -> Exception:
    """A failed or lost connection to a guest as what became of the guest; any other error as it is."""
    if not environment.is_guest or not _is_unreached(error):
        return error
    try:
        status = await guests.status(environment)
    except HypervisorLost as lost:
        message = f"{error.message}; and {lost.message}"
        return HypervisorLost(lost.code, message, on_target=error.on_target, evidence=lost.evidence, **lost.details)
    except GuestError as unknown:
        return error if unknown.code in NO_ANSWER else unknown
    down = state_error(environment, status, error)
    if down is None and isinstance(error, NetworkError):
        error.message += f" ({environment.domain} is {status.text}: its network or SSH server is not there)"
    return down or error


def _is_unreached(error: Exception) -> TypeGuard[NetworkError | GuestError]:
    """Whether the guest itself, no jump host before it, could not be reached."""
    if isinstance(error, GuestError):
        return error.code == "E-GUEST-ADDRESS"
    return isinstance(error, NetworkError) and not isinstance(error, Rebooted) and not error.hop


async def told_state(guests: Guests, environment: Environment) -> str:
    """What a guest is doing, in words, also where nobody can say; empty for other machines."""
    if not environment.is_guest:
        return ""
    try:
        return (await guests.status(environment)).text
    except GuestError as error:
        return f"not known: {error.message}"


def state_error(environment: Environment, status: GuestStatus, error: KdeployError | None = None) -> GuestError | None:
    """Why a guest in this state cannot answer; None: it could."""
    made = _ERRORS.get(status.state)
    if made is None:
        return None
    down = made(environment, f"{environment.name} does not answer: {environment.domain} is {status.text}")
    if error is not None:
        down.on_target, down.evidence = error.on_target, error.evidence
    return down


def _off(environment: Environment, message: str) -> GuestError:
    return GuestError("E-GUEST-OFF", message, domain=environment.domain, uri=environment.uri)


def _crashed(environment: Environment, message: str) -> GuestError:
    return GuestDied("E-GUEST-CRASHED", message, domain=environment.domain, uri=environment.uri)


def _paused(environment: Environment, message: str) -> GuestError:
    return GuestError("E-GUEST-PAUSED", message, domain=environment.domain, uri=environment.uri)


def _frozen(environment: Environment, message: str) -> GuestError:
    return GuestError("E-GUEST-FROZEN", message, domain=environment.domain, uri=environment.uri)


_ERRORS: dict[GuestState, Callable[[Environment, str], GuestError]] = {
    GuestState.OFF: _off,
    GuestState.CRASHED: _crashed,
    GuestState.PAUSED: _paused,
    GuestState.FROZEN: _frozen,
}
