"""The way to a console that the lab file names."""

from __future__ import annotations

from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Consoles, ConsoleStream


class NamedConsoles:
    """The `Consoles` port over those for each way."""

    def __init__(self, command: Consoles, tcp: Consoles, guest: Consoles) -> None:
        self._command = command
        self._tcp = tcp
        self._guest = guest

    async def open(self, environment: Environment) -> ConsoleStream:
        """See `Consoles.open`."""
        if environment.console.command:
            return await self._command.open(environment)
        if environment.console.tcp:
            return await self._tcp.open(environment)
        if environment.is_guest:
            return await self._guest.open(environment)
        message = f"the lab file names no console of {environment.name}"
        raise PlanError("E-CONSOLE-NONE", message, on_target="Unchanged.")
