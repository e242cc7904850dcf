"""A TCP proxy that misbehaves on request; stands between a client and a server."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum
from types import TracebackType
from typing import Any, Self

from kdeploy_gui.engine.thread import LAST_ROUNDS
from kdeploy_gui.model.environment import Environment

_READ = 32 * 1024
_HOST = "127.0.0.1"


class Direction(Enum):
    """Which way bytes go."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class Mischief(Enum):
    """What happens at an offset of one direction of a connection."""

    CUT = "reset both sides"
    HALF_CLOSE = "end this direction"
    FLIP = "flip one bit"


@dataclass(frozen=True, slots=True)
class _Trap:
    mischief: Mischief
    direction: Direction
    offset: int


class Chaos:
    """The proxy, in its own thread. Settings may be changed at any time from any thread.

    `latency` in seconds per direction, `rate` in bytes per second and direction (0: no limit), `frozen`: bytes wait.
    `passed` counts bytes per direction over all connections, `connections` those accepted.
    """

    def __init__(self, host: str, port: int) -> None:
        self.latency = 0.0
        self.rate = 0
        self.passed = dict.fromkeys(Direction, 0)
        self.connections = 0
        self._server_address = (host, port)
        self._traps: list[_Trap] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos", daemon=True)
        self._thawed = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._visits: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        # Bound and never listening: holds the port while connections are refused.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind((_HOST, 0))
        self.port: int = self._holder.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._thawed.set)
        self.allow()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.refuse()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._holder.close()

    def environment(self, environment: Environment) -> Environment:
        """The same environment, reached through this proxy."""
        return replace(environment, host=_HOST, port=self.port)

    def refuse(self) -> None:
        """Refuse new connections; those that are open go on."""
        self._run(self._close_server())

    def allow(self) -> None:
        """Accept connections again."""
        self._run(self._open_server())

    def freeze(self) -> None:
        """Let no byte through; connections stay open."""
        self._call(self._thawed.clear)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._call(self._thawed.set)

    def drop(self) -> None:
        """Reset every open connection."""
        self._run(self._drop())

    def lose(self) -> None:
        """Let nothing through on open connections any more, which stay open; new ones go well."""
        self._call(self._lose)

    def trap(self, mischief: Mischief, direction: Direction, offset: int) -> None:
        """Do mischief to the next connection of which byte `offset` of that direction passes; once."""
        self._call(lambda: self._traps.append(_Trap(mischief, direction, offset)))

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._pairs)

    async def _open_server(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((_HOST, self.port), backlog=100)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._take, self._listener)

    async def _close_server(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _drop(self) -> None:
        for pair in tuple(self._pairs):
            pair.reset()
        await asyncio.gather(*(pair.done.wait() for pair in tuple(self._pairs)))

    async def _end(self) -> None:
        await asyncio.sleep(0)  # a visit that has not begun could not be cancelled cleanly
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        for _ in range(LAST_ROUNDS):
            await asyncio.sleep(0)

    def _lose(self) -> None:
        for pair in self._pairs:
            pair.flowing.clear()

    def _take(self, listener: socket.socket) -> None:
        """Accept a connection. `asyncio.Server` leaves one open that comes in the moment in which it is closed."""
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        self.connections += 1
        visit = asyncio.ensure_future(self._visit(client))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _visit(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._server_address)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            return
        pair = _Pair(writer, up_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, up_writer, Direction.TO_SERVER, pair),
                self._pump(up_reader, writer, Direction.TO_CLIENT, pair),
            )
        except (OSError, asyncio.CancelledError):
            pair.reset()
        finally:
            pair.close()
            self._pairs.discard(pair)
            pair.done.set()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction, pair: _Pair
    ) -> None:
        passed = 0
        while data := await reader.read(_READ):
            await self._thawed.wait()
            await pair.flowing.wait()
            await asyncio.sleep(self.latency + (len(data) / self.rate if self.rate else 0.0))
            for trap in self._due(direction, passed, passed + len(data)):
                at = trap.offset - passed
                match trap.mischief:
                    case Mischief.FLIP:
                        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                    case Mischief.HALF_CLOSE:
                        writer.write(data[:at])
                        writer.write_eof()
                        return
                    case Mischief.CUT:
                        writer.write(data[:at])
                        await writer.drain()
                        pair.reset()
                        return
            writer.write(data)
            await writer.drain()
            passed += len(data)
            self.passed[direction] += len(data)
        await self._thawed.wait()
        await pair.flowing.wait()
        if not writer.is_closing():
            writer.write_eof()

    def _due(self, direction: Direction, start: int, end: int) -> list[_Trap]:
        due = [trap for trap in self._traps if trap.direction is direction and start <= trap.offset < end]
        self._traps = [trap for trap in self._traps if trap not in due]
        return due

    def _call(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        self._run(act())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


class _Pair:
    """Both sides of one connection."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._writers = (client, server)
        self.done = asyncio.Event()
        self.flowing = asyncio.Event()
        self.flowing.set()

    def reset(self) -> None:
        self.flowing.set()
        for writer in self._writers:
            _reset(writer)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets RST instead of FIN."""
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
