"""Servers that mean harm, or are broken: they are told as what they are, in time, and take no memory from us."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncssh
import pytest

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from tests.environments.test_ssh_host import connected, refusal
from tests.lab.chaos import Chaos
from tests.lab.sshd import Sshd

PIN = "SHA256:" + "A" * 43
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[Environment]:
    """A server that does what `serve` says, until the client has gone."""
    visits: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        try:
            with suppress(OSError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Environment(name="hostile", host="127.0.0.1", port=port, host_keys=(PIN,))
    for each in visits:
        each.cancel()
    await asyncio.gather(*visits, return_exceptions=True)


async def flood(writer: asyncio.StreamWriter, block: bytes) -> None:
    """Write until the client hangs up."""
    while True:
        writer.write(block)
        await writer.drain()


async def endless_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"x" * 65536)


async def endless_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"welcome\r\n" * 8192)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-evil\r\n")
    await flood(writer, os.urandom(65536))


async def huge_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-evil\r\n\x7f\xff\xff\xff\x04")
    await flood(writer, b"\0" * 65536)


async def escape_sequences(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-\x1b]0;owned\x07\x1b[2J\r\n")
    await reader.read()


async def one_byte_a_while(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in b"SSH-2.0-slow" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


HOSTILE = [endless_greeting, endless_lines, garbage, huge_packet, escape_sequences, one_byte_a_while]


@pytest.mark.parametrize("serve", HOSTILE, ids=[each.__name__ for each in HOSTILE])
async def test_a_hostile_server_is_given_up_in_time_and_costs_no_memory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with listening(serve) as environment, asyncio.timeout(20):
        error = await refusal(environment)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert error.code in {"E-TIMEOUT", "E-PROTO", "E-LOST"}
    assert grown * 1024 < 60_000_000


class Liar(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


@asynccontextmanager
async def lying(answer: Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]) -> AsyncIterator[Environment]:
    """A server that answers every command with what it likes."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def process(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        with suppress(OSError, asyncssh.Error):
            await answer(channel)

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Liar, server_host_keys=[key], process_factory=process, encoding=None
    )
    async with server:
        yield Environment(name="liar", host="127.0.0.1", port=server.get_port(), host_keys=(key.get_fingerprint(),))


async def says(channel: asyncssh.SSHServerProcess[bytes], stdout: bytes, stderr: bytes = b"kdeploy-pid:4711\n") -> None:
    channel.stderr.write(stderr)
    channel.stdout.write(stdout)
    channel.exit(0)


LIES = {
    "nothing": (b"", b""),
    "garbage": (os.urandom(10_000), os.urandom(10_000)),
    "init": (b"", b"kdeploy-pid:1\n"),
    "numbers": (b"kernel_release\tx\nhome\t/\nuid\t1e999\nmemory_total_kib\tnan\n", b"kdeploy-pid:4711\n"),
    "control": (b"kernel_release\t\x1b[2J\x1b]0;x\x07\n", b"kdeploy-pid:4711\n"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_machine_is_an_error_of_that_machine(lie: str) -> None:
    async with lying(lambda channel: says(channel, *LIES[lie])) as environment, connected(environment) as target:
        with pytest.raises(KdeployError) as caught:
            await target.facts(FactsQuery())
    assert caught.value.code in {"E-SHELL", "E-LOST", "E-TOOL-MISSING"}


async def test_a_machine_that_never_stops_talking_is_kept_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CAPTURE_CAP", 1 << 20)

    async def talk(channel: asyncssh.SSHServerProcess[bytes]) -> None:
        channel.stderr.write(b"kdeploy-pid:4711\n")
        while True:
            channel.stdout.write(b"y\n" * 32768)
            await channel.stdout.drain()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with lying(talk) as environment, connected(environment) as target:
        with pytest.raises(KdeployError) as caught:
            await target.execute(Command("yes", title="yes", timeout=2.0))
    assert caught.value.code == "E-COMMAND"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 80_000_000


@pytest.mark.sshd
async def test_a_link_of_a_few_bytes_a_second_is_slow_and_not_broken(sshd: Sshd, chaos: Chaos) -> None:
    async with connected(chaos.environment(sshd.environment())) as target:
        chaos.rate = 20_000
        assert (await target.facts(FactsQuery())).kernel_release
