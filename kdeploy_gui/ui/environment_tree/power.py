"""Switching machines from the window: what will happen is said first, and no key does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from kdeploy_gui.defaults import SHUTDOWN_TIMEOUT
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session

NO_KEY = "it acts on hardware"
NONE_CHOSEN = "Select environments first"
TITLES = {PowerAction.ON: "Power on...", PowerAction.OFF: "Power off...", PowerAction.RESET: "Power reset..."}
ICONS = {PowerAction.ON: "power", PowerAction.OFF: "power-off", PowerAction.RESET: "restart"}
REBOOT = "environment.reboot"
VERBS = {PowerAction.ON: "Power on", PowerAction.OFF: "Power off", PowerAction.RESET: "Reset"}
_SUDDEN = " Whatever goes on there ends at once, and what was not written to disk is lost. READY goes with the boot."
_COMMANDS = "These commands of the lab file run on this workstation."
_LIBVIRT = "libvirt does it."
GUESTS = {
    PowerAction.ON: "{domain} is started by libvirt",
    PowerAction.OFF: f"libvirt presses {{domain}}'s power button and pulls the plug after {SHUTDOWN_TIMEOUT:.0f} s",
    PowerAction.RESET: "libvirt resets {domain}",
}
"""What happens to a guest."""


def power_commands(session: Session) -> tuple[Command, ...]:
    """The commands that switch and restart what is selected."""
    restart = Command(
        REBOOT,
        "Reboot...",
        "Environment",
        partial(_begin_reboot, session),
        icon="restart",
        enabled=lambda: "" if _chosen(session) else NONE_CHOSEN,
        keywords="restart boot",
        no_key=NO_KEY,
    )
    switches = (
        Command(
            f"environment.power_{action.value}",
            TITLES[action],
            "Environment",
            partial(_begin, session, action),
            icon=ICONS[action],
            enabled=partial(_why_not, session, action),
            keywords="pdu supply relay hardware switch reboot",
            no_key=NO_KEY,
        )
        for action in PowerAction
    )
    return (*switches, restart)


def _chosen(session: Session) -> list[Environment]:
    found = (session.machines.get(name) for name in session.machines.selected)
    return [each for each in found if each is not None]


def _why_not(session: Session, action: PowerAction) -> str:
    chosen = _chosen(session)
    if not chosen:
        return NONE_CHOSEN
    if any(_can(each, action) for each in chosen):
        return ""
    whose = f"{visible(chosen[0].name)} has no" if len(chosen) == 1 else "None of these has a"
    return f"{whose} command for it under [environment.power] in the lab file"


def _can(environment: Environment, action: PowerAction) -> bool:
    return environment.is_guest or not environment.power.lacks(action)


def _text(environments: Sequence[Environment], action: PowerAction) -> str:
    how = _LIBVIRT if all(each.is_guest for each in environments) else _COMMANDS
    return how if action is PowerAction.ON else f"{how}{_SUDDEN}"


def _begin_reboot(session: Session) -> None:
    session.bridge.spawn(reboot(session, _chosen(session)), name="reboot")


def _begin(session: Session, action: PowerAction) -> None:
    able = [each for each in _chosen(session) if _can(each, action)]
    session.bridge.spawn(switch(session, action, able), name=f"power {action.value}")


async def switch(session: Session, action: PowerAction, environments: Sequence[Environment]) -> None:
    """Switch machines if the user wants what that does, and look at them again; each failure is told by itself."""
    whose = visible(environments[0].name) if len(environments) == 1 else f"{len(environments)} environments"
    question = Question(
        title=f"{VERBS[action]} {whose}",
        text=_text(environments, action),
        details=[_what_happens(session, action, each) for each in environments],
        accept=VERBS[action],
        danger=action is not PowerAction.ON,
    )
    if not await session.asking.confirm(question):
        return
    start = session.services.inventory.start_power
    await _all_done(session, {each.name: start(each, action) for each in environments})


async def reboot(session: Session, environments: Sequence[Environment]) -> None:
    """Have machines restart themselves if the user wants that, and look at them again; as `switch`."""
    whose = visible(environments[0].name) if len(environments) == 1 else f"{len(environments)} environments"
    question = Question(
        title=f"Reboot {whose}",
        text="Each is told over SSH to restart itself: its services end and its files are written. READY goes with the"
        " boot.",
        details=[f"{visible(each.name)}{_used(session, each)}" for each in environments],
        accept="Reboot",
        danger=True,
    )
    if await session.asking.confirm(question):
        start = session.services.inventory.start_reboot
        await _all_done(session, {each.name: start(each) for each in environments})


async def _all_done(session: Session, going: Mapping[str, Future[Any]]) -> None:
    for name, future in going.items():
        try:
            await session.bridge.wait(future)
        except KdeployError as error:
            session.asking.tell(session.services.failure_of(error, name))
    session.machines.check(going)


def _used(session: Session, environment: Environment) -> str:
    run = session.machines.run_of(environment.name)
    return f" (run {run} works on it now)" if run else ""


def _what_happens(session: Session, action: PowerAction, environment: Environment) -> str:
    power = environment.power
    if environment.is_guest:
        what = GUESTS[action].format(domain=visible(environment.domain))
    else:
        steps = (action,) if power.command(action) else (PowerAction.OFF, PowerAction.ON)
        what = ", then ".join(visible(power.command(each)) for each in steps)
    used = _used(session, environment) if action is not PowerAction.ON else ""
    return f"{visible(environment.name)}: {what}{used}"
