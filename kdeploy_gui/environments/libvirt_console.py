"""Serial consoles of guests under libvirt, wherever its daemon runs.

A stream of libvirt blocks, so one thread per console reads it. Nobody waits for that thread; ending the stream ends it.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

from kdeploy_gui import defaults
from kdeploy_gui.environments.console_stream import CHUNK, Arrivals, lost
from kdeploy_gui.environments.libvirt_connection import LOCAL, LibvirtConnections, module
from kdeploy_gui.environments.libvirt_errors import UNCHANGED, guest_error
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import Environment


class LibvirtConsoles:
    """The `Consoles` port for the first serial console of a domain.

    Each has a connection of its own: a thread that waits for text must not hold up questions about guests.
    """

    async def open(self, environment: Environment) -> LibvirtConsole:
        """See `Consoles.open`. Raises GuestError E-GUEST-OFF and E-CONSOLE-GUEST, and as libvirt's connections do."""
        uri, domain = environment.uri or LOCAL, environment.domain
        opening, connections = _Opening(domain), LibvirtConnections()
        try:
            stream = await connections.ask(uri, opening.work)
        except module().libvirtError as error:
            connections.close()
            doing = "opening the console of"
            raise guest_error(error, uri, domain, doing, "E-CONSOLE-GUEST") from error
        except BaseException:
            opening.abandon()
            connections.close()
            raise
        if stream is None:
            connections.close()
            message = f"{domain} is shut off"
            raise GuestError("E-GUEST-OFF", message, on_target=UNCHANGED, domain=domain, uri=uri)
        return LibvirtConsole(stream, f"{domain} at {uri}", connections)


class _Opening:
    """A console that is being opened in a thread: one that nobody waits for any more is let go, for others to have."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._lock = threading.Lock()
        self._stream: Any = None
        self._abandoned = False

    def work(self, connection: Any) -> Any:
        """The stream, None where the domain is off."""
        stream = _opened(connection, self._domain)
        with self._lock:
            self._stream = stream
            if self._abandoned:
                _abort(stream)
        return stream

    def abandon(self) -> None:
        """Nobody waits."""
        with self._lock:
            self._abandoned = True
            if self._stream is not None:
                threading.Thread(target=_abort, args=(self._stream,), daemon=True).start()


class LibvirtConsole:
    """The `ConsoleStream` port on a stream of libvirt (`libvirt.virStream`)."""

    def __init__(self, stream: Any, words: str, connections: LibvirtConnections) -> None:
        self.way = words
        self._connections = connections
        self._stream = stream
        self._room = threading.Event()
        self._room.set()
        self._arrivals = Arrivals(self._hold)
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        threading.Thread(target=self._pump, name=f"console {words}", daemon=True).start()

    @property
    def ended(self) -> str:
        """See `ConsoleStream.ended`."""
        return self._arrivals.ended

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        return await self._arrivals.read()

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        if self.ended:
            raise lost(self.ended)
        try:
            await asyncio.to_thread(self._send, data)
        except module().libvirtError as error:
            raise lost(str(error.get_error_message())) from error

    async def close(self) -> None:
        """See `ConsoleStream.close`."""
        first = not self.ended
        self._arrivals.end("closed here")
        self._room.set()
        if first:
            threading.Thread(target=_abort, args=(self._stream,), daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(defaults.CANCEL_GRACE):
                await self._over.wait()
        self._connections.close()

    def _hold(self, on: bool) -> None:
        if on:
            self._room.clear()
        else:
            self._room.set()

    def _send(self, data: bytes) -> None:
        rest = data
        while rest:
            rest = rest[self._stream.send(rest) :]

    def _pump(self) -> None:
        """The thread: reads to the end and hands over."""
        why = "the guest's console has ended"
        try:
            while data := self._stream.recv(CHUNK):
                self._tell(self._arrivals.arrived, data)
                self._room.wait()
            self._stream.finish()
        except module().libvirtError as error:
            why = str(error.get_error_message())
        self._tell(self._arrivals.end, why)
        self._tell(self._over.set)

    def _tell(self, what: Any, *values: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(what, *values)


def _abort(stream: Any) -> None:
    if stream is not None:
        with suppress(module().libvirtError):  # the daemon has ended it already
            stream.abort()


def _opened(connection: Any, name: str) -> Any:
    """The stream of a domain's console; None where the domain is off."""
    domain = connection.lookupByName(name)
    if not domain.isActive():
        return None
    stream = connection.newStream(0)
    domain.openConsole(None, stream, 0)
    return stream
