"""Lifecycle events of the guests of a hypervisor, across restarts of its daemon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from kdeploy_gui import defaults
from kdeploy_gui.environments import libvirt_states
from kdeploy_gui.environments.guest_changes import GuestChanges
from kdeploy_gui.environments.libvirt_connection import done, in_thread, let_go, module, without_questions
from kdeploy_gui.environments.libvirt_errors import NO_DOMAIN, connection_error, guest_error
from kdeploy_gui.errors import GuestError, HypervisorLost
from kdeploy_gui.model.guest import GuestState, GuestStatus

T = TypeVar("T")


class LibvirtWatch:
    """One connection for all who watch a hypervisor; it is there while anybody does."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._states: dict[str, GuestStatus] = {}
        self._watchers: set[GuestChanges] = set()
        self._task: asyncio.Task[None] | None = None

    async def changes(self) -> AsyncIterator[tuple[str, GuestStatus]]:
        """See `Guests.watch`."""
        watcher = GuestChanges(self._states)
        self._watchers.add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name=f"watch the guests of {self._uri}")
        try:
            async for each in watcher.taken():
                yield each
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._states.clear()

    async def _watch(self) -> None:
        tries = 0
        while True:
            events = _Events(self._uri, self._states)
            try:
                await events.open()
                while True:
                    self._tell(await events.next())
                    tries = 0
            except HypervisorLost:
                pass
            except GuestError as error:
                self._states.clear()
                for each in self._watchers:
                    each.fail(error)
                return
            finally:
                events.close()
            await asyncio.sleep(defaults.WATCH_PAUSES[min(tries, len(defaults.WATCH_PAUSES) - 1)])
            tries += 1

    def _tell(self, found: Mapping[str, GuestStatus | None]) -> None:
        for name, status in found.items():
            if status is None:
                self._states.pop(name, None)
            else:
                self._states[name] = status
            for each in self._watchers:
                each.tell(name, status or GuestStatus(GuestState.OFF))


class _Events:
    """The events of one connection. libvirt's thread notes names, once each; states are asked for from here."""

    def __init__(self, uri: str, known: Iterable[str]) -> None:
        self._uri = uri
        self._known = tuple(known)
        self._connection: Any = None
        self._callbacks: list[int] = []
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._is_lost = False
        self._is_begun = False
        self._is_closed = False

    async def open(self) -> None:
        """Connect and listen. Raises GuestError."""
        self._connection = await in_thread(self._opened, self._uri, defaults.HYPERVISOR_OPEN_TIMEOUT)
        await self._ask(self._listen)

    async def next(self) -> Mapping[str, GuestStatus | None]:
        """The states of all guests at first, then of those of which something was told; None: there is none any more.

        Raises GuestError.
        """
        if not self._is_begun:
            self._is_begun = True
            return await self._ask(partial(_all_states, self._known))
        await self._woken.wait()
        self._woken.clear()
        with self._lock:
            names, self._names = self._names, set()
        if self._is_lost:
            message = f"libvirt at {self._uri} does not answer: the connection has ended"
            raise HypervisorLost("E-LIBVIRT", message, uri=self._uri)
        return await self._ask(partial(_states, names))

    def close(self) -> None:
        """Listen no longer; nobody waits for that."""
        self._is_closed = True
        if self._connection is not None:
            threading.Thread(target=_ended, args=(self._connection, self._callbacks), daemon=True).start()

    async def _ask(self, work: Callable[[Any], T]) -> T:
        try:
            work_done = partial(done, work, self._connection, self._uri)
            return await in_thread(work_done, self._uri, defaults.HYPERVISOR_TIMEOUT)
        except module().libvirtError as error:
            raise guest_error(error, self._uri, "its guests", "watching") from error

    def _opened(self) -> Any:
        libvirt = module()
        try:
            return libvirt.open(without_questions(self._uri))
        except libvirt.libvirtError as error:
            raise connection_error(error, self._uri) from error

    def _listen(self, connection: Any) -> None:
        libvirt = module()
        _where_known(lambda: connection.setKeepAlive(defaults.WATCH_KEEPALIVE, defaults.WATCH_KEEPALIVE_COUNT))
        _where_known(lambda: connection.registerCloseCallback(self._lost, None))
        for event in (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT):
            _where_known(partial(self._register, connection, event))
        if self._is_closed:  # nobody has waited for as long as that took
            _ended(connection, self._callbacks)

    def _register(self, connection: Any, event: int) -> None:
        self._callbacks.append(connection.domainEventRegisterAny(None, event, self._happened, None))

    def _happened(self, connection: Any, domain: Any, *details: object) -> None:
        with self._lock:
            first = not self._names
            self._names.add(domain.name())
        if first:
            self._wake()

    def _lost(self, connection: Any, reason: int, opaque: None) -> None:
        self._is_lost = True
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._woken.set)


def _where_known(work: Callable[[], object]) -> None:
    """Do it, unless this hypervisor has no such verb."""
    libvirt = module()
    try:
        work()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in libvirt_states.NOT_SUPPORTED:
            raise


def _all_states(known: Iterable[str], connection: Any) -> dict[str, GuestStatus | None]:
    return _states({*known, *(each.name() for each in connection.listAllDomains())}, connection)


def _states(names: Iterable[str], connection: Any) -> dict[str, GuestStatus | None]:
    return {name: _state(connection, name) for name in names}


def _state(connection: Any, name: str) -> GuestStatus | None:
    libvirt = module()
    try:
        return libvirt_states.status(connection.lookupByName(name))
    except libvirt.libvirtError as error:
        if error.get_error_code() != NO_DOMAIN:
            raise
        return None


def _ended(connection: Any, callbacks: Iterable[int]) -> None:
    for each in callbacks:
        with suppress(module().libvirtError):  # a daemon that is gone has forgotten it already
            connection.domainEventDeregisterAny(each)
    with suppress(module().libvirtError):
        connection.unregisterCloseCallback()
    let_go(connection)
