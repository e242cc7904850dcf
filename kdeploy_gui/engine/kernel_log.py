"""What the kernel of one environment says while a run is there, in its log and on its console: watched for reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Literal

from kdeploy_gui.engine.splat_stream import PATIENCE, SplatStream
from kdeploy_gui.engine.splats.twins import Source, Twins
from kdeploy_gui.errors import Evidence, GuestDied, GuestError, KdeployError, KernelDead, KernelSplat, NetworkError
from kdeploy_gui.model.event import Body, FactFound
from kdeploy_gui.model.plan import OnSplat
from kdeploy_gui.model.splat import Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.ports import Target

EVIDENCE = 5.0
"""Seconds that the rest of a report is waited for before anything is done about it."""
MOST = 100
"""Reports of one environment and run that are told."""


class KernelLog:
    """Follows one target after the other, and takes what the console prints.

    Reports become events, once each, and one that counts ends what `guard` guards; while it is not
    connected, as in a boot, only crashes do. So does `cut`. `console_listens` says whether anything can come from
    the console.
    """

    def __init__(self, emit: Callable[[Body], None], output: Callable[[bytes], None], policy: OnSplat) -> None:
        self._emit = emit
        self._output = output
        self._fails = policy is OnSplat.FAIL
        self._log = SplatStream(partial(self._tell, Source.LOG))
        self._console = SplatStream(partial(self._tell, Source.CONSOLE))
        self._twins = Twins()
        self._following: asyncio.Task[None] | None = None
        self._told = 0
        self._struck = asyncio.Event()
        self._heard = asyncio.Event()
        self._splat: KernelSplat | None = None
        self._ended = asyncio.Event()
        self._end: GuestError | None = None
        self.console_listens: Callable[[], bool] = lambda: False

    def follow(self, target: Target) -> None:
        """Follow the kernel's log of a target that has just been connected."""
        self._forget_end()
        self._following = asyncio.get_running_loop().create_task(self._follow(target))

    async def stop(self) -> None:
        """Follow no longer; a report that is open is taken as it is. Raises what following it raised unexpectedly."""
        following, self._following = self._following, None
        if following is None:
            return
        following.cancel()
        await asyncio.wait({following})
        self._log.settle()
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
        self._log.take(data)

    def take_console(self, data: bytes) -> None:
        """What the console prints, as it comes."""
        self._heard.set()
        self._console.take(data)
        if self._console.recogniser.emulated:
            self._log.recogniser.emulated = True

    def take_record(self, data: bytes) -> None:
        """What the kernel kept of its end in the boot before."""
        self._output(data)
        records = SplatStream(partial(self._tell, Source.RECORD))
        records.take(data)
        records.settle()

    def settle_console(self) -> None:
        """Nothing more comes from the console."""
        self._console.settle()

    def cut(self, error: GuestError) -> None:
        """The guest has ended under its kernel: what is guarded ends, too."""
        self._end = error
        self._ended.set()

    def _forget_end(self) -> None:
        self._end = None
        self._ended.clear()

    async def guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, unless the kernel reports trouble before it ends, or the guest does.

        Raises KernelSplat, what `cut` was given, and what `work` raises.
        """
        doing = asyncio.ensure_future(work())
        struck = asyncio.ensure_future(self._struck.wait())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({doing, struck, ended}, return_when=asyncio.FIRST_COMPLETED)
            broke = doing.done() and not doing.cancelled() and isinstance(doing.exception(), NetworkError)
            if broke or self._end is not None:
                await self._reports_end(struck)
            if self._splat is None and (self._end is None or _is_well(doing)):
                await doing
        finally:
            struck.cancel()
            ended.cancel()
            doing.cancel()
            while not doing.done():
                with suppress(asyncio.CancelledError):  # cancelled again: what is cleaned up is not left half done
                    await asyncio.wait({doing})
        if self._splat is not None:
            raise self._splat from (None if doing.cancelled() else doing.exception())
        if self._end is not None and not _is_well(doing):
            end = self._end
            self._forget_end()
            raise end from (None if doing.cancelled() else doing.exception())

    async def _reports_end(self, struck: asyncio.Future[Literal[True]]) -> None:
        """A connection that breaks in the middle of a report broke because of it; a crash may still be printed."""
        crashed = isinstance(self._end, GuestDied) and self.console_listens()
        if crashed or self._log.recogniser.pending or self._console.recogniser.pending:
            await asyncio.wait({struck}, timeout=2 * PATIENCE)

    async def evidence(self) -> None:
        """Return when the kernel has said all that it has to say about a report, or has been waited for long enough."""
        try:
            async with asyncio.timeout(EVIDENCE):
                while self.console_listens() or (self._following is not None and not self._following.done()):
                    self._heard.clear()
                    await asyncio.wait_for(self._heard.wait(), PATIENCE)
        except TimeoutError:
            return

    @property
    def _is_reached(self) -> bool:
        return self._following is not None

    def _tell(self, source: Source, splats: list[Splat]) -> None:
        for splat in splats:
            if self._twins.is_known(source, splat):
                continue
            fails = (
                self._fails
                and splat.counts
                and (source is Source.LOG or self._is_reached or splat.severity is Severity.CRASH)
            )
            if self._told < MOST or (fails and self._splat is None):
                self._told += 1
                self._emit(SplatSeen(splat, fails))
            if fails and self._splat is None:
                self._splat = _error(source, splat)
                self._struck.set()


def _is_well(doing: asyncio.Future[None]) -> bool:
    return doing.done() and not doing.cancelled() and doing.exception() is None


def _error(source: Source, splat: Splat) -> KernelSplat:
    evidence = Evidence(source.value, None, splat.excerpt)
    if source is Source.RECORD:
        message = f"its kernel reported before the machine rebooted: {splat.words}"
        on_target = "The machine runs in another boot since; a retry verifies what is there."
        return KernelSplat("E-SPLAT", message, on_target=on_target, evidence=evidence)
    message = f"its kernel reported: {splat.words}"
    if splat.kind is SplatClass.PANIC:
        on_target = "The kernel is dead until the machine has been booted again; then look at what is there."
        return KernelDead("E-SPLAT", message, on_target=on_target, evidence=evidence)
    on_target = "The kernel is in doubt until the machine has been booted again."
    return KernelSplat("E-SPLAT", message, on_target=on_target, evidence=evidence)
