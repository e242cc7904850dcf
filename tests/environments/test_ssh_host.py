"""SSH on the wire: what goes wrong is told as what it is, in time, and leaves nothing running behind."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui import defaults
from kdeploy_gui.errors import AuthError, Category, KdeployError, NetworkError, PlanError, TargetError, TrustError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.ports import Target
from tests.engine.steps import over_ssh
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import is_alive, wait_until
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent

pytestmark = pytest.mark.sshd


@asynccontextmanager
async def connected(environment: Environment, *others: Environment) -> AsyncIterator[Target]:
    """A target; its connection ends with the block."""
    target = await over_ssh(MemoryContent(), others).connect(environment)
    try:
        yield target
    finally:
        await target.close()


async def refusal(environment: Environment, *others: Environment) -> KdeployError:
    """The error that connecting ends with, and no sooner than the wire says so."""
    with pytest.raises(KdeployError) as caught:
        async with connected(environment, *others):
            pass
    assert environment.host in str(caught.value) or environment.name in str(caught.value)
    assert caught.value.on_target == "Nothing was sent."
    return caught.value


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A TCP server that gives one answer to what a client says and hangs up; without an answer it says nothing."""
    visits: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        try:
            await reader.readline()
            writer.write(answer)
            await (writer.drain() if answer else reader.read())
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(30):
        await asyncio.gather(*visits, return_exceptions=True)


def open_files() -> int:
    """Files and sockets that this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    await asyncio.to_thread(wait_until, condition, what, seconds)


async def logged_in(server: Sshd, times: int) -> None:
    """The server has had so many logins and no more: it answers before it writes its log."""

    def logins() -> int:
        return server.log.count("Accepted publickey")

    await eventually(lambda: logins() >= times, f"{times} logins")
    assert logins() == times


async def test_a_refused_port_is_refused(sshd: Sshd, chaos: Chaos) -> None:
    chaos.refuse()
    error = await refusal(chaos.environment(sshd.environment()))
    assert (type(error), error.code) == (NetworkError, "E-REFUSED")
    assert "Connect call failed" in error.evidence.stderr


async def test_a_name_that_nobody_knows_is_not_resolved(sshd: Sshd) -> None:
    error = await refusal(replace(sshd.environment(), host="no-such-host.invalid"))
    assert (type(error), error.code) == (NetworkError, "E-DNS")


async def test_a_peer_that_says_nothing_times_out(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CONNECT_TIMEOUT", 0.5)
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 0.5)
    async with answering(b"") as port:
        error = await refusal(replace(sshd.environment(), host="127.0.0.1", port=port))
    assert (type(error), error.code) == (NetworkError, "E-TIMEOUT")


async def test_a_slow_login_gets_the_time_for_logins(sshd: Sshd, chaos: Chaos, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board may take longer for its key exchange than a network may take for a TCP connection."""
    monkeypatch.setattr(defaults, "CONNECT_TIMEOUT", 0.5)
    chaos.latency = 0.1
    started = time.monotonic()
    async with connected(chaos.environment(sshd.environment())):
        assert time.monotonic() - started > 0.5


async def test_a_web_server_is_no_ssh_server(sshd: Sshd) -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as port:
        error = await refusal(replace(sshd.environment(), host="127.0.0.1", port=port))
    assert (type(error), error.code) == (PlanError, "E-PROTO")
    assert "HTTP/1.1 400" in error.message


async def test_an_ssh_server_without_a_common_algorithm_is_a_matter_of_settings(make_sshd: MakeSshd) -> None:
    server = make_sshd(options={"KexAlgorithms": "diffie-hellman-group1-sha1"})
    found: list[tuple[type[KdeployError], str]] = []
    while (PlanError, "E-KEX") not in found and len(found) < 5:
        error = await refusal(server.environment())
        found.append((type(error), error.code))
    assert found[-1] == (PlanError, "E-KEX")
    assert set(found[:-1]) <= {(NetworkError, "E-LOST")}, (
        "the server's reset may overtake its offer; that is tried again"
    )


@pytest.fixture
def talkative(make_sshd: MakeSshd) -> Sshd:
    """A server whose log tells every step of every visitor."""
    return make_sshd(options={"LogLevel": "DEBUG1"})


LOGIN = "userauth-request"
"""What a talkative server writes when somebody asks to be let in, whatever comes of it."""


