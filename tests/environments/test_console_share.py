"""One owner of a console over all processes, the others through it, everything recorded once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdeploy_gui.environments.console_recording import recorded
from kdeploy_gui.environments.console_share import OwnedConsole, SharedConsoles, recordings
from kdeploy_gui.environments.console_stream import WAITING
from kdeploy_gui.environments.console_tcp import TcpConsoles
from kdeploy_gui.environments.memory_console import MemoryConsoles
from kdeploy_gui.errors import LocalError, NetworkError
from kdeploy_gui.model.environment import Console, Environment
from kdeploy_gui.ports import ConsoleStream
from tests.engine.steps import until
from tests.history.processes import ROOT, Peer

A = Environment(name="a", host="a.invalid", console=Console(tcp="memory:1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Longer than the name of a socket may be."""
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    return deep / "consoles"


async def joined(consoles: MemoryConsoles, folder: Path) -> ConsoleStream:
    """Another process that the owner has let in."""
    stream = await SharedConsoles(consoles, folder).open(A)
    (console,) = consoles.opened["a"]
    await stream.write(b"?")
    await until(lambda: console.typed == b"?", "the other one to be let in")
    console.typed = b""
    return stream


async def read(stream: ConsoleStream, wanted: bytes) -> None:
    data = b""
    async with asyncio.timeout(30):
        while data != wanted:
            more = await stream.read()
            assert more, stream.ended
            data += more
            assert wanted.startswith(data)


async def to_end(stream: ConsoleStream) -> None:
    async with asyncio.timeout(30):
        while await stream.read():
            pass


async def test_a_second_process_reads_and_writes_through_the_owner(folder: Path) -> None:
    consoles = MemoryConsoles()
    owner = await SharedConsoles(consoles, folder).open(A)
    other = await joined(consoles, folder)
    assert (owner.way, other.way) == ("memory", f"through kdeploy (pid {os.getpid()}), which has it open")
    (console,) = consoles.opened["a"]
    await other.write(b"ls\r\xff\x00")
    await until(lambda: console.typed == b"ls\r\xff\x00", "what the other typed")
    console.print(b"bin\r\n\xff")
    await read(owner, b"bin\r\n\xff")
    await read(other, b"bin\r\n\xff")
    assert b"".join(each.data for each in recorded(recordings(folder, "a"), 1000)) == b"bin\r\n\xff"
    await other.close()
    assert other.ended == "closed here"
    await owner.close()


async def test_who_comes_next_after_the_owner_opens_it_itself(folder: Path) -> None:
    consoles = MemoryConsoles()
    owner = await SharedConsoles(consoles, folder).open(A)
    other = await joined(consoles, folder)
    await owner.close()
    await to_end(other)
    assert "has let go of it" in other.ended
    with pytest.raises(NetworkError):
        await other.write(b"x")
    await other.close()
    following = await SharedConsoles(consoles, folder).open(A)
    assert isinstance(following, OwnedConsole)
    assert len(consoles.opened["a"]) == 2
    await following.close()


async def test_the_end_of_the_console_is_that_of_everybody(folder: Path) -> None:
    consoles = MemoryConsoles()
    owner = await SharedConsoles(consoles, folder).open(A)
    other = await joined(consoles, folder)
    consoles.opened["a"][0].break_off("the cable")
    await to_end(owner)
    assert owner.ended == "the cable"
    await owner.close()
    await to_end(other)
    await other.close()


async def test_a_console_that_cannot_be_opened_is_free_for_the_next(folder: Path) -> None:
    consoles = MemoryConsoles()
    consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "refused")]
    with pytest.raises(NetworkError, match="refused"):
        await SharedConsoles(consoles, folder).open(A)
    await (await SharedConsoles(consoles, folder).open(A)).close()


async def test_only_this_user_gets_in(folder: Path) -> None:
    owner = await SharedConsoles(MemoryConsoles(), folder).open(A)
    place = recordings(folder, "a")
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, place, place / "socket", place / "lock")] == [
        "0o700",
        "0o700",
        "0o600",
        "0o600",
    ]
    await owner.close()
    assert not (place / "socket").exists()


async def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "consoles").write_text("")
    with pytest.raises(LocalError) as caught:
        await SharedConsoles(MemoryConsoles(), tmp_path / "consoles").open(A)
    assert caught.value.code == "E-LOCK-FILE"


async def test_another_process_that_does_not_read_is_let_go(folder: Path) -> None:
    consoles = MemoryConsoles()
    owner = await SharedConsoles(consoles, folder).open(A)
    other = await joined(consoles, folder)
    (console,) = consoles.opened["a"]
    for _ in range(8):
        console.print(b"x" * WAITING)
        await owner.read()
        await asyncio.sleep(0)
    await to_end(other)
    assert other.ended
    await other.close()
    console.print(b"still here")
    await read(owner, b"still here")
    await owner.close()


class Machine:
    """A TCP console of this process that prints what it is told to."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.typed = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while data := await reader.read(1000):
            self.typed += data
        writer.close()


@pytest.fixture
async def served() -> AsyncIterator[tuple[Machine, str]]:
    machine = Machine()
    async with await asyncio.start_server(machine.serve, "127.0.0.1", 0) as server:
        yield machine, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def another_process(folder: Path, address: str) -> Iterator[Peer]:
    argv = [sys.executable, "-m", "tests.environments.console_peer", str(folder), address]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()


async def test_an_owner_that_is_killed_leaves_the_console_to_the_next(
    folder: Path, served: tuple[Machine, str]
) -> None:
    machine, address = served
    here = Environment(name="a", host="a.invalid", console=Console(tcp=address))
    with another_process(folder, address) as peer:
        assert await asyncio.to_thread(peer.line) == f"{address} (raw)"
        joined = await SharedConsoles(TcpConsoles(), folder).open(here)
        assert joined.way == f"through kdeploy (pid {peer.pid}), which has it open"
        await joined.write(b"hello")
        await until(lambda: machine.typed == b"hello", "what was typed")
        machine.writers[0].write(b"world")
        await read(joined, b"world")
        peer.kill()
        await to_end(joined)
        await joined.close()
    owned = await SharedConsoles(TcpConsoles(), folder).open(here)
    assert owned.way == f"{address} (raw)"
    await until(lambda: len(machine.writers) == 2, "the second connection")
    machine.writers[1].write(b"again")
    await read(owned, b"again")
    await owned.close()
    assert [each.data for each in recorded(recordings(folder, "a"), 1000)] == [b"world", b"again"]


async def test_an_owner_that_hangs_is_named(folder: Path) -> None:
    consoles = MemoryConsoles()
    owner = await SharedConsoles(consoles, folder).open(A)
    assert isinstance(owner, OwnedConsole)
    await owner.stop_serving()
    with pytest.raises(NetworkError) as caught:
        await SharedConsoles(consoles, folder).open(A)
    assert caught.value.code == "E-CONSOLE-BUSY"
    assert f"pid {os.getpid()}" in caught.value.message
    await owner.close()
