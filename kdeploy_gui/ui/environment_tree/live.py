"""What the tree shows of an environment now, and whether a filter leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.filters import Filter
from kdeploy_gui.ui.machines import Machines
from kdeploy_gui.ui.runs import Runs
from kdeploy_gui.ui.states import Condition, slice_icon

KEYS = ("tag", "group", "status", "name", "kind")
Fields = Mapping[str, Sequence[str]]


class Shown(NamedTuple):
    """A state as it is drawn: glyph, its colour, word, its colour."""

    icon: str
    token: str
    word: str
    word_token: str


class LiveStates:
    """States of environments as they are drawn and filtered by."""

    def __init__(self, machines: Machines, runs: Runs) -> None:
        self._machines = machines
        self._runs = runs
        self._known: dict[str, Condition] = {}
        self._facts: dict[str, tuple[Environment, Fields, str]] = {}

    def shown(self, name: str) -> Shown:
        """How a state is drawn: while a machine is looked at, the last known one with the word "Checking"."""
        condition = self._condition(name)
        known = self._known.get(name, condition)
        icon = slice_icon(self._share(name)) if condition is Condition.RUNNING else known.icon
        return Shown(icon, known.token, condition.word, condition.word_token)

    def matches(self, chosen: Filter, environment: Environment) -> bool:
        """Whether a filter leaves an environment."""
        if not chosen.terms:
            return True
        known = self._facts.get(environment.name)
        if known is None or known[0] is not environment:
            known = self._facts[environment.name] = (environment, _fields(environment), _text(environment))
        return chosen.matches({**known[1], "status": self._words(environment.name)}, known[2])

    def count(self, chosen: Filter, environments: Iterable[Environment]) -> int:
        """How many environments a filter leaves."""
        return sum(self.matches(chosen, each) for each in environments)

    def _condition(self, name: str) -> Condition:
        condition, _ = self._machines.condition(name)
        if condition is not Condition.CHECKING:
            self._known[name] = condition
        return condition

    def _words(self, name: str) -> tuple[str, ...]:
        condition = self._condition(name)
        words = {condition.word: None, self._known.get(name, condition).word: None}
        return tuple(form for word in words for form in (word, word.replace(" ", "-")))

    def _share(self, name: str) -> float:
        run = self._runs.state(self._machines.run_of(name))
        state = run.environments.get(name) if run is not None else None
        if state is None:
            return 0.0
        return state.stages_done / len(state.stages)


def folders(path: str) -> list[str]:
    """A group and the groups it is in: `rack-1`, `rack-1/left`."""
    parts = [part for part in path.split("/") if part]
    return ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]


def _fields(environment: Environment) -> Fields:
    return {
        "tag": environment.tags,
        "group": folders(environment.group) or ("",),
        "name": (environment.name,),
        "kind": (environment.kind.value,),
    }


def _text(environment: Environment) -> str:
    return " ".join((environment.name, environment.host, environment.group, *environment.tags))
