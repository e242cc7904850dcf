"""States of guests on their way to those who watch them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.guest import GuestStatus


class GuestChanges:
    """What one watcher has not taken yet: the newest state of each guest, however many there were."""

    def __init__(self, states: Mapping[str, GuestStatus]) -> None:
        self._waiting = dict(states)
        self._some = asyncio.Event()
        self._error: GuestError | None = None

    def tell(self, name: str, status: GuestStatus) -> None:
        """A guest is in this state now."""
        self._waiting[name] = status
        self._some.set()

    def fail(self, error: GuestError) -> None:
        """Nothing more will come."""
        self._error = error
        self._some.set()

    async def taken(self) -> AsyncIterator[tuple[str, GuestStatus]]:
        """Each as it comes, without end. Raises what `fail` was given."""
        while True:
            while self._waiting:
                name = next(iter(self._waiting))
                yield name, self._waiting.pop(name)
            if self._error is not None:
                raise self._error
            self._some.clear()
            await self._some.wait()
