"""Guests in memory: the `Guests` port for tests of the engine, held to the same contract as libvirt's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace

from kdeploy_gui.environments.guest_changes import GuestChanges
from kdeploy_gui.errors import GuestError, HypervisorLost
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import (
    BootSource,
    DirectBoot,
    GuestDescription,
    GuestFigures,
    GuestSeen,
    GuestState,
    GuestStatus,
)


@dataclass
class MemoryGuest:
    """One guest. `booted` is the kernel of its last direct boot; without `obeys` it ignores its power button."""

    status: GuestStatus = field(default_factory=lambda: GuestStatus(GuestState.OFF))
    source: BootSource = field(default_factory=lambda: BootSource("x86_64"))
    address: str = ""
    booted: DirectBoot | None = None
    boots: int = 0
    obeys: bool = True
    snapshots: MutableMapping[str, GuestStatus] = field(default_factory=dict)
    storage: str = ""
    """Why it can hold no snapshots."""


class MemoryGuests:
    """See `ports.Guests`. `lost` is raised by every verb while it is set."""

    def __init__(self, guests: Mapping[str, MemoryGuest]) -> None:
        self.guests = dict(guests)
        self._watchers: set[GuestChanges] = set()
        self.lost: HypervisorLost | None = None

    async def seen(self, uri: str) -> tuple[GuestSeen, ...]:
        """See `Guests.seen`."""
        self._answer()
        found = sorted(self.guests.items())
        return tuple(GuestSeen(name, each.status, arch=each.source.arch) for name, each in found)

    async def watch(self, uri: str) -> AsyncIterator[tuple[str, GuestStatus]]:
        """See `Guests.watch`."""
        watcher = GuestChanges({name: each.status for name, each in self.guests.items()})
        self._watchers.add(watcher)
        try:
            async for each in watcher.taken():
                yield each
        finally:
            self._watchers.discard(watcher)

    def become(self, name: str, status: GuestStatus) -> None:
        """Something happens to a guest, and is told."""
        self.guests[name].status = status
        for each in self._watchers:
            each.tell(name, status)

    async def define(self, uri: str, description: GuestDescription) -> None:
        """See `Guests.define`."""
        self._answer()
        if description.name in self.guests:
            message = f"defining {description.name} failed: there is a guest of that name"
            raise GuestError("E-GUEST-DEFINE", message, uri=uri, domain=description.name)
        self.guests[description.name] = MemoryGuest(source=BootSource(description.arch, description.kernel))

    async def status(self, environment: Environment) -> GuestStatus:
        """See `Guests.status`."""
        return self._guest(environment).status

    async def figures(self, environment: Environment) -> GuestFigures:
        """See `Guests.figures`."""
        self._running(environment, "measuring")
        return GuestFigures(0.0, 0.0, 1, 0)

    async def address(self, environment: Environment) -> str:
        """See `Guests.address`."""
        guest = self._guest(environment)
        if environment.host or guest.address:
            return environment.host or guest.address
        raise GuestError("E-GUEST-ADDRESS", f"no address of {environment.domain} is known")

    async def start(self, environment: Environment) -> None:
        """See `Guests.start`."""
        guest = self._answering(environment)
        if guest.status.state.is_down:
            self._power_on(guest, None)
        self.become(environment.domain, GuestStatus(GuestState.RUNNING))

    async def shut_down(self, environment: Environment, patience: float) -> bool:
        """See `Guests.shut_down`; nothing takes any time here."""
        guest = self._answering(environment)
        if guest.obeys and not guest.status.state.is_down:
            self.become(environment.domain, GuestStatus(GuestState.OFF, "it shut down"))
        return guest.status.state.is_down

    async def force_off(self, environment: Environment) -> None:
        """See `Guests.force_off`."""
        guest = self._guest(environment)
        if not guest.status.state.is_down:
            self.become(environment.domain, GuestStatus(GuestState.OFF, "somebody switched it off"))

    async def reset(self, environment: Environment) -> None:
        """See `Guests.reset`."""
        guest = self._running(environment, "resetting")
        guest.boots += 1
        self.become(environment.domain, guest.status)

    async def boot_source(self, environment: Environment) -> BootSource:
        """See `Guests.boot_source`."""
        guest = self._guest(environment)
        if guest.status.state.is_down:
            return guest.source
        return replace(guest.source, running=guest.booted or guest.source.defined)

    async def boot(self, environment: Environment, kernel: DirectBoot) -> None:
        """See `Guests.boot`."""
        guest = self._guest(environment)
        if not guest.status.state.is_down:
            message = f"starting {environment.domain} failed: it is active"
            raise GuestError("E-GUEST-START", message, uri=environment.uri, domain=environment.domain)
        self._power_on(guest, kernel)
        self.become(environment.domain, GuestStatus(GuestState.RUNNING))

    async def take_snapshot(self, environment: Environment, name: str) -> None:
        """See `Guests.take_snapshot`."""
        guest = self._guest(environment)
        why = guest.storage or (f"there is a snapshot {name}" if name in guest.snapshots else "")
        if why:
            raise GuestError("E-SNAPSHOT", f"no snapshot of {environment.domain}: {why}")
        guest.snapshots[name] = guest.status

    async def snapshots(self, environment: Environment) -> tuple[str, ...]:
        """See `Guests.snapshots`."""
        return tuple(self._guest(environment).snapshots)

    async def revert(self, environment: Environment, name: str) -> None:
        """See `Guests.revert`."""
        guest = self._guest(environment)
        if name not in guest.snapshots:
            message = f"{environment.domain} has no snapshot {name}"
            raise GuestError("E-SNAPSHOT-GONE", message, uri=environment.uri, domain=environment.domain)
        self.become(environment.domain, guest.snapshots[name])

    async def drop_snapshot(self, environment: Environment, name: str) -> None:
        """See `Guests.drop_snapshot`."""
        self._guest(environment).snapshots.pop(name, None)

    def _answer(self) -> None:
        if self.lost is not None:
            raise self.lost

    def _guest(self, environment: Environment) -> MemoryGuest:
        self._answer()
        guest = self.guests.get(environment.domain)
        if guest is None:
            message = f"libvirt at {environment.uri} has no guest '{environment.domain}'"
            raise GuestError("E-GUEST-UNKNOWN", message, uri=environment.uri, domain=environment.domain)
        return guest

    def _answering(self, environment: Environment) -> MemoryGuest:
        guest = self._guest(environment)
        if guest.status.state is GuestState.FROZEN:
            raise GuestError("E-GUEST-FROZEN", f"{environment.domain} is frozen", domain=environment.domain)
        return guest

    def _running(self, environment: Environment, doing: str) -> MemoryGuest:
        guest = self._answering(environment)
        if guest.status.state.is_down:
            message = f"{doing} {environment.domain} failed: it is not running"
            raise GuestError("E-GUEST-ACTION", message, uri=environment.uri, domain=environment.domain)
        return guest

    def _power_on(self, guest: MemoryGuest, kernel: DirectBoot | None) -> None:
        guest.booted = kernel
        guest.boots += 1
