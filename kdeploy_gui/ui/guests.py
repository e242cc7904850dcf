"""What the guests of the lab are doing, as their hypervisors see it, whoever changed that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.app import Services
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import GuestStatus
from kdeploy_gui.ui.bridge import Bridge

LOOK_MS = 5000
SILENT_FOR = (1.0, 2.0, 5.0, 15.0)
"""Seconds after which a hypervisor is asked again that did not answer once, twice ... in a row."""


class GuestStates(QObject):
    """Hears of every change from the hypervisors, and looks at all guests of each now and then, one look at a time."""

    changed = Signal(str, object)
    """The name of an environment, and its GuestStatus or None: not known any more."""

    def __init__(self, services: Services, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._bridge = bridge
        self._guests: tuple[Environment, ...] = ()
        self._states: dict[str, GuestStatus] = {}
        self._asking: set[str] = set()
        self._silent: dict[str, float] = {}
        self._unanswered: dict[str, int] = {}
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._heard: set[tuple[str, str]] = set()
        self._clock = QTimer(self, interval=LOOK_MS)
        self._clock.timeout.connect(self._look)

    def watch(self, environments: Iterable[Environment]) -> None:
        """Hear of the guests among these from now on, and look at them."""
        self._guests = tuple(each for each in environments if each.is_guest)
        self._silent.clear()
        self._listen({each.uri for each in self._guests})
        names = {each.name for each in self._guests}
        self._states = {name: each for name, each in self._states.items() if name in names}
        if self._guests:
            self._clock.start()
            self._look()
        else:
            self._clock.stop()

    def close(self) -> None:
        """Look no more."""
        self._clock.stop()
        self._listen(set())

    def state(self, name: str) -> GuestStatus | None:
        """What a guest was doing when it was last told; None: no guest, or nobody knows."""
        return self._states.get(name)

    def _listen(self, uris: set[str]) -> None:
        for uri in self._listening.keys() - uris:
            self._listening.pop(uri).cancel()
        for uri in uris:
            if uri not in self._listening or self._listening[uri].done():
                task = self._bridge.spawn(self._hear(uri), name=f"hear of the guests of {uri}", listens=True)
                if task is not None:
                    self._listening[uri] = task

    async def _hear(self, uri: str) -> None:
        changes = self._services.inventory.watch_guests(uri)
        while True:
            try:
                domain, state = await self._bridge.wait(changes.start_next())
            except GuestError:  # looking tells more, and goes on
                return
            self._heard.add((uri, domain))
            for each in self._guests:
                if (each.uri, each.domain) == (uri, domain):
                    self._take(each.name, state)

    def _look(self) -> None:
        now = time.monotonic()
        for uri in {each.uri for each in self._guests} - self._asking:
            if self._silent.get(uri, 0.0) <= now:
                self._asking.add(uri)
                self._bridge.spawn(self._ask(uri), name=f"look at the guests of {uri}")

    async def _ask(self, uri: str) -> None:
        self._heard = {each for each in self._heard if each[0] != uri}
        try:
            seen = await self._bridge.wait(self._services.inventory.start_seen(uri))
        except GuestError:
            times = self._unanswered.get(uri, 0)
            self._unanswered[uri] = times + 1
            self._silent[uri] = time.monotonic() + SILENT_FOR[min(times, len(SILENT_FOR) - 1)]
            states: dict[str, GuestStatus] = {}
        else:
            self._unanswered.pop(uri, None)
            states = {each.name: each.status for each in seen}
        finally:
            self._asking.discard(uri)
        for each in self._guests:
            if each.uri == uri and (uri, each.domain) not in self._heard:  # else it has changed since
                self._take(each.name, states.get(each.domain))

    def _take(self, name: str, state: GuestStatus | None) -> None:
        if self._states.get(name) == state:
            return
        if state is None:
            del self._states[name]
        else:
            self._states[name] = state
        self.changed.emit(name, state)
