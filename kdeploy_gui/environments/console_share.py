"""One owner of each serial console over all processes of this workstation; the others go through it.

Whoever has the lock beside a console's recordings has the console open, records it, and serves a socket there: raw
bytes both ways. When it ends, the socket does, and who comes first to the lock is the next one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from kdeploy_gui.environments.console_recording import Recording
from kdeploy_gui.environments.console_stream import CHUNK, WAITING, lost
from kdeploy_gui.environments.locks import lock_file_error, locked, open_lock_file
from kdeploy_gui.errors import KdeployError, NetworkError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Consoles, ConsoleStream

PATIENCE = 2.0
"""Seconds that an owner may take to come or to go."""
_POLL = 0.05


def recordings(folder: Path, name: str) -> Path:
    """Where the recordings of an environment's console are, below the folder of all consoles."""
    return folder / quote(name, safe="")


class SharedConsoles:
    """The `Consoles` port over another one; `folder` is kdeploy's own."""

    def __init__(self, inner: Consoles, folder: Path) -> None:
        self._inner = inner
        self._folder = folder

    async def open(self, environment: Environment) -> ConsoleStream:
        """See `Consoles.open`. Raises NetworkError E-CONSOLE-BUSY where another process has it and does not answer."""
        place = recordings(self._folder, environment.name)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
            while True:
                with ExitStack() as unless_used:
                    lock = open_lock_file(place / "lock")
                    unless_used.callback(os.close, lock)
                    stream = await self._owned(environment, place, lock) if locked(lock) else await _joined(place, lock)
                    if isinstance(stream, OwnedConsole):
                        unless_used.pop_all()
                    if stream is not None:
                        return stream
                    if asyncio.get_running_loop().time() > deadline:
                        raise _busy(environment, lock)
                await asyncio.sleep(_POLL)
        except OSError as error:
            raise lock_file_error(place / "lock", error) from error

    async def _owned(self, environment: Environment, place: Path, lock: int) -> OwnedConsole:
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        stream = await self._inner.open(environment)
        owned = OwnedConsole(stream, Recording(place, environment.name), place, lock)
        try:
            await owned.serve()
        except BaseException:
            await owned.stop_serving()
            await stream.close()
            raise
        return owned


class OwnedConsole:
    """The `ConsoleStream` port on a console that is this process's own."""

    def __init__(self, stream: ConsoleStream, recording: Recording, place: Path, lock: int) -> None:
        self._stream = stream
        self._recording = recording
        self._place = place
        self._lock = lock
        self._others: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def ended(self) -> str:
        """See `ConsoleStream.ended`."""
        return self._stream.ended

    @property
    def way(self) -> str:
        """See `ConsoleStream.way`."""
        return ", ".join(filter(None, (self._stream.way, self._recording.problem)))

    async def serve(self) -> None:
        """Let other processes in."""
        with _reachable(self._place) as path:
            with suppress(FileNotFoundError):
                os.unlink(path)
            self._server = await asyncio.start_unix_server(self._let_in, path, limit=CHUNK)
            os.chmod(path, 0o600)

    async def stop_serving(self) -> None:
        """Let go of the others."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            with suppress(OSError):
                os.unlink(self._place / "socket")
        for each in tuple(self._others):
            each.transport.abort()

    async def read(self) -> bytes:
        """See `ConsoleStream.read`. What comes is recorded, and told to the others."""
        data = await self._stream.read()
        if not data:
            return b""
        self._recording.append(data)
        for each in tuple(self._others):
            if each.transport.get_write_buffer_size() > WAITING:
                each.transport.abort()  # it does not read: the next one of its process begins anew
            else:
                each.write(data)
        return data

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        await self._stream.write(data)

    async def close(self) -> None:
        """See `ConsoleStream.close`."""
        await self._stream.close()
        await self.stop_serving()
        self._recording.close()
        if self._lock >= 0:
            lock, self._lock = self._lock, -1
            os.close(lock)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._others.add(writer)
        try:
            while self._server is not None and (data := await reader.read(CHUNK)):
                await self._stream.write(data)
        except (OSError, KdeployError):
            return  # either end is gone, and the owner's reader tells of the console's
        finally:
            self._others.discard(writer)
            writer.transport.abort()


class JoinedConsole:
    """The `ConsoleStream` port on a console that another process has open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, owner: str) -> None:
        self._reader = reader
        self._writer = writer
        self._owner = owner
        self.ended = ""

    @property
    def way(self) -> str:
        """See `ConsoleStream.way`."""
        return f"through {self._owner}, which has it open"

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        if self.ended:
            return b""
        try:
            data = await self._reader.read(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._end()
        return data

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        try:
            if not self.ended:
                self._writer.write(data)
                await self._writer.drain()
                return
        except OSError:
            self._end()
        raise lost(self.ended)

    async def close(self) -> None:
        """See `ConsoleStream.close`."""
        self.ended = self.ended or "closed here"
        self._writer.transport.abort()

    def _end(self) -> None:
        self.ended = self.ended or f"{self._owner} has let go of it"


async def _joined(place: Path, lock: int) -> JoinedConsole | None:
    """The console through its owner; None where that does not answer, yet or any more."""
    try:
        with _reachable(place) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=CHUNK)
    except OSError:
        return None
    return JoinedConsole(reader, writer, _owner(lock))


@contextmanager
def _reachable(place: Path) -> Iterator[str]:
    """A short path of the socket, however long that of its folder is: names of sockets have 107 bytes."""
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/socket"
    finally:
        os.close(folder)


def _owner(lock: int) -> str:
    pid = os.pread(lock, 32, 0).decode(errors="replace")
    return f"kdeploy (pid {pid})" if pid.isdecimal() else "another kdeploy"


def _busy(environment: Environment, lock: int) -> NetworkError:
    message = f"{_owner(lock)} has the console of {environment.name} and does not answer"
    return NetworkError("E-CONSOLE-BUSY", message, on_target="Unchanged.")
