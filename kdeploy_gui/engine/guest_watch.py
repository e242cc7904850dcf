"""What becomes of the guest of a run while the run works in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from kdeploy_gui.engine.guest import state_error
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import GuestStatus
from kdeploy_gui.ports import Guests

Change = tuple[str, GuestStatus]


class GuestWatch:
    """Watches from `start` to `stop`. `cut` is told why a guest that was shut off or crashed answers no more.

    Only while it `is_used`: a run that is not connected is switching the guest itself, or waits for it and looks.
    """

    def __init__(
        self, environment: Environment, guests: Guests, is_used: Callable[[], bool], cut: Callable[[GuestError], None]
    ) -> None:
        self._environment = environment
        self._guests = guests
        self._is_used = is_used
        self._cut = cut
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on, if the machine is a guest."""
        if self._environment.is_guest and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Watch no longer. Raises what watching raised unexpectedly."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def _watch(self) -> None:
        changes = cast("AsyncGenerator[Change, None]", self._guests.watch(self._environment.uri))
        try:
            async with aclosing(changes):
                async for name, status in changes:
                    if name == self._environment.domain and status.state.is_down and self._is_used():
                        await self._look()
        except GuestError:  # a hypervisor that lets nobody watch: the connection to the guest tells, later
            return

    async def _look(self) -> None:
        """The newest state counts: what was told may be of a switch that is over."""
        try:
            status = await self._guests.status(self._environment)
        except GuestError as error:
            if error.code == "E-GUEST-UNKNOWN":  # it was not defined: its end is all that there is of it
                self._cut(error)
            return
        down = state_error(self._environment, status)
        if status.state.is_down and down is not None and self._is_used():
            self._cut(down)
