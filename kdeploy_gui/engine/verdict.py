"""All or none: environments of a run that wait for each other's end."""

from __future__ import annotations

import asyncio


class Verdict:
    """Whether all of `count` environments came through; known as soon as one did not."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._failed = False
        self._known = asyncio.Event()

    def tell(self, *, well: bool) -> None:
        """One environment has come to its end; each tells it once."""
        self._missing -= 1
        self._failed = self._failed or not well
        if self._failed or not self._missing:
            self._known.set()

    async def all_well(self) -> bool:
        """Wait until it is known."""
        await self._known.wait()
        return not self._failed
