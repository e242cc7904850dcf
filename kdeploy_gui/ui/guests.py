"""What the guests of the lab are doing, as their hypervisors see it, whoever changed that."""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.app import Services
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import GuestStatus
from kdeploy_gui.ui.bridge import Bridge

LOOK_MS = 1000
SILENT_FOR = (1.0, 2.0, 5.0, 15.0)
"""Seconds after which a hypervisor is asked again that did not answer once, twice ... in a row."""


class GuestStates(QObject):
    """Looks at all guests of a hypervisor at once, every second, one look at a time."""

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
        self._clock = QTimer(self, interval=LOOK_MS)
        self._clock.timeout.connect(self._look)

    def watch(self, environments: Iterable[Environment]) -> None:
        """Look at the guests among these from now on."""
        self._guests = tuple(each for each in environments if each.is_guest)
        self._silent.clear()
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

    def state(self, name: str) -> GuestStatus | None:
        """What a guest was doing at the last look; None: no guest, or nobody knows."""
        return self._states.get(name)

    def _look(self) -> None:
        now = time.monotonic()
        for uri in {each.uri for each in self._guests} - self._asking:
            if self._silent.get(uri, 0.0) <= now:
                self._asking.add(uri)
                self._bridge.spawn(self._ask(uri), name=f"look at the guests of {uri}")

    async def _ask(self, uri: str) -> None:
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
            if each.uri == uri:
                self._take(each.name, states.get(each.domain))

    def _take(self, name: str, state: GuestStatus | None) -> None:
        if self._states.get(name) == state:
            return
        if state is None:
            del self._states[name]
        else:
            self._states[name] = state
        self.changed.emit(name, state)
