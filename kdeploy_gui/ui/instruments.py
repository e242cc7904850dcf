"""How kernel instruments were found, for each environment that was looked at since the program started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from kdeploy_gui.app import Services
from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.bridge import Bridge

AT_ONCE = 8
"""Machines looked at at the same time."""


@dataclass(frozen=True, slots=True)
class Looking:
    """A look that goes on; `proves`: what is found is also seen working."""

    proves: bool
    task: asyncio.Task[None]


class InstrumentLooks(QObject):
    """Looks at instruments when it is told to, one look per environment at a time."""

    changed = Signal(str)
    """A look at this environment has begun or ended."""

    def __init__(self, services: Services, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._bridge = bridge
        self._looks: dict[str, tuple[Environment, InstrumentLook]] = {}
        self._going: dict[str, Looking] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def result(self, environment: Environment | None) -> InstrumentLook | None:
        """What the last look found; None: nobody has looked at the machine that it names now."""
        known = self._looks.get(environment.name) if environment is not None else None
        return known[1] if known is not None and known[0] == environment else None

    def going(self, name: str) -> Looking | None:
        """The look that goes on."""
        return self._going.get(name)

    def look(self, environment: Environment, *, prove: bool) -> None:
        """Look at a machine; nothing changes there, or with `prove` only for as long as that takes."""
        name = environment.name
        if name in self._going:
            return
        task = self._bridge.spawn(self._look(environment, prove), name=f"look at the instruments of {name}")
        if task is not None:
            self._going[name] = Looking(prove, task)
            self.changed.emit(name)

    def cancel(self, name: str) -> None:
        """Give up a look; what it changed is put back."""
        going = self._going.get(name)
        if going is not None:
            going.task.cancel()

    async def _look(self, environment: Environment, prove: bool) -> None:
        name = environment.name
        try:
            async with self._turns:
                look = self._services.inventory.start_instruments(environment, prove=prove)
                self._looks[name] = (environment, await self._bridge.wait(look))
        finally:
            del self._going[name]
            self.changed.emit(name)
