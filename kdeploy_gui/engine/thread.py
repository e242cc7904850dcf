"""The engine's own thread: an event loop that front ends of any kind reach through two calls."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)
LAST_ROUNDS = 5
"""Turns of the loop in which closed connections let go of their sockets."""


class EngineThread:
    """A running event loop in a thread of its own."""

    def __init__(self) -> None:
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._main, name="kdeploy-engine", daemon=True)
        self._thread.start()
        self._loop = self._ready.result()

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        self._stop = asyncio.Event()
        self._ready.set_result(loop)
        await self._stop.wait()
        await _end_rest()

    def start(self, work: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Run a coroutine on the engine's loop; cancelling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def ask(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine on the engine's loop and wait for its answer. Never call it from that loop."""
        return self.start(work).result()

    def see_through(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """As `ask`; where the waiting thread is interrupted, the work is cancelled, and its end waited for."""
        tasks: list[asyncio.Task[Any] | None] = []

        async def followed() -> Answer:
            tasks.append(asyncio.current_task())
            return await work

        try:
            return self.start(followed()).result()
        except BaseException:
            self.ask(_cancelled(tasks))
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


async def _cancelled(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel a task that was started before this one, and wait for its end."""
    for each in tasks:
        if each is not None and not each.done():
            each.cancel()
            await asyncio.wait({each})


async def _end_rest() -> None:
    """Cancel what nobody waits for any more, and let transports that are closing have their last callbacks."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for each in rest:
        each.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for _ in range(LAST_ROUNDS):
        await asyncio.sleep(0)


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.warning("%s", context.get("message"), exc_info=context.get("exception"))
