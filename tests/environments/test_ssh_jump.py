"""Ways over jump hosts: each hop is verified, one connection leads to all machines behind it, errors name the hop."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError, NetworkError, PlanError, TrustError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from tests.engine.steps import over_ssh
from tests.environments.test_ssh_host import LOGIN, connected, eventually, logged_in, open_files
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent

pytestmark = pytest.mark.sshd


def by_address(inner: Environment, gateway: Environment) -> Environment:
    """An environment whose jump host is named by its address."""
    jump = f"{gateway.user}@{gateway.host}:{gateway.port}"
    return replace(inner, jump=jump, jump_host_key=gateway.host_keys)


async def test_a_jump_host_may_have_one_itself(make_sshd: MakeSshd) -> None:
    servers = [make_sshd() for _ in range(3)]
    outer, middle = servers[0].environment("outer"), replace(servers[1].environment("middle"), jump="outer")
    inner = replace(servers[2].environment("inner"), jump="middle")
    async with connected(inner, outer, middle) as target:
        assert (await target.facts(FactsQuery())).home == str(servers[2].home())
    for each in servers:
        await logged_in(each, 1)


async def test_all_machines_behind_a_jump_host_share_one_connection_to_it(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd(hosts=5)
    before = open_files()
    first = gateway.environment("gateway")
    connector = over_ssh(MemoryContent(), [first])
    machines = [replace(each, jump="gateway") for each in inner.environments()]
    targets = await asyncio.gather(*map(connector.connect, machines))
    homes = [(await each.facts(FactsQuery())).home for each in targets]
    assert homes == [str(inner.home(host)) for host in range(5)]
    await logged_in(gateway, 1)
    await logged_in(inner, 5)
    for each in targets[1:]:
        await each.close()
    assert (await targets[0].facts(FactsQuery())).kernel_release, "the others' end is nothing to the last one"
    await targets[0].close()
    await eventually(lambda: open_files() <= before, "the way there ends with the last one")


async def test_a_refused_login_at_the_jump_host_is_tried_once_for_all(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(options={"LogLevel": "DEBUG1"}), make_sshd(hosts=5)
    wrong = replace(gateway.environment("gateway"), identity_file=str(inner.identity_file))
    connector = over_ssh(MemoryContent(), [wrong])
    machines = [replace(each, jump="gateway") for each in inner.environments()]
    results = await asyncio.gather(*map(connector.connect, machines), return_exceptions=True)
    for each in results:
        assert isinstance(each, AuthError)
        assert (each.code, each.hop) == ("E-AUTH", "gateway")
        assert each.message.startswith("at the jump host gateway: ")
    await eventually(lambda: "Failed publickey" in gateway.log, "the server refused the key")
    assert gateway.log.count("Failed publickey") == 1
    await logged_in(inner, 0)


async def test_a_jump_host_that_fell_away_is_connected_anew(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd(hosts=2)
    connector = over_ssh(MemoryContent(), [gateway.environment("gateway")])
    first, second = (replace(each, jump="gateway") for each in inner.environments())
    target = await connector.connect(first)
    gateway.kill_sessions()
    with pytest.raises(NetworkError):
        await target.facts(FactsQuery())
    again = await connector.connect(second)
    assert (await again.facts(FactsQuery())).home == str(inner.home(1))
    await target.close()
    assert (await again.facts(FactsQuery())).home == str(inner.home(1))
    await again.close()


async def test_cancelling_one_login_leaves_the_others_the_way(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd(hosts=2)
    connector = over_ssh(MemoryContent(), [gateway.environment("gateway")])
    first, second = (
        asyncio.ensure_future(connector.connect(replace(each, jump="gateway"))) for each in inner.environments()
    )
    await asyncio.sleep(0)
    first.cancel()
    target = await second
    assert (await target.facts(FactsQuery())).home == str(inner.home(1))
    assert first.cancelled()
    await target.close()


async def test_a_jump_host_may_be_named_by_its_address(make_sshd: MakeSshd) -> None:
    server = make_sshd(hosts=2)
    environment = by_address(server.environment("inner", host=1), server.environment())
    async with connected(environment) as target:
        assert (await target.facts(FactsQuery())).home == str(server.home(1))
    await logged_in(server, 2)


@pytest.mark.parametrize("code", ["E-HOSTKEY-UNKNOWN", "E-HOSTKEY-CHANGED"])
async def test_a_jump_host_named_by_its_address_is_verified(make_sshd: MakeSshd, sshd: Sshd, code: str) -> None:
    gateway = make_sshd(options={"LogLevel": "DEBUG1"})
    environment = by_address(sshd.environment("inner"), gateway.environment())
    pins = () if code == "E-HOSTKEY-UNKNOWN" else ("SHA256:" + "A" * 43,)
    with pytest.raises(TrustError) as caught:
        async with connected(replace(environment, jump_host_key=pins)):
            pass
    assert (caught.value.code, caught.value.hop) == (code, environment.jump)
    assert caught.value.details["offered"] == gateway.fingerprints[0]
    assert LOGIN not in gateway.log


async def test_a_password_is_never_shown_to_a_jump_host() -> None:
    environment = Environment(name="a", host="a", credential="secret", jump="ops@gate")
    assert environment.jump_address is not None
    assert (environment.jump_address.credential, environment.jump_address.address) == ("", "ops@gate:22")
    keyed = replace(environment, identity_file="~/.ssh/key", jump="ops@[fe80::1]:23").jump_address
    assert keyed is not None
    assert (keyed.credential, keyed.identity_file, keyed.host) == ("secret", "~/.ssh/key", "fe80::1")


async def test_the_offered_key_behind_a_jump_host_is_shown(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd()
    connector = over_ssh(MemoryContent(), [gateway.environment("gateway")])
    key = await connector.host_key(replace(inner.environment("inner"), jump="gateway"))
    assert key.fingerprint == inner.fingerprints[0]


async def test_jump_hosts_in_a_circle_are_refused() -> None:
    machines = [Environment(name="a", host="a", jump="b"), Environment(name="b", host="b", jump="a")]
    connector: SshConnector = over_ssh(MemoryContent(), machines)
    with pytest.raises(PlanError, match="circle"):
        await connector.connect(machines[0])
