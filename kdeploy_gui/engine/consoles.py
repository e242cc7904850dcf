"""Serial consoles in this process: each opened once while anybody listens, and again whenever it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError, NetworkError, PlanError
from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Clock, Consoles, ConsoleStream

Heard = Callable[[Piece], None]
Told = Callable[[LinkState], None]


@dataclass(eq=False, slots=True)
class Listening:
    """Somebody who listens to a console; `close` ends that."""

    _line: _Line
    heard: Heard
    told: Told

    async def write(self, data: bytes) -> None:
        """Send bytes to the machine. Raises NetworkError E-CONSOLE-LOST where the console is not open."""
        await self._line.write(data)

    def hurry(self) -> None:
        """The machine has just been switched on: try again at once what waits to be tried again."""
        self._line.hurry.set()

    async def close(self) -> None:
        """Listen no longer; the last one closes the console."""
        await self._line.leave(self)


class ConsoleHub:
    """All consoles of this process. Belongs to one event loop; listeners are called there and must not raise."""

    def __init__(self, consoles: Consoles, clock: Clock) -> None:
        self._consoles = consoles
        self._clock = clock
        self._lines: dict[Environment, _Line] = {}

    def listen(self, environment: Environment, heard: Heard, told: Told) -> Listening:
        """Hear what a machine's console prints from now on, and be told how the way to it is."""
        line = self._lines.get(environment)
        if line is None:
            line = _Line(environment, self._consoles, self._clock, self._forget)
            self._lines[environment] = line
        listening = Listening(line, heard, told)
        line.join(listening)
        return listening

    async def close(self) -> None:
        """Close all consoles."""
        for line in tuple(self._lines.values()):
            await line.end()

    def _forget(self, environment: Environment) -> None:
        self._lines.pop(environment, None)


@dataclass(eq=False)
class _Line:
    """One console, opened again and again."""

    environment: Environment
    consoles: Consoles
    clock: Clock
    forget: Callable[[Environment], None]
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list[Listening] = field(default_factory=list)
    _stream: ConsoleStream | None = None
    _state: LinkState = field(default_factory=lambda: LinkState(Link.OPENING))
    _keeping: asyncio.Task[None] | None = None

    def join(self, listening: Listening) -> None:
        self._listeners.append(listening)
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep())
        listening.told(self._state)

    async def leave(self, listening: Listening) -> None:
        if listening in self._listeners:
            self._listeners.remove(listening)
        if not self._listeners:
            await self.end()

    async def end(self) -> None:
        self.forget(self.environment)
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait({keeping})
            if not keeping.cancelled():
                keeping.result()

    async def write(self, data: bytes) -> None:
        if self._stream is None:
            raise NetworkError(
                "E-CONSOLE-LOST",
                f"the console is not open: {self._state.words or self._state.link.value}",
                on_target="What was typed has not arrived.",
            )
        await self._stream.write(data)

    def _tell(self, link: Link, words: str = "") -> None:
        self._state = LinkState(link, words)
        for each in tuple(self._listeners):
            each.told(self._state)

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = self.clock.monotonic()
            self.hurry.clear()
            try:
                why = await self._once()
            except PlanError as error:
                self._tell(Link.NONE, error.message)
                return
            except KdeployError as error:
                why = error.message
            failures = 1 if self.clock.monotonic() - began > defaults.CONSOLE_STEADY else failures + 1
            pause = defaults.CONSOLE_PAUSES[min(failures, len(defaults.CONSOLE_PAUSES)) - 1]
            self._tell(Link.WAITING, f"{why}; trying again{f' in {pause:g} s' if pause else ''}")
            await self._pause(pause)
            self._tell(Link.OPENING, why)

    async def _pause(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(each) for each in (self.clock.sleep(seconds), self.hurry.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _once(self) -> str:
        """Open it and hand on what comes, to its end; why it ended."""
        stream = await self.consoles.open(self.environment)
        self._stream = stream
        try:
            self._tell(Link.OPEN, stream.way)
            while data := await stream.read():
                piece = Piece(self.clock.now(), data)
                for each in tuple(self._listeners):
                    each.heard(piece)
            return stream.ended
        finally:
            self._stream = None
            await stream.close()
