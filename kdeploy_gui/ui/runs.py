"""Every run the window looks at: folded off the UI thread, handed over as snapshots.

However fast events come, what waits for the window is one state per run and the names of what changed.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from kdeploy_gui.app import Services
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.run import RunState
from kdeploy_gui.ui.bridge import Bridge

TICK_MS = 100
SLICE = 0.004
"""Seconds for which the window is told of news at a time; then it may draw and hear keys."""
REST_MS = 5
PORTION = 8
"""Environments told of at once."""
LOOK_MS = 2000
"""Between looks for runs that other processes started."""
KEPT = 8
"""Ended runs that stay in memory."""


class _Followed:
    """One run. `deliver` is called off the UI thread, by one thread at a time."""

    def __init__(self) -> None:
        self.state = RunState()
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.heard = time.monotonic()
        self.pump: Future[None] | None = None
        self._touched: dict[str, None] = {}
        self._lock = threading.Lock()

    def deliver(self, group: tuple[Event, ...]) -> None:
        state = self.state.after_all(group)
        for event in group:
            self.events[event.environment].append(event)
        with self._lock:
            self.state = state
            self._touched.update((event.environment, None) for event in group)
            self.heard = time.monotonic()

    def take(self) -> frozenset[str]:
        """Some names touched since they were last taken, in the order in which they were; empty: nothing is left."""
        with self._lock:
            touched = tuple(islice(self._touched, PORTION))
            for each in touched:
                del self._touched[each]
            return frozenset(touched)

    @property
    def is_taken(self) -> bool:
        """Whether nothing is left to take."""
        return not self._touched


class Runs(QObject):
    """Runs by number. Opening one starts following it; ended ones stay until others push them out."""

    changed = Signal(int, frozenset)
    """Run, and the environments whose state changed; an empty name stands for the run itself."""
    started = Signal(int)
    ended = Signal(int)
    _woken = Signal()

    def __init__(self, services: Services, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._bridge = bridge
        self._followed: dict[int, _Followed] = {}
        self._active: dict[int, None] = {}
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._woken.connect(self._wake, Qt.ConnectionType.QueuedConnection)
        self._looking = QTimer(self, interval=LOOK_MS)
        self._looking.timeout.connect(self.look)

    def start(self) -> None:
        """Begin to look for runs that go on."""
        self._looking.start()
        self.look()

    def close(self) -> None:
        """Follow nothing any more."""
        self._timer.stop()
        self._looking.stop()
        for followed in self._followed.values():
            if followed.pump is not None:
                followed.pump.cancel()
        self._followed.clear()

    @property
    def active(self) -> tuple[int, ...]:
        """Runs that go on, in this process or another one, oldest first."""
        return tuple(sorted(self._active))

    def state(self, run: int) -> RunState | None:
        """The newest snapshot; None before anything of it has arrived."""
        followed = self._followed.get(run)
        return followed.state if followed is not None and followed.state.last_seq else None

    def events(self, run: int, environment: str) -> Sequence[Event]:
        """Events of one environment so far (empty name: of the run itself); grows while the run goes on."""
        followed = self._followed.get(run)
        return followed.events[environment] if followed is not None else ()

    def open(self, run: int) -> None:
        """Follow a run, live or from history."""
        if run in self._followed:
            self._followed[run] = self._followed.pop(run)
            return
        followed = _Followed()
        self._followed[run] = followed

        woken = self._woken

        def deliver(group: tuple[Event, ...]) -> None:
            followed.deliver(group)
            woken.emit()

        followed.pump = self._services.stream(run, deliver)
        self._forget_old()

    def seconds_behind(self) -> float:
        """Seconds since anything came of a run that goes on; 0 where none does."""
        heard = [self._followed[run].heard for run in self._active if run in self._followed]
        return time.monotonic() - max(heard) if heard else 0.0

    def look(self) -> None:
        """Look for runs that go on now."""
        self._bridge.spawn(self._look(), name="look for runs")

    async def _look(self) -> None:
        records = await self._bridge.ask(lambda: self._services.history.runs(RunQuery(status="running", limit=20)))
        for record in reversed(records):
            self.open(record.run)

    def _wake(self) -> None:
        if not self._timer.isActive():
            self._timer.start()
            self._tick()

    def _tick(self) -> None:
        end = time.monotonic() + SLICE
        told = left = [each for each in tuple(self._followed.items()) if self._tell(*each)]
        while left and time.monotonic() < end:
            left = [each for each in left if self._tell(*each)]
        if left:
            self._timer.start(REST_MS)
        elif told:
            self._timer.start(TICK_MS)
        else:
            self._timer.stop()

    def _tell(self, run: int, followed: _Followed) -> bool:
        """Tell of some news of a run; False: there is none."""
        touched, state = followed.take(), followed.state
        if not touched:
            return False
        if state.outcome is None and run not in self._active:
            self._active[run] = None
            self.started.emit(run)
        elif state.outcome is not None and run in self._active and followed.is_taken:
            del self._active[run]
            self.ended.emit(run)
        self.changed.emit(run, touched)
        return True

    def _forget_old(self) -> None:
        ended = [run for run, each in self._followed.items() if each.state.outcome is not None]
        for run in ended[: max(0, len(ended) - KEPT)]:
            del self._followed[run]
