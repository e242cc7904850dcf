"""Serial consoles that exist in memory only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from kdeploy_gui.environments.console_stream import Arrivals, lost
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.environment import Environment


class MemoryConsole:
    """The `ConsoleStream` port; `typed` is what was written."""

    def __init__(self) -> None:
        self._arrivals = Arrivals(lambda on: None)
        self.typed = b""

    @property
    def ended(self) -> str:
        """See `ConsoleStream.ended`."""
        return self._arrivals.ended

    def print(self, data: bytes) -> None:
        """The machine prints."""
        self._arrivals.arrived(data)

    def break_off(self, why: str) -> None:
        """The console ends."""
        self._arrivals.end(why)

    @property
    def way(self) -> str:
        """See `ConsoleStream.way`."""
        return "memory"

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        return await self._arrivals.read()

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        if self.ended:
            raise lost(self.ended)
        self.typed += data

    async def close(self) -> None:
        """See `ConsoleStream.close`."""
        self._arrivals.end("closed here")


@dataclass
class MemoryConsoles:
    """The `Consoles` port. `opened` are the streams of each environment; `failures` what its next calls raise."""

    opened: dict[str, list[MemoryConsole]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, list[KdeployError]] = field(default_factory=lambda: defaultdict(list))

    async def open(self, environment: Environment) -> MemoryConsole:
        """See `Consoles.open`."""
        if self.failures[environment.name]:
            raise self.failures[environment.name].pop(0)
        stream = MemoryConsole()
        self.opened[environment.name].append(stream)
        return stream