def visits(server: Sshd) -> int:
    """Connections that the server has seen come and go."""
    return server.log.count("debug1: do_cleanup")


async def test_a_wrong_key_is_refused_once(talkative: Sshd, tmp_path: Path) -> None:
    key = write_key(tmp_path / "other")
    error = await refusal(replace(talkative.environment(), identity_file=str(key)))
    assert (type(error), error.code) == (AuthError, "E-AUTH")
    assert str(key) in error.message
    await eventually(lambda: "Failed publickey" in talkative.log, "the server refused the key")
    assert talkative.log.count("Failed publickey") == 1


async def test_an_unknown_host_key_is_offered_for_trust_without_a_login(talkative: Sshd) -> None:
    seen = visits(talkative)
    error = await refusal(replace(talkative.environment(), host_keys=()))
    assert (type(error), error.code) == (TrustError, "E-HOSTKEY-UNKNOWN")
    assert error.details["offered"] == talkative.fingerprints[0]
    await eventually(lambda: visits(talkative) > seen, "the visit has ended")
    assert LOGIN not in talkative.log


async def test_a_changed_host_key_ends_everything_before_the_login(talkative: Sshd) -> None:
    environment = talkative.environment()
    now = talkative.change_host_keys()
    seen = visits(talkative)
    error = await refusal(environment)
    assert (type(error), error.code) == (TrustError, "E-HOSTKEY-CHANGED")
    assert error.details == {"offered": now[0], "pinned": environment.host_keys[0]}
    assert error.retry.name == "NEVER"
    await eventually(lambda: visits(talkative) > seen, "the visit has ended")
    assert LOGIN not in talkative.log
    async with connected(talkative.environment()):
        assert LOGIN in talkative.log, "this is how a login would have shown"


@pytest.mark.parametrize("pinned", [0, 1])
async def test_a_machine_with_several_keys_may_be_pinned_by_any_of_them(make_sshd: MakeSshd, pinned: int) -> None:
    server = make_sshd(host_key_types=("ed25519", "rsa"))
    async with connected(replace(server.environment(), host_keys=(server.fingerprints[pinned],))) as target:
        assert (await target.facts(FactsQuery())).kernel_release
    error = await refusal(replace(server.environment(), host_keys=(f"SHA256:{'A' * 43}",)))
    assert error.details["offered"] == server.fingerprints[0]


async def test_one_of_several_pins_is_enough(sshd: Sshd) -> None:
    environment = sshd.environment()
    async with connected(replace(environment, host_keys=("SHA256:" + "A" * 43, *environment.host_keys))) as target:
        assert (await target.facts(FactsQuery())).kernel_release


def write_key(path: Path, passphrase: str | None = None) -> Path:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key(passphrase=passphrase))
    return path


async def test_a_missing_key_file_is_named(sshd: Sshd, tmp_path: Path) -> None:
    error = await refusal_without_address(replace(sshd.environment(), identity_file=str(tmp_path / "none")))
    assert (type(error), error.code, error.path) == (PlanError, "E-KEYFILE", str(tmp_path / "none"))


async def test_a_key_file_that_others_can_read_is_not_used(sshd: Sshd, tmp_path: Path) -> None:
    key = write_key(tmp_path / "wide")
    key.chmod(0o640)
    error = await refusal_without_address(replace(sshd.environment(), identity_file=str(key)))
    assert (type(error), error.code, error.path) == (PlanError, "E-KEYFILE", str(key))


async def test_an_encrypted_key_needs_its_passphrase(sshd: Sshd, tmp_path: Path) -> None:
    key = write_key(tmp_path / "encrypted", "open sesame")
    error = await refusal_without_address(replace(sshd.environment(), identity_file=str(key)))
    assert (type(error), error.code, error.path) == (AuthError, "E-PASSPHRASE", str(key))
    assert "open sesame" not in str(error)


