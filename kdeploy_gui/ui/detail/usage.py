"""What a guest that runs uses of its hypervisor, measured while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.guest import GuestFigures, GuestState
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.detail.facts import Fact
from kdeploy_gui.ui.session import Session

EVERY_MS = 3000
"""From one look to the next; a slow answer is waited for."""


class GuestUsage(QObject):
    """Looks at one guest every few seconds, one look at a time; nothing waits for it."""

    changed = Signal()
    """`facts` differ."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._guest: Environment | None = None
        self._asking: Environment | None = None
        self._before: GuestFigures | None = None
        self.facts: tuple[Fact, ...] = ()
        self._clock = QTimer(self, interval=EVERY_MS)
        self._clock.timeout.connect(self._look)
        session.machines.guests.changed.connect(self._guest_changed)

    def watch(self, environment: Environment | None) -> None:
        """Measure this guest from now on whenever it runs, and no other; None: nobody looks."""
        guest = environment if environment is not None and environment.is_guest else None
        if guest == self._guest:
            return
        self._guest, self._before, self.facts = guest, None, ()
        if guest is None:
            self._clock.stop()
        else:
            self._clock.start()
            self._look()

    def _guest_changed(self, name: str) -> None:
        if self._guest is None or name != self._guest.name:
            return
        if self._runs(self._guest):
            self._look()
        else:
            self._before = None
            self._show(())

    def _runs(self, guest: Environment) -> bool:
        status = self._session.machines.guests.state(guest.name)
        return status is not None and status.state is GuestState.RUNNING

    def _look(self) -> None:
        guest = self._guest
        if guest is not None and self._asking is None and self._runs(guest):
            self._asking = guest
            self._session.bridge.spawn(self._ask(guest), name=f"measure {guest.name}")

    async def _ask(self, guest: Environment) -> None:
        figures: GuestFigures | None = None
        try:
            found = await self._session.bridge.wait(self._session.services.inventory.start_figures(guest))
        except GuestError as error:
            facts: tuple[Fact, ...] = (Fact("guest_usage", visible(f"unknown: {error.message}"), datetime.now(UTC)),)
        else:
            figures, facts = found, tuple(described(found, self._before, datetime.now(UTC)))
        finally:
            self._asking = None
        if guest != self._guest:
            self._look()
        elif self._runs(guest):
            self._before = figures
            self._show(facts)

    def _show(self, facts: tuple[Fact, ...]) -> None:
        if facts != self.facts:
            self.facts = facts
            self.changed.emit()


def described(now: GuestFigures, before: GuestFigures | None, moment: datetime) -> Iterator[Fact]:
    """Figures in words; shares and rates need earlier ones of the same start of the guest."""
    if before is not None and (before.cpu_seconds > now.cpu_seconds or before.at >= now.at):
        before = None
    cores = f"{now.cores} {'core' if now.cores == 1 else 'cores'}"
    cpu = f"{now.cpu_since(before):.0f} % of {cores}" if before is not None else cores
    memory = size(now.memory) if now.memory_used is None else f"{size(now.memory_used)} of {size(now.memory)}"
    read, written, received, sent = (
        _moved(getattr(now, each), None if before is None else getattr(before, each), now.at - (before or now).at)
        for each in ("disk_read", "disk_written", "received", "sent")
    )
    yield Fact("guest_cpu", cpu, moment)
    yield Fact("guest_memory", memory, moment)
    yield Fact("guest_disk", f"read {read}; written {written}", moment)
    yield Fact("guest_network", f"received {received}; sent {sent}", moment)


def _moved(count: int, before: int | None, seconds: float) -> str:
    """`1.2 GiB, 3.4 MiB/s`."""
    if before is None or seconds <= 0:
        return size(count)
    return f"{size(count)}, {size(max(0, count - before) / seconds)}/s"
