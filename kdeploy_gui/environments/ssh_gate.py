"""How many knock at a server at once, and how soon again after it refused somebody.

sshd drops connections at random when more than ten have not logged in yet (MaxStartups 10:30:100), and newer ones shut
out addresses whose logins fail (PerSourcePenalties).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager

from kdeploy_gui import defaults
from kdeploy_gui.ports import Clock


class Gate:
    """At most `defaults.UNAUTHENTICATED_CONNECTS` visits at a time per place; used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._visits: dict[Hashable, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(defaults.UNAUTHENTICATED_CONNECTS)
        )
        self._closed_until: dict[Hashable, float] = {}

    @asynccontextmanager
    async def visit(self, *places: Hashable) -> AsyncIterator[None]:
        """Be one of the visitors of all places until the login is done; waits until the first takes visits again."""
        async with AsyncExitStack() as stack:
            for place in places:
                await stack.enter_async_context(self._visits[place])
            while (wait := self._closed_until.get(places[0], 0.0) - self._clock.monotonic()) > 0:
                await self._clock.sleep(wait)
            self._closed_until.pop(places[0], None)
            yield

    def refused(self, place: Hashable) -> None:
        """A login was refused there: nobody else goes there for `defaults.REFUSAL_PAUSE`."""
        self._closed_until[place] = self._clock.monotonic() + defaults.REFUSAL_PAUSE