@pytest.mark.parametrize("text", ["no key at all\n", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@here\n", ""])
async def test_a_file_that_is_no_private_key_is_called_so(sshd: Sshd, tmp_path: Path, text: str) -> None:
    key = tmp_path / "identity"
    key.touch(mode=0o600)
    key.write_text(text)
    error = await refusal_without_address(replace(sshd.environment(), identity_file=str(key)))
    assert (type(error), error.code, error.path) == (PlanError, "E-KEYFILE", str(key))


async def refusal_without_address(environment: Environment) -> KdeployError:
    with pytest.raises(KdeployError) as caught:
        async with connected(environment):
            pass
    assert caught.value.on_target == "Nothing was sent."
    return caught.value


async def test_a_channel_limit_is_told_as_one(make_sshd: MakeSshd) -> None:
    server = make_sshd(options={"MaxSessions": "1"})
    async with connected(server.environment()) as target:
        first = asyncio.create_task(target.execute(Command("echo $$ > ~/pid; exec sleep 600", title="sleep")))
        await eventually((server.home() / "pid").exists, "the first command runs")
        with pytest.raises(TargetError) as caught:
            await target.execute(Command("true", title="one too many"))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert (caught.value.code, caught.value.retry.name) == ("E-CHANNELS", "NEVER")


async def test_many_logins_at_once_stay_below_the_limit_of_a_server(make_sshd: MakeSshd) -> None:
    """sshd drops connections at random when more than ten have not logged in yet: of 40 at once, more than half."""
    server = make_sshd(max_startups="10:30:100")
    connector = over_ssh(MemoryContent())
    logins = (connector.connect(server.environment()) for _ in range(40))
    results = await asyncio.gather(*logins, return_exceptions=True)
    refused = [each for each in results if isinstance(each, BaseException)]
    for target in results:
        if not isinstance(target, BaseException):
            await target.close()
    assert [each for each in refused if not isinstance(each, NetworkError)] == []
    assert len(refused) <= 4, "a busy server may count a login that has just ended"


async def test_a_server_that_is_full_is_tried_again(sshd: Sshd) -> None:
    """What sshd says in place of its version when MaxStartups is reached."""
    async with answering(b"Exceeded MaxStartups\r\n") as port:
        error = await refusal(replace(sshd.environment(), host="127.0.0.1", port=port))
    assert isinstance(error, NetworkError)
    assert error.retry.name == "AS_PLANNED"


@pytest.mark.slow
async def test_a_frozen_peer_is_noticed_after_two_keepalives(sshd: Sshd, chaos: Chaos) -> None:
    async with connected(chaos.environment(sshd.environment())) as target:
        waiting = asyncio.create_task(target.execute(Command("touch ~/started; exec sleep 600", title="sleep")))
        await eventually((sshd.home() / "started").exists, "the command runs")
        chaos.freeze()
        started = time.monotonic()
        with pytest.raises(NetworkError) as caught:
            await waiting
        silence = time.monotonic() - started
        chaos.thaw()
    assert 15 <= silence <= 50
    assert caught.value.code == "E-STALLED"
    assert "20 s" in caught.value.message


async def test_a_jump_host_leads_to_a_machine_and_both_are_verified(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd()
    first = gateway.environment("gateway")
    second = replace(inner.environment("inner"), jump="gateway")
    async with connected(second, first) as target:
        assert (await target.facts(FactsQuery())).home == str(inner.home())
    assert "Accepted publickey" in gateway.log
    assert "Accepted publickey" in inner.log


async def test_a_changed_key_of_the_jump_host_names_the_jump_host(talkative: Sshd, sshd: Sshd) -> None:
    first = talkative.environment("gateway")
    second = replace(sshd.environment("inner"), jump="gateway")
    talkative.change_host_keys()
    with pytest.raises(TrustError, match="gateway") as caught:
        async with connected(second, first):
            pass
    assert caught.value.code == "E-HOSTKEY-CHANGED"
    assert LOGIN not in talkative.log


async def test_a_changed_key_behind_a_jump_host_ends_both_connections(sshd: Sshd, talkative: Sshd) -> None:
    first = sshd.environment("gateway")
    second = replace(talkative.environment("inner"), jump="gateway")
    talkative.change_host_keys()
    before = open_files()
    with pytest.raises(TrustError, match="inner"):
        async with connected(second, first):
            pass
    assert LOGIN not in talkative.log
    await eventually(lambda: open_files() <= before, "the way there is closed, too")


async def test_a_closed_port_behind_a_jump_host_is_refused_as_any_other(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd()
    second = replace(inner.environment("inner"), jump="gateway")
    inner.stop()
    error = await refusal(second, gateway.environment("gateway"))
    assert (type(error), error.code) == (NetworkError, "E-REFUSED")
    assert "gateway" in error.message


async def test_a_jump_host_that_nobody_knows_is_named(sshd: Sshd) -> None:
    with pytest.raises(PlanError, match="nowhere") as caught:
        async with connected(replace(sshd.environment(), jump="nowhere")):
            pass
    assert caught.value.code == "E-LAB-UNKNOWN"


async def test_cancelling_ends_the_whole_process_group(sshd: Sshd) -> None:
    script = "sleep 600 & echo $! > ~/child; echo $$ > ~/parent.new; mv ~/parent.new ~/parent; wait"
    async with connected(sshd.environment()) as target:
        running = asyncio.create_task(target.execute(Command(script, title="family")))
        await eventually((sshd.home() / "parent").exists, "the command runs")
        pids = [int((sshd.home() / name).read_text()) for name in ("parent", "child")]
        started = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - started < 30
        await eventually(lambda: not any(map(is_alive, pids)), "parent and child have ended")
        assert (await target.execute(Command("echo up", title="after"))).text == "up\n"


async def test_a_command_that_ignores_term_is_killed(sshd: Sshd) -> None:
    script = "trap '' TERM; echo $$ > ~/stubborn.new; mv ~/stubborn.new ~/stubborn; while :; do sleep 1; done"
    async with connected(sshd.environment()) as target:
        running = asyncio.create_task(target.execute(Command(script, title="stubborn")))
        await eventually((sshd.home() / "stubborn").exists, "the command runs")
        pid = int((sshd.home() / "stubborn").read_text())
        started = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - started < 30
        await eventually(lambda: not is_alive(pid), "it has ended")


async def test_a_command_that_takes_too_long_is_ended_and_named(sshd: Sshd) -> None:
    async with connected(sshd.environment()) as target:
        script = "echo $$ > ~/slow.new; mv ~/slow.new ~/slow; exec sleep 600"
        with pytest.raises(TargetError, match="sleeper did not end within") as caught:
            await target.execute(Command(script, title="sleeper", timeout=3.0))
        assert (caught.value.code, caught.value.category) == ("E-COMMAND", Category.TARGET)
        await eventually(lambda: not is_alive(int((sshd.home() / "slow").read_text())), "it has ended")


async def test_a_flood_of_output_stays_flat_in_memory(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CAPTURE_CAP", 1 << 20)
    heard = 0

    def listen(data: bytes) -> None:
        nonlocal heard
        heard += len(data)

    async with connected(sshd.environment()) as target:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = await target.execute(Command("head -c 150000000 /dev/zero", title="flood"), listen)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert heard == 150_000_000
    assert 1 << 20 <= len(done.stdout) <= (1 << 20) + (1 << 18)
    assert grown * 1024 < 60_000_000


async def test_a_flipped_bit_on_the_wire_is_a_lost_connection(sshd: Sshd, chaos: Chaos) -> None:
    async with connected(chaos.environment(sshd.environment())) as target:
        chaos.trap(Mischief.FLIP, Direction.TO_CLIENT, chaos.passed[Direction.TO_CLIENT] + 100_000)
        with pytest.raises(NetworkError) as caught:
            await target.execute(Command("head -c 10000000 /dev/zero", title="stream"))
    assert caught.value.code == "E-LOST"
    assert caught.value.evidence.stderr


async def test_a_killed_session_is_a_lost_connection(sshd: Sshd) -> None:
    async with connected(sshd.environment()) as target:
        running = asyncio.create_task(target.execute(Command("touch ~/started; exec sleep 600", title="sleep")))
        await eventually((sshd.home() / "started").exists, "the command runs")
        sshd.kill_sessions()
        with pytest.raises(NetworkError) as caught:
            await running
        assert caught.value.code == "E-LOST"
        with pytest.raises(NetworkError):
            await target.execute(Command("true", title="after"))


async def test_a_command_ended_by_a_signal_says_which(sshd: Sshd) -> None:
    async with connected(sshd.environment()) as target:
        assert (await target.execute(Command("kill -SEGV $$", title="crash"))).status == 139


async def test_ten_closed_targets_leave_no_connection(sshd: Sshd) -> None:
    before = open_files()
    for _ in range(10):
        async with connected(sshd.environment()):
            pass
    await eventually(lambda: open_files() <= before, "all sockets are closed")
