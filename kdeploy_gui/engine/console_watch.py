"""The serial console of one environment during a run: kept with the run, and watched together with the kernel's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kdeploy_gui.engine.consoles import ConsoleHub, Listening
from kdeploy_gui.engine.splats.lines import plain
from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Body, FactFound

BATCH = 0.25
"""Seconds for which what comes is collected before it is stored: one event each time."""
BATCH_BYTES = 64 * 1024
TAIL = 4096
"""Bytes of which the last lines are told with an error."""
TAIL_LINES = 25
MOST = 20
"""How often a run tells that the way to the console is otherwise."""


class ConsoleWatch:
    """Listens from `start` to `stop`. `store` keeps bytes with the run, `take` looks for reports in them."""

    def __init__(
        self,
        environment: Environment,
        hub: ConsoleHub,
        emit: Callable[[Body], None],
        store: Callable[[bytes], None],
        take: Callable[[bytes], None],
    ) -> None:
        self._environment = environment
        self._hub = hub
        self._emit = emit
        self._store = store
        self._take = take
        self._listening: Listening | None = None
        self._collected = bytearray()
        self._storing: asyncio.TimerHandle | None = None
        self._tail = b""
        self._was_open = False
        self._told: list[str] = []

    @property
    def listens(self) -> bool:
        """Whether it listens and the console is open."""
        return self._listening is not None and self._was_open

    def start(self) -> None:
        """Listen from now on, if the machine has a console."""
        if self._environment.has_console and self._listening is None:
            self._listening = self._hub.listen(self._environment, self._heard, self._link_is)

    async def stop(self) -> None:
        """Listen no longer; all that came is stored."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.close()
        self.store()

    def hurry(self) -> None:
        """The machine was just switched on."""
        if self._listening is not None:
            self._listening.hurry()

    def store(self) -> None:
        """Store what was collected."""
        if self._storing is not None:
            self._storing.cancel()
            self._storing = None
        if self._collected:
            data = bytes(self._collected)
            self._collected.clear()
            self._store(data)

    def last_lines(self) -> str:
        """The last lines that came in this run; empty where it could not be listened to."""
        lines = [plain(each) for each in self._tail.replace(b"\r", b"\n").split(b"\n")]
        found = "\n".join([each for each in lines if each][-TAIL_LINES:])
        return found or ("nothing was printed there during this run" if self._was_open else "")

    def _heard(self, piece: Piece) -> None:
        self._tail = (self._tail + piece.data)[-TAIL:]
        self._collected += piece.data
        self._take(piece.data)
        if len(self._collected) >= BATCH_BYTES:
            self.store()
        elif self._storing is None:
            self._storing = asyncio.get_running_loop().call_later(BATCH, self.store)

    def _link_is(self, state: LinkState) -> None:
        if state.link is Link.OPENING:
            return
        self._was_open = self._was_open or state.link is Link.OPEN
        words = f"open: {state.words}" if state.link is Link.OPEN else f"not open: {state.words}"
        if words not in self._told[-1:] and len(self._told) < MOST:
            self._told.append(words)
            self._emit(FactFound("console", words))
