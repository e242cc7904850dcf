"""The builders of real peers do what their users count on."""

from __future__ import annotations

import asyncio
import gc
import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.client import client, offered_key, output_of
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import descendants, is_alive, wait_until
from tests.lab.sshd import Sshd

pytestmark = pytest.mark.sshd
BLOCK = bytes(range(256)) * 4096


async def eventually(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


async def test_a_session_has_a_home_of_its_own(sshd: Sshd) -> None:
    assert await output_of(sshd.environment(), "cd && pwd") == str(sshd.home())


async def test_logical_hosts_share_a_server_and_nothing_else(make_sshd: MakeSshd) -> None:
    server = make_sshd(hosts=20)
    environments = server.environments()
    homes = [await output_of(each, "echo ~") for each in environments]
    assert homes == [str(server.home(host)) for host in range(20)]
    assert len({each.host for each in environments}) == 20


async def test_accounts_are_other_users_and_go_with_the_server(make_sshd: MakeSshd, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make accounts")
    with Sshd(tmp_path / "accounts", hosts=2, accounts=True) as server:
        names = [await output_of(each, "id -un; touch ~/mine") for each in server.environments()]
        assert names == [server.user(0), server.user(1)]
        owner = (server.home(1) / "mine").stat().st_uid
        assert owner == pwd.getpwnam(names[1]).pw_uid != 0
        home = server.home(1)
    assert not home.exists()
    with pytest.raises(KeyError):
        pwd.getpwnam(names[1])


async def test_changed_host_keys_are_offered(make_sshd: MakeSshd) -> None:
    server = make_sshd(host_key_types=("ed25519", "rsa"))
    before = server.fingerprints
    after = server.change_host_keys()
    assert len(before) == 2
    assert not set(before) & set(after)
    async with client(server.environment()) as connection:
        assert offered_key(connection) in after


async def test_killed_sessions_end_the_connection_and_not_the_server(sshd: Sshd) -> None:
    async with client(sshd.environment()) as connection:
        process = await connection.create_process("sleep 600")
        assert sshd.kill_sessions() > 0
        await process.wait_closed()
        assert process.exit_status is None
    assert await output_of(sshd.environment(), "echo up") == "up"


async def test_a_paused_server_answers_when_it_is_resumed(sshd: Sshd) -> None:
    async with client(sshd.environment()) as connection:
        sshd.pause()
        waiting = asyncio.create_task(connection.run("echo up", check=True))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        sshd.resume()
        assert (await waiting).stdout == "up\n"


async def test_stop_ends_what_sessions_left_running(make_sshd: MakeSshd) -> None:
    server = make_sshd()
    left = int(await output_of(server.environment(), "setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo $!"))
    assert is_alive(left)
    server.stop()
    assert not is_alive(left)
    server.start()
    assert await output_of(server.environment(), "echo up") == "up"


async def test_the_proxy_passes_everything_when_asked_nothing(sshd: Sshd, chaos: Chaos) -> None:
    async with client(chaos.environment(sshd.environment())) as connection:
        done = await connection.run("cat", input=BLOCK, encoding=None, check=True)
    assert done.stdout == BLOCK
    assert chaos.connections == 1
    assert chaos.passed[Direction.TO_SERVER] > len(BLOCK)


async def test_a_cut_resets_the_connection_once(sshd: Sshd, chaos: Chaos) -> None:
    environment = chaos.environment(sshd.environment())
    chaos.trap(Mischief.CUT, Direction.TO_SERVER, 200_000)
    async with client(environment) as connection:
        process = await connection.create_process("cat > ~/received", encoding=None)
        process.stdin.write(BLOCK)
        process.stdin.write_eof()
        await process.wait_closed()
        assert process.exit_status is None
    assert 100_000 < chaos.passed[Direction.TO_SERVER] <= 200_000
    assert await output_of(environment, "echo up") == "up"


async def test_a_flipped_bit_breaks_the_connection(sshd: Sshd, chaos: Chaos) -> None:
    chaos.trap(Mischief.FLIP, Direction.TO_SERVER, 200_000)
    async with client(chaos.environment(sshd.environment())) as connection:
        process = await connection.create_process("cat > ~/received", encoding=None)
        process.stdin.write(BLOCK)
        process.stdin.write_eof()
        await process.wait_closed()
        assert process.exit_status is None
    assert "message authentication code incorrect" in sshd.log or "Corrupted" in sshd.log


async def test_the_proxy_freezes_and_thaws(sshd: Sshd, chaos: Chaos) -> None:
    async with client(chaos.environment(sshd.environment())) as connection:
        chaos.freeze()
        waiting = asyncio.create_task(connection.run("echo up", check=True))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        chaos.thaw()
        assert (await waiting).stdout == "up\n"


async def test_refused_connections_are_refused_by_the_kernel(sshd: Sshd, chaos: Chaos) -> None:
    environment = chaos.environment(sshd.environment())
    chaos.refuse()
    with pytest.raises(ConnectionRefusedError):
        await output_of(environment, "true")
    chaos.allow()
    assert await output_of(environment, "echo up") == "up"


async def _echo_server(received: asyncio.Queue[bytes]) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()
        received.put_nowait(data)
        writer.write(data)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("mischief", "expected"),
    [(Mischief.FLIP, b"0023456789"), (Mischief.HALF_CLOSE, b"0")],
)
async def test_mischief_hits_its_offset(mischief: Mischief, expected: bytes) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    async with await _echo_server(received) as server:
        with Chaos(*server.sockets[0].getsockname()) as proxy:
            proxy.trap(mischief, Direction.TO_SERVER, 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"0123456789")
            writer.write_eof()
            assert await reader.read() == expected
            assert received.get_nowait() == expected
            writer.close()
            await eventually(lambda: proxy.open_connections == 0, "the proxy closed the connection")


async def test_latency_and_rate_slow_a_connection_down() -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    async with await _echo_server(received) as server:
        with Chaos(*server.sockets[0].getsockname()) as proxy:
            proxy.latency = 0.1
            proxy.rate = 10_000
            started = asyncio.get_running_loop().time()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"x" * 2000)
            writer.write_eof()
            await reader.read()
            writer.close()
            assert asyncio.get_running_loop().time() - started >= 2 * (0.1 + 0.2)


def test_a_proxy_closes_what_arrives_as_it_ends() -> None:
    """What it leaves open would be told of in some later test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            with Chaos(*server.getsockname()) as proxy:
                late = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(3)]
            for each in late:
                each.close()
    gc.collect()


def test_descendants_lists_a_whole_family(sshd: Sshd) -> None:
    assert os.getpid() in descendants(os.getppid())
    assert sshd.port in range(1, 65536)
