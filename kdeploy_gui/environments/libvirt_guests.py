"""Guests under libvirt: the `Guests` port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

from kdeploy_gui import defaults
from kdeploy_gui.environments import domain_xml, libvirt_figures, libvirt_states
from kdeploy_gui.environments.libvirt_connection import LOCAL, LibvirtConnections, module
from kdeploy_gui.environments.libvirt_errors import NO_SNAPSHOT, UNCHANGED, frozen, guest_error
from kdeploy_gui.environments.libvirt_watch import LibvirtWatch
from kdeploy_gui.errors import GuestError
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

T = TypeVar("T")


class LibvirtGuests:
    """See `ports.Guests`. An environment without `uri` is one of `qemu:///session`."""

    def __init__(self, connections: LibvirtConnections) -> None:
        self._connections = connections
        self._watches: dict[str, LibvirtWatch] = {}

    async def seen(self, uri: str) -> tuple[GuestSeen, ...]:
        """See `Guests.seen`."""

        def look(connection: Any) -> tuple[GuestSeen, ...]:
            return tuple(sorted(map(_seen, connection.listAllDomains()), key=lambda each: each.name))

        try:
            return await self._connections.ask(uri, look)
        except GuestError:
            raise
        except module().libvirtError as error:
            raise guest_error(error, uri or LOCAL, "its guests", "listing") from error

    def watch(self, uri: str) -> AsyncIterator[tuple[str, GuestStatus]]:
        """See `Guests.watch`."""
        address = uri or LOCAL
        return self._watches.setdefault(address, LibvirtWatch(address)).changes()

    async def define(self, uri: str, description: GuestDescription) -> None:
        """See `Guests.define`."""

        def work(connection: Any) -> None:
            if description.name in {each.name() for each in connection.listAllDomains()}:
                message = f"defining {description.name} failed: there is a guest of that name"
                raise GuestError("E-GUEST-DEFINE", message, on_target=UNCHANGED, uri=uri, domain=description.name)
            kind = domain_xml.kind_for(connection.getCapabilities(), description.arch)
            connection.defineXML(domain_xml.described(description, kind))

        try:
            await self._connections.ask(uri, work, defaults.GUEST_TIMEOUT)
        except GuestError:
            raise
        except module().libvirtError as error:
            raise guest_error(error, uri or LOCAL, description.name, "defining", "E-GUEST-DEFINE") from error

    async def status(self, environment: Environment) -> GuestStatus:
        """See `Guests.status`."""
        status = await self._ask(environment, libvirt_states.status, "looking at")
        if status.state is not GuestState.RUNNING:
            return status
        try:
            await self._ask(environment, libvirt_states.ping, "asking", defaults.GUEST_ANSWER)
        except GuestError as error:
            if error.code == "E-GUEST-FROZEN":
                return GuestStatus(GuestState.FROZEN, "its QEMU does not answer")
            ended = await self._ended(environment)
            if ended is None:
                raise
            return ended
        return status

    async def _ended(self, environment: Environment) -> GuestStatus | None:
        """What became of a guest whose QEMU went while it was asked; libvirt sees that late. None: it runs."""
        end = time.monotonic() + defaults.GUEST_END_SEEN
        while True:
            status = await self._ask(environment, libvirt_states.status, "looking at")
            if status.state is not GuestState.RUNNING:
                return status
            if time.monotonic() >= end:
                return None
            await asyncio.sleep(defaults.SHUTDOWN_POLL)

    async def figures(self, environment: Environment) -> GuestFigures:
        """See `Guests.figures`."""

        def look(domain: Any) -> GuestFigures:
            return libvirt_figures.read(domain, time.monotonic())

        return await self._ask(environment, look, "measuring", defaults.GUEST_ANSWER)

    async def address(self, environment: Environment) -> str:
        """See `Guests.address`."""
        if environment.host:
            return environment.host
        found = await self._ask(environment, libvirt_states.address, "asking", defaults.GUEST_ANSWER)
        if found:
            return found
        status = await self.status(environment)
        message = (
            f"no address of {environment.domain} is known: no lease, no answer of an agent, and it is {status.text}"
        )
        raise GuestError("E-GUEST-ADDRESS", message, on_target="Nothing was sent.")

    async def start(self, environment: Environment) -> None:
        """See `Guests.start`."""
        await self._ask(environment, _start, "starting", defaults.GUEST_TIMEOUT, code="E-GUEST-START")

    async def shut_down(self, environment: Environment, patience: float) -> bool:
        """See `Guests.shut_down`."""
        end = time.monotonic() + patience
        pressed = await self._ask(environment, _press_power_button, "shutting down", defaults.GUEST_TIMEOUT)
        while pressed and not (await self._state(environment)).is_down:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(defaults.SHUTDOWN_POLL)
        return True

    async def force_off(self, environment: Environment) -> None:
        """See `Guests.force_off`."""
        await self._ask(environment, _force_off, "switching off", defaults.GUEST_TIMEOUT)

    async def reset(self, environment: Environment) -> None:
        """See `Guests.reset`."""
        await self._ask(environment, lambda domain: domain.reset(0), "resetting", defaults.GUEST_TIMEOUT)

    async def boot_source(self, environment: Environment) -> BootSource:
        """See `Guests.boot_source`."""
        return await self._ask(environment, _boot_source, "reading the definition of")

    async def boot(self, environment: Environment, kernel: DirectBoot) -> None:
        """See `Guests.boot`."""
        work = partial(_boot, kernel=kernel)
        await self._ask(environment, work, "starting", defaults.GUEST_TIMEOUT, code="E-GUEST-START")

    async def take_snapshot(self, environment: Environment, name: str) -> None:
        """See `Guests.take_snapshot`."""
        unfit = domain_xml.unfit_for_snapshots(await self._ask(environment, _current, "reading the definition of"))
        if unfit:
            message = f"no snapshot of {environment.domain}: {unfit}"
            raise GuestError("E-SNAPSHOT", message, on_target=UNCHANGED)
        if name in await self.snapshots(environment):
            message = f"no snapshot of {environment.domain}: there is a snapshot {name} that another workstation took"
            raise GuestError("E-SNAPSHOT", message, on_target=UNCHANGED)
        xml = domain_xml.snapshot(name)
        work = lambda domain: domain.snapshotCreateXML(xml)  # noqa: E731 - as short as its name
        await self._ask(environment, work, "keeping", defaults.SNAPSHOT_TIMEOUT, code="E-SNAPSHOT")

    async def snapshots(self, environment: Environment) -> tuple[str, ...]:
        """See `Guests.snapshots`."""

        def look(domain: Any) -> tuple[str, ...]:
            kept = [domain_xml.snapshot_of(each.getXMLDesc()) for each in domain.listAllSnapshots()]
            return tuple(name for _, name in sorted(kept))

        return await self._ask(environment, look, "listing snapshots of")

    async def revert(self, environment: Environment, name: str) -> None:
        """See `Guests.revert`."""
        work = partial(_revert, name=name)
        await self._ask(environment, work, "bringing back", defaults.SNAPSHOT_TIMEOUT, code="E-SNAPSHOT-GONE")

    async def drop_snapshot(self, environment: Environment, name: str) -> None:
        """See `Guests.drop_snapshot`."""
        work = partial(_drop_snapshot, name=name)
        await self._ask(environment, work, "dropping a snapshot of", defaults.SNAPSHOT_TIMEOUT)

    async def _state(self, environment: Environment) -> GuestState:
        return (await self._ask(environment, libvirt_states.status, "looking at")).state

    async def _ask(
        self,
        environment: Environment,
        work: Callable[[Any], T],
        doing: str,
        seconds: float = 0.0,
        *,
        code: str = "E-GUEST-ACTION",
    ) -> T:
        """Do `work` with the guest (`libvirt.virDomain`); a guest that hangs is told apart from a libvirt that does."""
        uri, name = environment.uri, environment.domain
        seconds = seconds or defaults.HYPERVISOR_TIMEOUT
        try:
            return await self._connections.ask(uri, lambda connection: work(connection.lookupByName(name)), seconds)
        except GuestError as error:
            if error.code == "E-LIBVIRT-TIMEOUT" and seconds >= defaults.GUEST_ANSWER:
                await self._connections.ask(uri, lambda connection: connection.lookupByName(name).state())
                raise frozen(uri or LOCAL, name, error.message) from error
            raise
        except module().libvirtError as error:
            raise guest_error(error, uri or LOCAL, name, doing, code) from error


def _seen(domain: Any) -> GuestSeen:
    return GuestSeen(
        name=domain.name(),
        status=libvirt_states.status(domain),
        uuid=domain.UUIDString(),
        arch=domain_xml.arch(_current(domain)),
        persistent=bool(domain.isPersistent()),
    )


def _definition(domain: Any) -> str:
    """As it will be started next; secrets (of displays, disks) are in it, so it goes nowhere but back to libvirt."""
    libvirt = module()
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def _current(domain: Any) -> str:
    return str(domain.XMLDesc())


def _boot_source(domain: Any) -> BootSource:
    current = _current(domain)
    running = domain_xml.direct_boot(current) if domain.isActive() else None
    return BootSource(domain_xml.arch(current), domain_xml.direct_boot(_definition(domain)), running)


def _start(domain: Any) -> None:
    state = libvirt_states.status(domain).state
    if state is GuestState.PAUSED:
        domain.resume()
    elif not domain.isActive():
        domain.create()
    elif state is GuestState.CRASHED:
        domain.destroy()  # its memory was kept for a look (on_crash=preserve)
        domain.create()


def _press_power_button(domain: Any) -> bool:
    """False: there was nothing to press."""
    if libvirt_states.status(domain).state.is_down:
        return False
    domain.shutdown()
    return True


def _force_off(domain: Any) -> None:
    libvirt = module()
    try:
        if domain.isActive():
            domain.destroy()
    except libvirt.libvirtError:
        if domain.isActive():  # else it ended by itself in between
            raise


def _boot(domain: Any, kernel: DirectBoot) -> None:
    """A transient start of a persistent guest: libvirt keeps its definition for the time after it."""
    domain.connect().createXML(domain_xml.with_kernel(_definition(domain), kernel))


def _revert(domain: Any, name: str) -> None:
    libvirt = module()
    snapshot = domain.snapshotLookupByName(name)
    domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)


def _drop_snapshot(domain: Any, name: str) -> None:
    libvirt = module()
    try:
        domain.snapshotLookupByName(name).delete()
    except libvirt.libvirtError as error:
        if error.get_error_code() != NO_SNAPSHOT:
            raise
