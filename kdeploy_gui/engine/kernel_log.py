"""The kernel's log of one environment while a run is there: kept with the output, and watched for reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kdeploy_gui.engine.splats.recogniser import Recogniser
from kdeploy_gui.errors import Evidence, KdeployError, KernelSplat
from kdeploy_gui.model.event import Body, FactFound
from kdeploy_gui.model.plan import OnSplat
from kdeploy_gui.model.splat import Splat, SplatSeen
from kdeploy_gui.ports import Target

QUIET = 0.25
"""Seconds without a line after which a report that is open is taken as it is."""
PATIENCE = 0.75
"""Seconds after which an open report is taken in any case."""
EVIDENCE = 5.0
"""Seconds that the rest of a report is waited for before anything is done about it."""
MOST = 100
"""Reports of one environment and run that are told."""


class KernelLog:
    """Follows one target after the other. Reports become events, and one that counts ends what `guard` guards."""

    def __init__(self, emit: Callable[[Body], None], output: Callable[[bytes], None], policy: OnSplat) -> None:
        self._emit = emit
        self._output = output
        self._fails = policy is OnSplat.FAIL
        self._recogniser = Recogniser()
        self._following: asyncio.Task[None] | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._open_since: float | None = None
        self._told = 0
        self._struck = asyncio.Event()
        self._heard = asyncio.Event()
        self._splat: Splat | None = None

    def follow(self, target: Target) -> None:
        """Follow the kernel's log of a target that has just been connected."""
        self._following = asyncio.get_running_loop().create_task(self._follow(target))

    async def stop(self) -> None:
        """Follow no longer; a report that is open is taken as it is. Raises what following it raised unexpectedly."""
        following, self._following = self._following, None
        if following is None:
            return
        following.cancel()
        await asyncio.wait({following})
        self._settle()
        if not following.cancelled():
            following.result()

    async def _follow(self, target: Target) -> None:
        try:
            why = await target.follow_kernel_log(self.take)
        except KdeployError as error:
            why = error.message
        self._emit(FactFound("kernel_log", f"not followed: {why}"))

    def take(self, data: bytes) -> None:
        """Lines of the log, as they come."""
        self._output(data)
        self._heard.set()
        self._tell(self._recogniser.feed(data))
        self._settle_later()

    async def guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, unless the kernel reports trouble before it ends. Raises KernelSplat, and what `work` raises."""
        doing = asyncio.ensure_future(work())
        struck = asyncio.ensure_future(self._struck.wait())
        try:
            await asyncio.wait({doing, struck}, return_when=asyncio.FIRST_COMPLETED)
            if self._splat is None:
                await doing
        finally:
            struck.cancel()
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing})
        if self._splat is not None:
            raise _error(self._splat) from (None if doing.cancelled() else doing.exception())

    async def evidence(self) -> None:
        """Return when the kernel has said all that it has to say about a report, or has been waited for long enough."""
        try:
            async with asyncio.timeout(EVIDENCE):
                while self._following is not None and not self._following.done():
                    self._heard.clear()
                    await asyncio.wait_for(self._heard.wait(), PATIENCE)
        except TimeoutError:
            return

    def _tell(self, splats: list[Splat]) -> None:
        for splat in splats:
            fails = self._fails and splat.counts
            if self._told < MOST or (fails and self._splat is None):
                self._told += 1
                self._emit(SplatSeen(splat, fails))
            if fails and self._splat is None:
                self._splat = splat
                self._struck.set()

    def _settle_later(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if not self._recogniser.pending:
            self._open_since = None
            return
        loop = asyncio.get_running_loop()
        self._open_since = self._open_since or loop.time()
        moment = min(loop.time() + QUIET, self._open_since + PATIENCE)
        self._settling = loop.call_at(moment, self._settle)

    def _settle(self) -> None:
        self._tell(self._recogniser.settle())
        self._settle_later()


def _error(splat: Splat) -> KernelSplat:
    return KernelSplat(
        "E-SPLAT",
        f"its kernel reported: {splat.words}",
        on_target="The kernel is in doubt until the machine has been booted again.",
        evidence=Evidence("kernel log", None, splat.excerpt),
    )
