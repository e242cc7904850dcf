"""Servers that take few visitors at a time, or none for a while, are not stormed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.environments.ssh_gate import Gate
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError
from kdeploy_gui.model.plan import Artifact, ArtifactType, Policy
from kdeploy_gui.model.stage import Status
from tests.engine.steps import NoSecrets
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, plan_of, ssh, write_files
from tests.rehearsal import MemoryContent


class SkippingClock:
    """A clock that jumps over every wait; `slept` are the waits."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_eight_visit_a_place_at_a_time() -> None:
    gate, inside, leave = Gate(SkippingClock()), 0, asyncio.Event()

    async def visitor(*places: str) -> None:
        nonlocal inside
        async with gate.visit(*places):
            inside += 1
            await leave.wait()
            inside -= 1

    there = [asyncio.create_task(visitor("a")) for _ in range(20)]
    await settle()
    assert inside == defaults.UNAUTHENTICATED_CONNECTS
    elsewhere = [asyncio.create_task(visitor(f"behind-{n}", "jump")) for n in range(20)]
    await settle()
    assert inside == 2 * defaults.UNAUTHENTICATED_CONNECTS
    leave.set()
    await asyncio.gather(*there, *elsewhere)


async def test_a_visitor_who_gives_up_makes_room() -> None:
    gate = Gate(SkippingClock())
    async with AsyncExitStack() as stack:
        for _ in range(defaults.UNAUTHENTICATED_CONNECTS):
            await stack.enter_async_context(gate.visit("a"))
        waiting = asyncio.create_task(stack.enter_async_context(gate.visit("a")))
        await settle()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with gate.visit("a"):
        pass


async def test_a_place_that_refused_somebody_is_left_alone_for_a_while() -> None:
    clock = SkippingClock()
    gate = Gate(clock)
    gate.refused("a")
    async with gate.visit("b"):
        assert clock.slept == []
    async with gate.visit("a"):
        assert clock.slept == [defaults.REFUSAL_PAUSE]
    async with gate.visit("a"):
        assert clock.slept == [defaults.REFUSAL_PAUSE]


@pytest.mark.sshd
async def test_a_server_that_refused_a_login_is_visited_again_only_after_a_pause(sshd: Sshd) -> None:
    clock = SkippingClock()
    connector = SshConnector(MemoryContent(), NoSecrets(), lambda name: None, clock=clock)
    environment = sshd.environment()
    with pytest.raises(AuthError):
        await connector.connect(replace(environment, user="nobody-here"))
    assert clock.slept == []
    await (await connector.connect(environment)).close()
    assert clock.slept == [pytest.approx(defaults.REFUSAL_PAUSE)]
    await (await connector.connect(environment)).close()
    assert len(clock.slept) == 1


@pytest.mark.sshd
async def test_a_hundred_machines_behind_one_ordinary_server_are_all_deployed(
    make_sshd: MakeSshd, tmp_path: Path
) -> None:
    server = make_sshd(hosts=100, max_startups="10:30:100")
    write_files(tmp_path, {"suite/run.sh": b"#!/bin/sh\n"})
    artifacts = [Artifact(source="suite/run.sh", type=ArtifactType.SCRIPT, target="~/suite/", mode=0o755)]
    plan = plan_of(server.environments(), artifacts, tmp_path, Policy(max_parallel=64))
    state, events = await deploy(tmp_path / "history", plan, ssh())
    assert {each.status for each in state.environments.values()} == {Status.COMPLETED}
    assert len(state.environments) == 100
    tried_again = [each for each in events if each.type == "retry_scheduled"]
    assert len(tried_again) <= 10, "a busy server may count a login that has just ended"
