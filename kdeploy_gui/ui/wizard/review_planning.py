"""Looking at the environments of a plan: what was found stays as long as it can still be right."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.preview import EnvironmentPreview
from kdeploy_gui.ui.session import Session

TICK_MS = 100
STALE = 60.0
"""Seconds for which what was found still counts when the review is entered again."""


class Planning(QObject):
    """The plan that is reviewed, and what was found in its environments so far."""

    found = Signal(list)
    """EnvironmentPreviews that have arrived since the last tick."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._begun = 0.0
        self._arrived: deque[EnvironmentPreview] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._take_in)
        self.plan: Plan | None = None
        self.previews: dict[str, EnvironmentPreview] = {}
        self.destroyed.connect(_canceller(self._tasks))

    def show_plan(self, plan: Plan | None) -> bool:
        """Look at what is not known of this plan; False: it is the same as before and known, or on its way."""
        known = self.plan is not None and plan is not None and _work(plan) == _work(self.plan)
        if known and plan == self.plan and not self._is_stale():
            return False
        if not known or self._is_stale() or plan is None or self.plan is None:
            self.previews = {}
            self._begun = time.monotonic()
        else:
            before = self.plan.environments
            kept = [each.name for each in plan.environments if each in before]
            self.previews = {name: found for name, found in self.previews.items() if name in kept}
        self.plan = plan
        self._start()
        return True

    def again(self) -> None:
        """Look at every environment anew."""
        self.previews = {}
        self._begun = time.monotonic()
        self._start()

    def cancel(self) -> None:
        """Stop looking."""
        self._tick.stop()
        self._arrived = deque()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _is_stale(self) -> bool:
        return time.monotonic() - self._begun >= STALE

    def _start(self) -> None:
        self.cancel()
        environments = self.plan.environments if self.plan is not None else ()
        missing = tuple(each for each in environments if each.name not in self.previews)
        if self.plan is not None and missing:
            looking = self._look(replace(self.plan, environments=missing), self._arrived)
            task = self._session.bridge.spawn(looking, name="plan")
            if task is not None:
                self._tasks.append(task)
                self._tick.start()

    async def _look(self, plan: Plan, arrived: deque[EnvironmentPreview]) -> None:
        future = self._session.services.previews(plan, arrived.append)
        try:
            await self._session.bridge.wait(future)
        finally:
            future.cancel()
        if arrived is self._arrived:
            self._tick.stop()
            self._take_in()

    def _take_in(self) -> None:
        found = [self._arrived.popleft() for _ in range(len(self._arrived))]
        if found:
            self.previews.update((each.environment, each) for each in found)
            self.found.emit(found)


def _work(plan: Plan) -> Plan:
    """A plan without its environments: what is looked for in each of them."""
    return replace(plan, environments=())


def _canceller(tasks: list[asyncio.Task[None]]) -> Callable[[], None]:
    def cancel() -> None:
        for task in tasks:
            task.cancel()

    return cancel
