"""The one crossing between the window and everything that blocks: questions out, answers back, nothing waits.

UI coroutines run on the Qt event loop through qasync; deadlines, retries and waits never do: they are the engine's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal
from qasync import QEventLoop  # type: ignore[import-untyped]

from kdeploy_gui.errors import KdeployError

Answer = TypeVar("Answer")
WORKERS = 16


def event_loop(application: object, *, running: bool = False) -> asyncio.AbstractEventLoop:
    """The event loop of UI coroutines; `running`: Qt is spun by someone else, as under a test."""
    loop: asyncio.AbstractEventLoop = QEventLoop(application, already_running=running)
    return loop


class Bridge(QObject):
    """Runs blocking verbs on worker threads and engine work on its own thread; results arrive on the Qt loop."""

    failed = Signal(object)
    """A KdeployError that a spawned coroutine ended with."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="kdeploy-ask")
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, work: Callable[[], Answer]) -> Answer:
        """The answer of a blocking verb; cancelling lets it finish unheard."""
        return await asyncio.wrap_future(self._workers.submit(work))

    async def wait(self, future: Future[Answer]) -> Answer:
        """The answer of engine work that was started; cancelling ends it there."""
        return await asyncio.wrap_future(future)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str, listens: bool = False) -> asyncio.Task[None] | None:
        """Run a UI coroutine and hold it; what it fails with is told, never lost. None: closed, nothing runs.

        One that only `listens` goes on as long as the window does, and makes nobody busy.
        """
        if self._closed:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(self._guarded(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if listens:
            self._listening.add(task)
            task.add_done_callback(self._listening.discard)
        task.add_done_callback(lambda _: work.close())  # of one cancelled before its first step
        return task

    @property
    def busy(self) -> bool:
        """Whether any spawned coroutine goes on that does not only listen."""
        return bool(self._tasks - self._listening)

    def close(self) -> None:
        """Cancel what goes on; answers that come later are not heard."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except KdeployError as error:
            self.failed.emit(error)
        except Exception:  # noqa: BLE001 - the boundary of UI coroutines: the crash report gets what nobody expected
            if not self._closed:
                sys.excepthook(*sys.exc_info())
