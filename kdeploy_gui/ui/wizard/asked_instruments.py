"""What the machines that a draft chooses have of the instruments that it asks for; they are looked at as needed."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.plan import PlanDraft, Want
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition

NAMED = 3
"""Environments that are named in one line."""


class AskedInstruments(QObject):
    """Looks while it watches at machines that answer, once a boot; nothing changes there."""

    changed = Signal()
    """Something was asked for or found."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._watches = False
        self._draft = PlanDraft(name="", environments=())
        session.machines.checked.connect(self._look)
        session.instruments.changed.connect(self._looked)

    @property
    def wants(self) -> dict[str, Want]:
        """What is asked for."""
        return {name: want for name, want in self._draft.instrumentation.wants.items() if want is not Want.OFF}

    @property
    def chosen(self) -> tuple[Environment, ...]:
        """The environments of the draft."""
        return Lab(self._session.machines.environments).select(self._draft.environments)

    def show_draft(self, draft: PlanDraft) -> None:
        """Another draft, or other wishes."""
        if draft != self._draft:
            self._draft = draft
            self._look()
            self.changed.emit()

    def watch(self, on: bool) -> None:
        """Look at machines from now on, or no more."""
        self._watches = on
        self._look()

    def _look(self, name: str = "") -> None:
        """Look at chosen machines, or at one of them, that nobody has looked at in this boot."""
        if self._watches and self.wants:
            for each in self.chosen:
                if name in ("", each.name) and self._is_due(each):
                    self._session.instruments.look(each, prove=False)

    def cell(self, environment: Environment) -> tuple[Condition, str]:
        """State and words for one environment."""
        wants = self.wants
        if not wants:
            return Condition.NOT_TRIED, "None asked"
        if self._session.instruments.going(environment.name) is not None:
            return Condition.CHECKING, "Checking"
        found = self._found(environment)
        if found is None:
            return Condition.NOT_TRIED, "Not checked"
        on = {name for name in wants if name in found and State(found[name].state).is_on}
        lacks = any(want is Want.REQUIRED and name not in on for name, want in wants.items())
        return Condition.WARNING if lacks else Condition.DONE, f"{len(on)} of {len(wants)}"

    def summary(self, instrument: str) -> str:
        """How one instrument was found on all chosen environments: `On: 2 of 3. Absent: vm-stock`."""
        found = {each.name: self._found(each) for each in self.chosen}
        names: dict[State, list[str]] = {}
        for name, states in found.items():
            if states is not None and instrument in states:
                names.setdefault(State(states[instrument].state), []).append(name)
        known = sum(map(len, names.values()))
        if not known:
            return "Not checked" if found else ""
        on = sum(len(each) for state, each in names.items() if state.is_on)
        parts = [f"On: {on} of {known}"]
        parts += [
            f"{each.value.capitalize()}: {_some(names[each])}" for each in State if each in names and not each.is_on
        ]
        return ". ".join([*parts, *([f"{len(found) - known} not checked"] if known < len(found) else [])])

    def needs(self, instrument: str) -> tuple[str, ...]:
        """What each chosen environment would need to have it, a line each; those that have it are left out."""
        lines = []
        for each in self.chosen:
            found = (self._found(each) or {}).get(instrument)
            if found is not None and not State(found.state).is_on:
                says = "; ".join(filter(None, (found.note, found.remedy)))
                lines.append(visible(f"{each.name}: {found.state}{f': {says}' if says else ''}"))
        return tuple(lines)

    def _found(self, environment: Environment) -> dict[str, InstrumentState] | None:
        look = self._session.instruments.result(environment)
        if look is None or look.failure is not None:
            return None
        return {each.instrument: each for each in look.instruments}

    def _is_due(self, environment: Environment) -> bool:
        machines = self._session.machines
        check, checked = machines.result(environment.name), machines.checked_at(environment.name)
        if check is None or check.facts is None or checked is None or machines.run_of(environment.name):
            return False
        look = self._session.instruments.result(environment)
        if look is None:
            return True
        if look.failure is not None:
            return look.time < checked
        return all(each.boot_id != check.facts.boot_id for each in look.instruments if each.boot_id)

    def _looked(self, _: str) -> None:
        self.changed.emit()


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
