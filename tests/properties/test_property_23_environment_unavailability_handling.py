"""Property 23: environment unavailability handling

An environment may vanish at any moment, for a while or for good: that is noticed in bounded time, its work is tried
again or fails with the reason, and the others do not notice.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kdeploy_gui import defaults
from kdeploy_gui.errors import Category, NetworkError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.plan import Plan, Policy
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import HookedConnector, hooked, machine, of, over_ssh, whole_plan
from tests.lab.chaos import Chaos
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.processes import descendants, send_signal
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal

SILENCE = 1.0
"""Seconds between keepalives here, so that a machine that says nothing is given up after two of them."""
BOUND = 60.0
"""Seconds for a whole run, most of them for a busy workstation."""
WHOLE_CALLS = 7
"""Calls that the deployment of `whole_plan` makes at least on a machine."""
CALLS = 7
"""As many as a deployment makes on a machine, from connecting to letting go of it."""


async def rehearse(call: int, away: int, retries: int) -> tuple[RunState, list[Event]]:
    """A fleet in memory; one is lost at its `call`th call, and not reached in the next `away` - 1 attempts."""
    names = ["stays-1", "vanishes", "stays-2"]
    content, machines = MemoryContent(), {name: machine() for name in names}
    left, missing = call, away

    async def watch(environment: str, what: str) -> None:
        nonlocal left, missing
        if environment != "vanishes" or what == "close":
            return
        left -= 1
        if left <= 0 and missing:
            missing -= 1
            raise NetworkError("E-LOST" if left == 0 else "E-TIMEOUT", "it does not answer")

    with quick_folder() as folder:
        connector = hooked(machines, content, watch)
        async with rehearsal(Path(folder), machines, content, connector=connector) as run:
            return await run.run(replace(whole_plan(names, content), policy=Policy(retries=retries)))


@settings(max_examples=100)
@given(st.integers(1, WHOLE_CALLS), st.integers(1, 4), st.integers(0, 3))
def test_lost_at_any_call_it_is_tried_again_or_fails_and_the_others_go_on(call: int, away: int, retries: int) -> None:
    state, events = asyncio.run(rehearse(call, away, retries))

    lost = state.environments["vanishes"]
    assert all(each.status is Status.COMPLETED and each.ready for each in state.environments.values() if each != lost)
    assert {each.environment for each in of(events, "retry_scheduled")} <= {"vanishes"}
    assert len(of(events, "retry_scheduled")) == min(away, retries)
    assert (lost.status is Status.COMPLETED) == lost.ready == (away <= retries)
    if lost.error is not None:
        assert (lost.status, lost.error.category) == (Status.FAILED, Category.NET)
        assert lost.error.message.startswith("it does not answer")
        assert lost.error.remedy


@dataclass(frozen=True)
class Peer:
    """The machine that vanishes, and the line to it."""

    server: Sshd
    line: Chaos

    def sessions(self, number: signal.Signals) -> None:
        """Send a signal to every session and what it runs."""
        for pid in descendants(self.server.pid):
            send_signal(pid, number)

    def restore(self) -> None:
        """Back to how it was."""
        with suppress(AssertionError):  # it does not run
            self.sessions(signal.SIGKILL)
        self.line.drop()
        self.server.restart()
        self.line.allow()


FOR_A_WHILE: dict[str, Callable[[Peer], None]] = {
    "its line is cut": lambda peer: peer.line.drop(),
    "its line goes silent": lambda peer: peer.line.lose(),
    "its sessions are killed": lambda peer: peer.sessions(signal.SIGKILL),
    "its sessions stand still": lambda peer: peer.sessions(signal.SIGSTOP),
    "its server restarts": lambda peer: peer.server.restart(),
}


def _pull_the_plug(peer: Peer) -> None:
    peer.line.refuse()
    peer.line.drop()
    peer.server.stop()


FOR_GOOD: dict[str, Callable[[Peer], None]] = {
    "it is switched off": _pull_the_plug,
    "its server ends": lambda peer: peer.server.stop(),
}


@pytest.fixture
def peer(make_sshd: MakeSshd, make_chaos: MakeChaos, monkeypatch: pytest.MonkeyPatch) -> Peer:
    monkeypatch.setattr(defaults, "KEEPALIVE_INTERVAL", SILENCE)
    server = make_sshd()
    return Peer(server, make_chaos(server.environment()))


async def deploy(peer: Peer, other: Sshd, vanish: Callable[[Peer], None], call: int) -> tuple[RunState, list[Event]]:
    """Deploy to both; the first vanishes when its `call`th call is about to be made."""
    content = MemoryContent()
    both = (peer.line.environment(peer.server.environment("vanishes")), other.environment("stays"))
    left = call

    async def watch(environment: str, _call: str) -> None:
        nonlocal left
        if environment == "vanishes":
            left -= 1
            if left == 0:
                await asyncio.to_thread(vanish, peer)

    with quick_folder() as folder:
        connector = HookedConnector(over_ssh(content), watch)
        async with rehearsal(Path(folder), {}, content, connector=connector) as run, asyncio.timeout(BOUND):
            return await run.run(_plan(content, both))


def _plan(content: MemoryContent, environments: tuple[Environment, ...]) -> Plan:
    files = [memory_file(content, f"~/t/{name}", name.encode() * 65_536) for name in "abcd"]
    return replace(memory_plan([], files), environments=environments, policy=Policy(retries=2))


@pytest.mark.sshd
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FOR_A_WHILE)), st.integers(1, CALLS))
@example("its sessions stand still", 4)
@example("its line goes silent", 5)
def test_one_that_comes_back_is_deployed(peer: Peer, sshd: Sshd, how: str, call: int) -> None:
    peer.restore()

    state, events = asyncio.run(deploy(peer, sshd, FOR_A_WHILE[how], call))

    assert {each.status for each in state.environments.values()} == {Status.COMPLETED}
    for each in of(events, "retry_scheduled"):
        assert each.environment == "vanishes"
    for server in (peer.server, sshd):
        for name in "abcd":
            assert (server.home() / "t" / name).read_bytes() == name.encode() * 65_536


@pytest.mark.sshd
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FOR_GOOD)), st.integers(1, CALLS))
def test_one_that_stays_away_fails_with_the_reason(peer: Peer, sshd: Sshd, how: str, call: int) -> None:
    peer.restore()

    state, events = asyncio.run(deploy(peer, sshd, FOR_GOOD[how], call))

    assert state.environments["stays"].status is Status.COMPLETED
    gone = state.environments["vanishes"]
    if gone.status is Status.COMPLETED:
        return  # it was done before
    assert gone.error is not None
    assert gone.error.category is Category.NET
    assert gone.error.message
    assert gone.error.on_target
    assert gone.error.remedy
    assert len(of(events, "retry_scheduled")) == 2
