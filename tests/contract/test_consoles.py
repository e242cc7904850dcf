"""The suite of port Consoles: in memory, a plain TCP server, ser2net raw and with RFC 2217, and a command."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from kdeploy_gui.environments.console_command import CommandConsoles
from kdeploy_gui.environments.console_tcp import TcpConsoles
from kdeploy_gui.environments.consoles import NamedConsoles
from kdeploy_gui.environments.libvirt_console import LibvirtConsoles
from kdeploy_gui.environments.memory_console import MemoryConsoles
from kdeploy_gui.errors import KdeployError, LocalError, NetworkError, PlanError
from kdeploy_gui.model.environment import Console, ConsoleProtocol, Environment
from kdeploy_gui.ports import Consoles, ConsoleStream
from tests.engine.steps import until
from tests.lab import serial
from tests.lab.serial import SerialLine, SerialServer

EVERY_BYTE = bytes(range(256)) * 4 + b"\xff\xff\r\n\r\0\r"


class Machine(Protocol):
    """The other end of a console."""

    environment: Environment

    @property
    def consoles(self) -> Consoles:
        """The way to it."""

    def print(self, data: bytes) -> None:
        """It prints."""

    def typed(self) -> bytes:
        """All that was written to it."""

    async def break_off(self) -> None:
        """The way to it breaks."""


class InMemory:
    def __init__(self) -> None:
        self.environment = named(Console(tcp="memory:1"))
        self.consoles = MemoryConsoles()

    def print(self, data: bytes) -> None:
        self.consoles.opened["a"][-1].print(data)

    def typed(self) -> bytes:
        return b"".join(each.typed for each in self.consoles.opened["a"])

    async def break_off(self) -> None:
        self.consoles.opened["a"][-1].break_off("pulled out")


class OnSerialLine:
    """A board on a serial line; `stop` ends what is in front of it."""

    def __init__(self, line: SerialLine, console: Console, stop: Callable[[], None] = lambda: None) -> None:
        self._line = line
        self._stop = stop
        self.environment = named(console)
        self.consoles = real(self._line.device.parent)

    def print(self, data: bytes) -> None:
        self._line.print(data)

    def typed(self) -> bytes:
        return self._line.typed()

    async def break_off(self) -> None:
        self._stop()


class PlainServer:
    """A TCP server that is a console itself."""

    def __init__(self) -> None:
        self.consoles = real(Path("/"))
        self._typed = b""
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.environment = named(Console(tcp=f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while data := await reader.read(4096):
            self._typed += data
        writer.close()

    def print(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def typed(self) -> bytes:
        return self._typed

    async def break_off(self) -> None:
        self._writers[-1].close()


def named(console: Console) -> Environment:
    return Environment(name="a", host="a.invalid", console=console)


def real(folder: Path) -> NamedConsoles:
    return NamedConsoles(CommandConsoles(folder), TcpConsoles(), LibvirtConsoles())


@asynccontextmanager
async def machine(kind: str, folder: Path) -> AsyncIterator[Machine]:
    if kind == "memory":
        yield InMemory()
    elif kind == "tcp":
        peer = PlainServer()
        async with await peer.start():
            yield peer
    elif kind == "command":
        with SerialLine(folder / "line") as line:
            pid_file = folder / "pid"
            command = f"sh -c 'echo $$ >{pid_file}; exec socat -,raw,echo=0 {line.device},raw,echo=0'"

            def stop() -> None:
                os.kill(int(pid_file.read_text()), signal.SIGTERM)

            yield OnSerialLine(line, Console(command=command), stop)
    else:
        rfc2217 = kind == "rfc2217"
        protocol = ConsoleProtocol.RFC2217 if rfc2217 else ConsoleProtocol.RAW
        with (
            SerialLine(folder / "line") as line,
            SerialServer(folder / "server", line.device, rfc2217=rfc2217) as server,
        ):
            yield OnSerialLine(line, Console(tcp=server.address, protocol=protocol), server.stop)


@pytest.fixture(params=["memory", "tcp", "ser2net", "rfc2217", "command"])
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Machine]:
    if request.param not in {"memory", "tcp"} and serial.missing():
        pytest.skip(f"not installed: {', '.join(serial.missing())}")
    async with machine(request.param, tmp_path) as found:
        yield found


@asynccontextmanager
async def opened(peer: Machine) -> AsyncIterator[ConsoleStream]:
    """An open console that is known to work: what is typed arrives."""
    stream = await reached(peer)
    try:
        yield stream
    finally:
        await stream.close()


async def reached(peer: Machine) -> ConsoleStream:
    """A serial server may take a moment to let go of the client before."""
    async with asyncio.timeout(30):
        while True:
            stream = await peer.consoles.open(peer.environment)
            if await works(stream, peer):
                return stream
            await stream.close()


async def works(stream: ConsoleStream, peer: Machine) -> bool:
    before = len(peer.typed())
    reading = asyncio.create_task(read_to_end(stream))
    with suppress(NetworkError):
        await stream.write(b"?")
        await until(lambda: bool(stream.ended) or len(peer.typed()) > before, "the first key to arrive")
    reading.cancel()
    await asyncio.wait({reading})
    return not stream.ended


async def read_to_end(stream: ConsoleStream) -> None:
    while await stream.read():
        pass


async def read_until(stream: ConsoleStream, end: bytes) -> bytes:
    data = b""
    async with asyncio.timeout(30):
        while not data.endswith(end):
            more = await stream.read()
            assert more, stream.ended
            data += more
    return data


async def test_every_byte_arrives_unchanged_both_ways(peer: Machine) -> None:
    async with opened(peer) as stream:
        peer.print(EVERY_BYTE + b"end")
        assert await read_until(stream, b"end") == EVERY_BYTE + b"end"
        before = peer.typed()
        await stream.write(EVERY_BYTE)
        await stream.write(b"end")
        await until(lambda: peer.typed().endswith(b"end"), "what was typed to arrive")
        assert peer.typed() == before + EVERY_BYTE + b"end"
        assert stream.ended == ""


async def test_what_nobody_reads_waits_and_is_not_lost(peer: Machine) -> None:
    async with opened(peer) as stream:
        lines = [b"%06d %s\n" % (number, b"x" * 50) for number in range(200)]
        printing = asyncio.create_task(print_all(peer, lines))
        assert await read_until(stream, lines[-1]) == b"".join(lines)
        await printing


async def print_all(peer: Machine, lines: list[bytes]) -> None:
    """Not faster than a terminal takes it."""
    for line in lines:
        while True:
            try:
                peer.print(line)
                break
            except BlockingIOError:
                await asyncio.sleep(0.005)


async def test_the_end_of_the_way_is_told_after_what_came_before(peer: Machine) -> None:
    async with opened(peer) as stream:
        peer.print(b"last")
        assert await read_until(stream, b"last") == b"last"
        await peer.break_off()
        async with asyncio.timeout(30):
            assert await stream.read() == b""
        assert stream.ended
        with pytest.raises(NetworkError) as caught:
            await stream.write(b"x")
        assert caught.value.code == "E-CONSOLE-LOST"
        assert await stream.read() == b""


async def test_a_console_that_was_closed_ends_its_reader(peer: Machine) -> None:
    async with opened(peer) as stream:
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        await stream.close()
        async with asyncio.timeout(30):
            assert await reading == b""
        assert stream.ended == "closed here"
        await stream.close()


async def test_a_console_can_be_opened_again(peer: Machine) -> None:
    for _ in range(2):
        async with opened(peer):
            pass


async def test_no_way_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        await real(Path("/")).open(named(Console()))
    assert caught.value.code == "E-CONSOLE-NONE"


@pytest.mark.parametrize(
    ("console", "kind", "code", "part"),
    [
        (Console(tcp="127.0.0.1:1"), NetworkError, "E-CONSOLE-TCP", "cannot be reached: Connect"),
        (Console(tcp="nowhere.invalid:1"), NetworkError, "E-CONSOLE-TCP", "cannot be reached"),
        (Console("/nowhere/picocom -q"), LocalError, "E-CONSOLE-COMMAND", "/nowhere/picocom cannot be run here"),
    ],
)
async def test_what_cannot_be_opened_says_why(console: Console, kind: type[KdeployError], code: str, part: str) -> None:
    with pytest.raises(kind) as caught:
        await real(Path("/")).open(named(console))
    assert caught.value.code == code
    assert part in caught.value.message


async def test_a_command_that_ends_at_once_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdeploy_gui.environments.console_stream._AT_ONCE", 60.0)
    stream = await real(Path("/")).open(named(Console("sh -c 'echo FATAL: no such device; exit 3'")))
    async with asyncio.timeout(30):
        await read_to_end(stream)
    assert stream.ended == "sh ended with status 3: FATAL: no such device"


async def test_a_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    inner = f'trap "" HUP TERM; sleep 1000 & echo $! >{tmp_path / "pid"}; echo up; wait'
    stream = await real(tmp_path).open(named(Console(f"sh -c '{inner}'")))
    await read_until(stream, b"up\n")
    await stream.close()
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not serial.is_alive(pid), "the command's child to end")


async def test_the_second_client_of_a_serial_server_is_told_that_it_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdeploy_gui.environments.console_stream._AT_ONCE", 60.0)
    if serial.missing():
        pytest.skip(f"not installed: {', '.join(serial.missing())}")
    async with machine("ser2net", tmp_path) as peer, opened(peer):
        second = await peer.consoles.open(peer.environment)
        async with asyncio.timeout(30):
            await read_to_end(second)
        assert second.ended == "the server closed the connection: Port already in use"
