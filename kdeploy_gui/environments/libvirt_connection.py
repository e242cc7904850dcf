"""Connections to libvirt: one per URI, reused, opened again when its daemon was restarted.

libvirt blocks, and hangs where its daemon or a QEMU hangs. So each call has a thread of its own that nobody waits for
longer than its deadline, and that does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

from kdeploy_gui import defaults
from kdeploy_gui.environments.libvirt_errors import connection_error, is_lost, too_late
from kdeploy_gui.environments.libvirt_events import EventLoop
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import OWN_HYPERVISOR

T = TypeVar("T")

LOCAL = OWN_HYPERVISOR
_LOOPS: list[EventLoop] = []
_LOOP_LOCK = threading.Lock()


class LibvirtConnections:
    """All open connections of this program; its verbs may be used from any event loop."""

    def __init__(self) -> None:
        self._open: dict[str, Any] = {}
        self._lock = threading.Lock()

    async def ask(self, uri: str, work: Callable[[Any], T], seconds: float = defaults.HYPERVISOR_TIMEOUT) -> T:
        """Do `work` with the connection (`libvirt.virConnect`) and return what it returns.

        It may be done twice: a connection that turns out to be dead is opened again. Opening has a deadline of its own.
        Raises HypervisorLost, GuestError E-LIBVIRT-DENIED and E-LIBVIRT-MISSING, and `libvirt.libvirtError` for what
        else libvirt says.
        """
        address = uri or LOCAL
        reused = self._open.get(address)
        connection = reused or await in_thread(lambda: self._opened(address), address, _OPENING)
        try:
            return await self._asked(connection, address, work, seconds)
        except GuestError as error:
            if reused is None or error.code != "E-LIBVIRT":
                raise
        connection = await in_thread(lambda: self._opened(address), address, _OPENING)
        return await self._asked(connection, address, work, seconds)

    async def _asked(self, connection: Any, uri: str, work: Callable[[Any], T], seconds: float) -> T:
        try:
            return await in_thread(lambda: done(work, connection, uri), uri, seconds)
        except GuestError as error:
            if error.code in {"E-LIBVIRT", "E-LIBVIRT-TIMEOUT"}:
                self._forget(uri, connection)
            raise

    def _opened(self, uri: str) -> Any:
        libvirt = module()
        try:
            connection = libvirt.open(without_questions(uri))
        except libvirt.libvirtError as error:
            raise connection_error(error, uri) from error
        with self._lock:
            return self._open.setdefault(uri, connection)

    def _forget(self, uri: str, connection: Any) -> None:
        with self._lock:
            if self._open.get(uri) is connection:
                del self._open[uri]

    def close(self) -> None:
        """Let go of all connections; guests go on."""
        with self._lock:
            connections, self._open = list(self._open.values()), {}
        for each in connections:
            threading.Thread(target=let_go, args=(each,), daemon=True).start()


_OPENING = defaults.HYPERVISOR_OPEN_TIMEOUT


def without_questions(uri: str) -> str:
    """A URI over SSH with `no_tty`: ssh then fails where it would ask for a password or about a host key."""
    parts = urlsplit(uri)
    if not parts.scheme.endswith("+ssh") or "no_tty" in parse_qs(parts.query):
        return uri
    return urlunsplit(parts._replace(query=f"{parts.query}&no_tty=1" if parts.query else "no_tty=1"))


def module() -> Any:
    """libvirt's Python module, loaded when it is first needed: most workstations have none. Raises GuestError."""
    try:
        import libvirt
    except ImportError as error:
        message = "libvirt's Python module is not installed on this workstation"
        raise GuestError("E-LIBVIRT-MISSING", message, on_target="Nothing was changed.") from error
    libvirt.registerErrorHandler(lambda context, error: None, None)
    with _LOOP_LOCK:
        if not _LOOPS:  # before the first connection: events come only to those that are opened later
            _LOOPS.append(EventLoop(libvirt))
    return libvirt


def done(work: Callable[[Any], T], connection: Any, uri: str) -> T:
    """`work` done with a connection; one that is gone is told as HypervisorLost."""
    libvirt = module()
    try:
        return work(connection)
    except libvirt.libvirtError as error:
        if is_lost(error):
            raise connection_error(error, uri) from error
        raise


def let_go(connection: Any) -> None:
    """Close a connection, which blocks."""
    with suppress(module().libvirtError):  # a daemon that is gone has closed it already
        connection.close()


async def in_thread(work: Callable[[], T], uri: str, seconds: float) -> T:
    """What blocking work returns or raises; HypervisorLost E-LIBVIRT-TIMEOUT where that takes too long."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # type: ignore[arg-type] # no error: it is a T

    def run() -> None:
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits, whatever it is
            failure = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=run, name=f"libvirt {uri}", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError as late:
        raise too_late(uri, seconds) from late
