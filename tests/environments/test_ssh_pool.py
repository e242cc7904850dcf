"""Connections are used again while they are fresh, answer, and the lab file still says the same of the machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest

from kdeploy_gui.environments import shell_target
from kdeploy_gui.environments.shell_facts import parse_facts
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts, FactsQuery
from tests.engine.steps import NoSecrets
from tests.environments.test_ssh_host import eventually, logged_in, open_files
from tests.lab.chaos import Chaos
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent

pytestmark = pytest.mark.sshd


def keeping(*environments: Environment, keep: float = 600.0) -> SshConnector:
    known = {each.name: each for each in environments}
    return SshConnector(MemoryContent(), NoSecrets(), known.get, keep=keep)


async def visit(connector: SshConnector, environment: Environment) -> None:
    target = await connector.connect(environment)
    try:
        assert (await target.facts(FactsQuery())).kernel_release
    finally:
        await target.close()
        await target.close()


async def test_one_login_is_enough_for_several_uses(sshd: Sshd) -> None:
    connector, before = keeping(), open_files()
    for _ in range(3):
        await visit(connector, sshd.environment())
    await logged_in(sshd, 1)
    await connector.close()
    await eventually(lambda: open_files() <= before, "all sockets are closed")


async def test_a_machine_says_once_on_a_connection_what_stays_as_it_is(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []

    def noting(done: Completed, *rest: Any) -> Facts:
        answers.append(done.text)
        return parse_facts(done, *rest)

    monkeypatch.setattr(shell_target, "parse_facts", noting)
    connector, found = keeping(), []
    for number in range(3):
        if number == 2:
            sshd.kill_sessions()
        target = await connector.connect(sshd.environment())
        found.append(await target.facts(FactsQuery()))
        await target.close()
    await connector.close()

    assert ["\nmachine\t" in each for each in answers] == [True, False, True]
    assert [(each.machine, each.user, each.kernel_build_id) for each in found] == 3 * [
        (os.uname().machine, found[0].user, found[0].kernel_build_id)
    ]


async def test_a_connection_is_let_go_some_time_after_its_last_use(sshd: Sshd) -> None:
    connector, before = keeping(keep=0.01), open_files()
    await visit(connector, sshd.environment())
    await eventually(lambda: open_files() <= before, "all sockets are closed")
    await visit(connector, sshd.environment())
    await logged_in(sshd, 2)
    await connector.close()


async def test_two_users_at_once_do_not_share_a_connection(sshd: Sshd) -> None:
    connector = keeping()
    first, second = await asyncio.gather(*(connector.connect(sshd.environment()) for _ in range(2)))
    await logged_in(sshd, 2)
    await first.close()
    await second.close()
    await visit(connector, sshd.environment())
    await logged_in(sshd, 2)
    await connector.close()


async def test_other_settings_of_a_machine_end_its_connection(sshd: Sshd) -> None:
    connector, before = keeping(), open_files()
    environment = sshd.environment()
    await visit(connector, environment)
    with pytest.raises(KdeployError) as caught:
        await visit(connector, replace(environment, host_keys=("SHA256:" + "A" * 43,)))
    assert caught.value.code == "E-HOSTKEY-CHANGED"
    await eventually(lambda: open_files() <= before, "what was kept is closed")
    await connector.close()


async def test_a_connection_that_was_cut_is_made_anew(sshd: Sshd) -> None:
    connector = keeping()
    await visit(connector, sshd.environment())
    sshd.kill_sessions()
    await visit(connector, sshd.environment())
    await logged_in(sshd, 2)
    await connector.close()


async def test_a_connection_that_no_longer_answers_is_made_anew(
    sshd: Sshd, chaos: Chaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdeploy_gui.defaults.ALIVE_TIMEOUT", 0.2)
    connector, environment = keeping(), chaos.environment(sshd.environment())
    await visit(connector, environment)
    chaos.freeze()
    again = asyncio.ensure_future(connector.connect(environment))
    await eventually(lambda: chaos.connections == 2, "another connection is tried")
    chaos.thaw()
    await (await again).close()
    await connector.close()


async def test_a_command_that_did_not_end_spoils_its_connection(sshd: Sshd) -> None:
    connector = keeping()
    target = await connector.connect(sshd.environment())
    script = "trap '' TERM; echo > ~/started; while :; do sleep 1; done"
    running = asyncio.create_task(target.execute(Command(script, title="stubborn", gentle=True)))
    await eventually((sshd.home() / "started").exists, "the command runs")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await target.close()
    await visit(connector, sshd.environment())
    await logged_in(sshd, 2)
    await connector.close()


async def test_a_look_at_the_way_never_takes_a_short_cut(sshd: Sshd) -> None:
    connector = keeping()
    await visit(connector, sshd.environment())
    told: list[CheckStep] = []
    await (await connector.approach(sshd.environment(), told.append)).close()
    assert len(told) == 4
    await logged_in(sshd, 2)
    await connector.close()


async def test_the_way_over_a_jump_host_is_kept_too(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd(hosts=2)
    connector, before = keeping(gateway.environment("gateway"), keep=600.0), open_files()
    first, second = (replace(each, jump="gateway") for each in inner.environments())
    await visit(connector, first)
    await visit(connector, first)
    await visit(connector, second)
    await logged_in(gateway, 1)
    await logged_in(inner, 2)
    gateway.kill_sessions()
    await visit(connector, first)
    await logged_in(gateway, 2)
    await logged_in(inner, 3)
    await connector.close()
    await eventually(lambda: open_files() <= before, "all sockets are closed")


async def test_other_settings_of_a_jump_host_end_its_connection(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd()
    before = open_files()
    known = {"gateway": gateway.environment("gateway")}
    connector = SshConnector(MemoryContent(), NoSecrets(), known.get, keep=600.0)
    machine = replace(inner.environment("inner"), jump="gateway")
    await connector.host_key(machine)
    known["gateway"] = replace(known["gateway"], host_keys=("SHA256:" + "A" * 43,))
    with pytest.raises(KdeployError) as caught:
        await connector.host_key(machine)
    assert caught.value.code == "E-HOSTKEY-CHANGED"
    await eventually(lambda: open_files() <= before, "what was kept is closed")
    await connector.close()


async def test_a_jump_host_that_was_idle_is_asked_before_it_is_used_again(make_sshd: MakeSshd) -> None:
    gateway, inner = make_sshd(), make_sshd()
    connector = keeping(gateway.environment("gateway"))
    machine = replace(inner.environment("inner"), jump="gateway")
    for _ in range(2):
        assert (await connector.host_key(machine)).fingerprint == inner.fingerprints[0]
    await logged_in(gateway, 1)
    await connector.close()


async def test_a_jump_host_that_no_longer_answers_is_connected_anew(
    make_sshd: MakeSshd, make_chaos: MakeChaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdeploy_gui.defaults.ALIVE_TIMEOUT", 0.2)
    gateway, inner = make_sshd(), make_sshd()
    chaos = make_chaos(gateway.environment())
    connector = keeping(chaos.environment(gateway.environment("gateway")))
    machine = replace(inner.environment("inner"), jump="gateway")
    await connector.host_key(machine)
    chaos.freeze()
    again = asyncio.ensure_future(connector.host_key(machine))
    await eventually(lambda: chaos.connections == 2, "another connection is tried")
    chaos.thaw()
    assert (await again).fingerprint == inner.fingerprints[0]
    await connector.close()


async def test_giving_up_while_a_connection_is_tried_out_ends_it(sshd: Sshd, chaos: Chaos) -> None:
    connector, environment, before = keeping(), chaos.environment(sshd.environment()), open_files()
    await visit(connector, environment)
    chaos.freeze()
    again = asyncio.ensure_future(connector.connect(environment))
    await asyncio.sleep(0)
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again
    chaos.thaw()
    await eventually(lambda: chaos.open_connections == 0, "the connection has ended")
    await eventually(lambda: open_files() <= before, "all sockets are closed")
    assert chaos.connections == 1
    await connector.close()
