"""Instrumentation setup: what the catalogue can detect is detected; the rest is honestly unknown."""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy_gui.engine.context import Context
from kdeploy_gui.errors import TargetError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.plan import Want
from kdeploy_gui.ports import Target

ANSWERS = ("yes", "no", "unknown")


async def run(context: Context) -> None:
    """Tell the state of every instrument the plan names. Raises TargetError when a required one is not on."""
    target = await context.target()
    wants = context.plan.instrumentation.wants
    chosen = [each for each in context.ports.instruments.all() if wants.get(each.name, Want.OFF) is not Want.OFF]
    if not chosen:
        return
    said = await detect(target, chosen)
    missing: list[str] = []
    for number, instrument in enumerate(chosen, 1):
        want = wants[instrument.name]
        state = state_of(instrument, want, said.get(instrument.name, {}))
        context.emit(state)
        context.instruments[instrument.name] = "on" if state.on == "yes" else state.on
        if want is Want.REQUIRED and state.on != "yes":
            missing.append(shortfall(instrument, state))
        context.progress(number, len(chosen), "instruments", instrument.title)
    if missing:
        raise missing_error(missing)


def shortfall(instrument: Instrument, state: InstrumentState) -> str:
    """What is wrong with an instrument that is not on."""
    return f"{instrument.title}: {state.note or 'on is ' + state.on}"


def missing_error(missing: Sequence[str]) -> TargetError:
    """The error that names every required instrument that is not shown to be on."""
    return TargetError(
        "E-INSTRUMENT",
        f"required instruments are not shown to be on: {'; '.join(missing)}",
        on_target="The files are deployed; the environment is not READY.",
        instruments="; ".join(missing),
    )


async def detect(target: Target, instruments: list[Instrument]) -> dict[str, dict[str, str]]:
    """Run all detection scripts in one round trip; answers by instrument and key."""
    scripts = [each for each in instruments if each.detect]
    if not scripts:
        return {}
    parts = [f"printf '@\\t%s\\n' {each.name}\n(\n{each.detect}\n)\n" for each in scripts]
    done = await target.execute(Command("LC_ALL=C; export LC_ALL\n" + "".join(parts), title="instrument detection"))
    said: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in done.text.split("\n"):
        key, _, value = line.partition("\t")
        if key == "@":
            current = said.setdefault(value, {})
        elif key:
            current[key] = value
    return said


def state_of(instrument: Instrument, want: Want, said: dict[str, str]) -> InstrumentState:
    """The matrix row; whatever was not answered with yes or no is unknown."""
    built_in, reachable, on = (
        answer if (answer := said.get(key, "")) in ANSWERS else "unknown" for key in ("built_in", "reachable", "on")
    )
    note = said.get("note", "") or ("" if instrument.detect else "this version of kdeploy cannot detect it")
    return InstrumentState(instrument.name, want.value, built_in, reachable, on, "unknown", note)
