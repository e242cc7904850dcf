"""One stream of a machine's kernel messages: its reports are told when they are whole, or when nothing more comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kdeploy_gui.engine.splats.recogniser import Recogniser
from kdeploy_gui.model.splat import Splat

QUIET = 0.25
"""Seconds without a line after which a report that is open is taken as it is."""
PATIENCE = 0.75
"""Seconds after which an open report is taken in any case."""


class SplatStream:
    """Feeds one recogniser, and ends its reports when time has passed."""

    def __init__(self, tell: Callable[[list[Splat]], None]) -> None:
        self.recogniser = Recogniser()
        self._tell = tell
        self._settling: asyncio.TimerHandle | None = None
        self._open_since: float | None = None

    def take(self, data: bytes) -> None:
        """The next bytes."""
        self._tell(self.recogniser.feed(data))
        self._settle_later()

    def settle(self) -> None:
        """Nothing more comes: what is open is taken as it is."""
        self._tell(self.recogniser.settle())
        self._settle_later()

    def _settle_later(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if not self.recogniser.pending:
            self._open_since = None
            return
        loop = asyncio.get_running_loop()
        self._open_since = self._open_since or loop.time()
        moment = min(loop.time() + QUIET, self._open_since + PATIENCE)
        self._settling = loop.call_at(moment, self.settle)
