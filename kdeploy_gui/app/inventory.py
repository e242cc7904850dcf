"""The environments of a lab file, and looks at the machines behind them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from kdeploy_gui.documents import lab_edit
from kdeploy_gui.documents.lab_file import LabFile, read_lab
from kdeploy_gui.engine import readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.errors import PlanError, TrustError
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.problem import Problem, did_you_mean


class Inventory:
    """The machines of one lab file; verbs may be called from any thread but the engine's."""

    def __init__(self, lab_file: Path, ports: Ports, engine: EngineThread) -> None:
        self.lab_file = lab_file
        self._ports = ports
        self._engine = engine

    def read(self) -> LabFile:
        """The lab file as it is now, with its problems."""
        return read_lab(self.lab_file)

    def get(self, name: str) -> Environment:
        """The environment of that name. Raises PlanError, with the nearest name."""
        document = self.read()
        environment = document.lab.get(name)
        if environment is None:
            refuse(document.problems)
            known = [each.name for each in document.lab.environments]
            hint = did_you_mean(name, known)
            raise PlanError("E-LAB-UNKNOWN", f"no environment is called '{name}'{hint}", path=str(self.lab_file))
        return environment

    def add(self, environment: Environment) -> tuple[Problem, ...]:
        """Write an environment into the lab file; returns why not, or nothing. Raises LocalError."""
        return lab_edit.add_environment(self.lab_file, environment)

    def remove(self, name: str) -> None:
        """Take an environment out of the lab file. Raises PlanError, LocalError."""
        refuse(lab_edit.remove_environment(self.lab_file, name))

    def offered_host_key(self, name: str) -> str:
        """The fingerprint that a machine offers now."""
        return self._engine.ask(self._ports.connector.host_key(self.get(name)))

    def trust(self, name: str, fingerprint: str) -> None:
        """Pin the key that the machine offers, if it is exactly this one. Raises TrustError if it is another."""
        offered = self.offered_host_key(name)
        if offered != fingerprint:
            raise TrustError(
                "E-HOSTKEY-OTHER",
                f"{name} offers {offered}, not {fingerprint}",
                on_target="Nothing was sent.",
                offered=offered,
            )
        refuse(lab_edit.set_host_keys(self.lab_file, name, [fingerprint]))

    def check(self, name: str, *, files: bool = True, manifest: Plan | None = None) -> EnvironmentCheck:
        """Connect and say whether the machine is READY now. Changes nothing there; drops a mark that does not hold."""
        return self._engine.ask(readiness.check(self._ports, self.get(name), files=files, plan=manifest))

    def start_check(self, environment: Environment) -> Future[EnvironmentCheck]:
        """`check` without the deployed files, for many machines at once: cancelling the future ends it there."""
        return self._engine.start(readiness.check(self._ports, environment, files=False))


def refuse(problems: Sequence[Problem]) -> None:
    """Raise PlanError where there are problems."""
    if problems:
        raise PlanError("E-LAB", "\n".join(map(str, problems)), path=problems[0].file)
