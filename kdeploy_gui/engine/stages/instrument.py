"""Instrumentation setup: look, switch on what a running kernel lets be switched on, and see it work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.exclusions import kernels_for
from kdeploy_gui.engine.kernel_change import change_kernel
from kdeploy_gui.errors import TargetError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, InstrumentState, InstrumentSwitched
from kdeploy_gui.model.instrument import Finding, Instrument, State, Switch, Switched, word
from kdeploy_gui.model.plan import Want
from kdeploy_gui.model.readiness import DEPLOYED_NOT_READY
from kdeploy_gui.ports import Instruments, Target

ROUNDS = 2
"""How often switches are thrown: what a mount brings to light may need one itself."""


async def run(context: Context) -> None:
    """Tell the state of every instrument the plan names, proven where that leaves no traces.

    What it switches on is told, and a rollback takes it back. Raises TargetError when a required one is not on, and
    what `change_kernel` raises.
    """
    target = await context.target()
    if context.plan.takes_back:
        await _take_back_run(context, target)
        return
    settings = context.plan.instrumentation
    chosen = wanted(context.ports.instruments, settings.wants)
    if not chosen and not settings.kernel_params:
        return
    found = await look(context.ports.instruments, target, chosen)
    if await change_kernel(context, found):
        target = await context.target()
        found = await look(context.ports.instruments, target, chosen)
    if settings.may_switch:
        found = await _switch_on(context, target, found)
    missing: list[str] = []
    for number, instrument in enumerate(chosen, 1):
        context.progress(number - 1, len(chosen), "instruments", instrument.title)
        result = await context.ports.instruments.prove(target, found[instrument.name], context.known.machine)
        result = with_kernels(result, context.environment)
        want = settings.wants[instrument.name]
        context.emit(state_of(result, want))
        context.findings[instrument.name] = result
        if want is Want.REQUIRED and not result.state.is_on:
            missing.append(shortfall(instrument, result, context.environment))
    context.progress(len(chosen), len(chosen), "instruments")
    if missing:
        raise missing_error(missing)


def wanted(instruments: Instruments, wants: Mapping[str, Want]) -> list[Instrument]:
    """The instruments that a plan wants, in the catalogue's order."""
    return [each for each in instruments.all() if wants.get(each.name, Want.OFF) is not Want.OFF]


async def look(instruments: Instruments, target: Target, chosen: Sequence[Instrument]) -> Mapping[str, Finding]:
    """How those instruments are there, by their names."""
    return await instruments.detect(target, [each.name for each in chosen]) if chosen else {}


async def _switch_on(context: Context, target: Target, found: Mapping[str, Finding]) -> Mapping[str, Finding]:
    instruments = context.ports.instruments
    for _ in range(ROUNDS):
        curable = [each for each in found.values() if not each.state.is_on and instruments.curable(each)]
        if not curable:
            break
        switched = await instruments.switch(target, curable)
        for each in switched:
            context.switched.append(each)
            context.emit(_told(each))
        if not switched:
            break
        found = await instruments.detect(target, list(found))
    return found


def _told(each: Switched) -> InstrumentSwitched:
    switch = each.switch
    return InstrumentSwitched(switch.path, each.before, each.after, each.boot_id, switch.undo, switch.mount)


async def take_back(context: Context) -> str:
    """Take back what this run switched on, as far as the boot is still the same; why some could not be, or nothing."""
    target = await context.target()
    switched = tuple(each for each in context.switched if each.boot_id == context.known.boot_id)
    context.switched = []
    return await _take_back(context, target, switched)


async def _take_back_run(context: Context, target: Target) -> None:
    """Take back what the run that is taken back switched on, in so far as the boot is still the same."""
    events = await asyncio.to_thread(context.ports.log.events, context.plan.takes_back)
    left = thrown(events, context.environment.name, context.known.boot_id)
    if left:
        await context.drop_mark(f"run {context.run} takes back what run {context.plan.takes_back} switched on")
    await _take_back(context, target, left)


async def _take_back(context: Context, target: Target, switched: Sequence[Switched]) -> str:
    left = await context.ports.instruments.take_back(target, switched)
    for each in reversed(switched):
        because = left.get(each.switch.path, "")
        now = each.before if not because else ""
        context.emit(replace(_told(each), before=each.after, after=now, back=True, because=because))
    return "; ".join(f"{path}: {why}" for path, why in left.items())


def thrown(events: Sequence[Event], environment: str, boot_id: str) -> tuple[Switched, ...]:
    """What a run switched on in an environment and did not take back. Another boot has lost it anyway."""
    found: dict[str, Switched] = {}
    for event in events:
        body = event.body
        if event.environment != environment or not isinstance(body, InstrumentSwitched) or body.boot_id != boot_id:
            continue
        if body.back:
            found.pop(body.path, None)
        else:
            switch = Switch(cures="", path=body.path, undo=body.undo, mount=body.mount)
            found[body.path] = Switched(switch, body.before, body.after, body.boot_id)
    return tuple(found.values())


def shortfall(instrument: Instrument, found: Finding, environment: Environment) -> str:
    """What is wrong with an instrument that is not on, and what would bring it."""
    found = with_kernels(found, environment)
    what = f"{instrument.title}: {found.note or 'it is ' + found.state}"
    return f"{what} ({found.remedy})" if found.remedy else what


def with_kernels(found: Finding, environment: Environment) -> Finding:
    """A finding whose remedy names the kernel that the environment has for it."""
    if found.state is not State.ABSENT:
        return found
    names = ", ".join(f"'{each.name}'" for each in kernels_for(environment, found.instrument))
    if not names:
        return found
    return replace(found, remedy=f"{found.remedy}; {environment.name} has the kernel {names}")


def missing_error(missing: Sequence[str]) -> TargetError:
    """The error that names every required instrument that is not shown to be on."""
    return TargetError(
        "E-INSTRUMENT",
        f"required instruments are not shown to be on: {'; '.join(missing)}",
        on_target=DEPLOYED_NOT_READY,
        instruments="; ".join(missing),
    )


def state_of(found: Finding, want: Want) -> InstrumentState:
    """The matrix row of a finding."""
    return InstrumentState(
        instrument=found.instrument,
        wanted=want.value,
        built_in=word(found.built_in),
        reachable=word(found.reachable),
        on=word(found.on),
        proven=word(found.proven),
        note=found.note,
        state=found.state.value,
        remedy=found.remedy,
        boot_id=found.boot_id,
        evidence=found.evidence,
    )
