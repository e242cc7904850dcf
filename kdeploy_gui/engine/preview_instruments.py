"""What would become of a plan's instruments on one machine: those that are on, that the run brings, that miss. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kdeploy_gui.engine.exclusions import kernels_for
from kdeploy_gui.engine.kernel_choice import Change
from kdeploy_gui.engine.stages import instrument
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.instrument import Finding, Instrument, State
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.preview import InstrumentPresence, InstrumentPreview
from kdeploy_gui.ports import Instruments


@dataclass(frozen=True, slots=True)
class InstrumentOutlook:
    """One machine, and the kernel that a run would boot it with; None: it stays as it is."""

    environment: Environment
    settings: Instrumentation
    instruments: Instruments
    change: Change | None

    def preview(self, each: Instrument, found: Finding) -> InstrumentPreview:
        """What detection tells of one now, and how the run would bring it."""
        how = self._brings(each, found)
        return InstrumentPreview(
            name=each.name,
            title=each.title,
            want=self.settings.wants[each.name],
            presence=presence(found),
            note="; ".join(filter(None, (found.note, how))),
            comes=bool(how),
        )

    def missing(self, chosen: Sequence[Instrument], said: Mapping[str, Finding]) -> list[str]:
        """The required ones that are not on and that the run does not bring, each with what would."""
        return [
            instrument.shortfall(each, said[each.name], self.environment)
            for each in chosen
            if self.settings.wants[each.name] is Want.REQUIRED
            and not said[each.name].state.is_on
            and not self._brings(each, said[each.name])
        ]

    def _brings(self, each: Instrument, found: Finding) -> str:
        """How the run brings an instrument; empty: it does not, or it is on."""
        if found.state.is_on:
            return ""
        if self.change is not None and self.change.kernel in kernels_for(self.environment, each.name):
            return f"the run boots the kernel {self.change.kernel.name} for it"
        return "the run switches it on" if self.settings.may_switch and self.instruments.curable(found) else ""


def presence(found: Finding) -> InstrumentPresence:
    """What detection says, in one word; nothing is guessed."""
    if found.state.is_on:
        return InstrumentPresence.ON
    if found.state is State.UNKNOWN:
        return InstrumentPresence.NOT_CHECKED
    is_there = found.built_in is not False and found.reachable is not False
    return InstrumentPresence.OFF if is_there else InstrumentPresence.ABSENT
