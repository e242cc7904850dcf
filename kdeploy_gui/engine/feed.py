"""Events: history first, then everybody who listens."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from kdeploy_gui.model.event import Body, Event
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ports import Clock, EventLog

Listener = Callable[[tuple[Event, ...]], None]


class Feed:
    """Numbers events, stores them in groups and hands stored groups on. Belongs to one event loop."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._seq: dict[int, int] = defaultdict(int)
        self._pending: list[Event] = []
        self._shown = 0
        self._listeners: list[Listener] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None

    def publish(
        self, run: int, body: Body, environment: str = "", stage: Stage | None = None, attempt: int = 0
    ) -> None:
        """Number an event and queue it for the history."""
        self._seq[run] += 1
        self._pending.append(
            Event(
                seq=self._seq[run],
                time=self._clock.now(),
                run=run,
                body=body,
                environment=environment,
                stage=stage,
                attempt=attempt,
            )
        )
        self._wake()

    async def durable(self) -> None:
        """Return when everything published so far is stored. Raises what the history raises: LocalError, or a bug."""
        if not self._pending and self._writer is None:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wake()
        await future

    async def settle(self) -> bool:
        """Whether everything published so far could be stored; what could not stays with the feed and its followers."""
        try:
            await self.durable()
        except Exception:  # noqa: BLE001 - whoever needs to know why asks `durable`; an end is told in any case
            return False
        return True

    def holds(self, run: int) -> bool:
        """Whether events of a run are still waiting to be stored."""
        return any(each.run == run for each in self._pending)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every stored group from now on; returns the way to stop that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    async def follow(self, run: int, after: int = 0) -> AsyncIterator[tuple[Event, ...]]:
        """A run's events above `after`: what is stored, then what comes, without gap or repetition."""
        live: asyncio.Queue[tuple[Event, ...]] = asyncio.Queue()
        unsubscribe = self.subscribe(live.put_nowait)
        told = [each for each in self._pending[: self._shown] if each.run == run and each.seq > after]
        try:
            stored = tuple(await asyncio.to_thread(self._log.events, run, after))
            last = stored[-1].seq if stored else after
            stored += tuple(each for each in told if each.seq > last)
            seen = stored[-1].seq if stored else after
            yield stored
            while True:
                group = tuple(each for each in await live.get() if each.run == run and each.seq > seen)
                if group:
                    seen = group[-1].seq
                    yield group
        finally:
            unsubscribe()

    async def close(self) -> None:
        """Store what is left, if that can be."""
        await self.settle()

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Store pending events group by group, until there are none.

        What cannot be stored stays pending and goes with the next group: nothing is lost while this process lives, and
        listeners see it all the same.
        """
        waiting: list[asyncio.Future[None]] = []
        try:
            while len(self._pending) > self._shown or self._waiting:
                group, waiting = tuple(self._pending), self._waiting
                self._waiting = []
                failure = await self._store(group)
                fresh = group[self._shown :]
                del self._pending[: 0 if failure else len(group)]
                self._shown = 0 if failure is None else len(group)
                self._tell(fresh)
                _answer(waiting, failure)
        finally:
            self._writer = None
            _answer([*waiting, *self._waiting], RuntimeError("the history writer stopped"))

    async def _store(self, group: tuple[Event, ...]) -> Exception | None:
        try:
            await asyncio.to_thread(self._log.append, group)
        except Exception as error:  # noqa: BLE001 - the boundary of the history: no mistake in it may hang a run
            return error
        return None

    def _tell(self, group: tuple[Event, ...]) -> None:
        for listener in tuple(self._listeners) if group else ():
            try:
                listener(group)
            except Exception as error:  # noqa: BLE001 - the boundary of the feed: one listener never disturbs another
                message = "a listener of the event feed failed"
                asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})


def _answer(waiting: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
