"""Property 21: concurrent deployment management

For any set of runs, priorities and limits: limits are never exceeded, no environment is in two runs at once, higher
priority goes first, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.scheduler import AGEING
from kdeploy_gui.model.event import EnvironmentFinished, EnvironmentQueued, Event, StageStarted
from kdeploy_gui.model.plan import Plan, Policy
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage
from tests.engine.steps import HookedConnector, hooked, machine, of, over_ssh, until
from tests.history.processes import peer
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, quick_folder, rehearsal

NAMES = tuple("abcdef")


@dataclass(frozen=True)
class Order:
    """One run that somebody asks for."""

    names: tuple[str, ...]
    priority: int
    max_parallel: int


orders = st.builds(
    Order,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True).map(tuple),
    st.integers(-100, 100),
    st.integers(1, 4),
)


def plan_of(order: Order) -> Plan:
    return replace(
        memory_plan(order.names), policy=Policy(priority=order.priority, max_parallel=order.max_parallel, retries=0)
    )


@dataclass
class Watch:
    """Who is at work, as the events tell it, and what went wrong with that."""

    limit: int
    orders: dict[int, Order] = field(default_factory=dict)
    active: set[tuple[int, str]] = field(default_factory=set)
    started: list[tuple[int, str]] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def hear(self, group: Sequence[Event]) -> None:
        for event in group:
            key = (event.run, event.environment)
            if isinstance(event.body, StageStarted) and event.stage is Stage.PREPARING:
                self._start(*key)
            elif isinstance(event.body, EnvironmentFinished):
                self.active.discard(key)

    def _start(self, run: int, name: str) -> None:
        if any(name == other for _, other in self.active):
            self.mistakes.append(f"{name} is in two runs at once")
        self.started.append((run, name))
        self.active.add((run, name))
        if len(self.active) > self.limit:
            self.mistakes.append("the limit over all runs is exceeded")
        order = self.orders.get(run)
        if order and sum(run == other for other, _ in self.active) > order.max_parallel:
            self.mistakes.append(f"run {run} exceeds its own limit")


async def all_at_once(folder: Path, asked: list[Order], limit: int, pauses: list[int]) -> None:
    content = MemoryContent()
    machines = {name: machine() for name in NAMES}
    watch = Watch(limit)
    async with rehearsal(folder, machines, content, limit=limit) as run:
        run.orchestrator.feed.subscribe(watch.hear)
        for order, pause in zip(asked, pauses, strict=True):
            watch.orders[await run.orchestrator.submit(plan_of(order))] = order
            for _ in range(pause):
                await asyncio.sleep(0)
        async with asyncio.timeout(60):
            for number in watch.orders:
                await run.orchestrator.wait(number)
        outcomes = {fold(run.history.log.events(number)).outcome for number in watch.orders}
    everything = [(number, name) for number, order in watch.orders.items() for name in order.names]
    assert watch.mistakes == []
    assert outcomes == {Outcome.SUCCEEDED}
    assert sorted(watch.started) == sorted(everything)


@settings(max_examples=100)
@given(data=st.data(), asked=st.lists(orders, min_size=1, max_size=4), limit=st.integers(1, 6))
def test_limits_hold_and_no_environment_is_in_two_runs(data: st.DataObject, asked: list[Order], limit: int) -> None:
    pauses = data.draw(st.lists(st.integers(0, 40), min_size=len(asked), max_size=len(asked)))
    with quick_folder() as folder:
        asyncio.run(all_at_once(Path(folder), asked, limit, pauses))


async def behind_a_gate(folder: Path, priorities: list[int]) -> list[int]:
    """Priorities in the order in which they start; everybody waits behind one busy environment until all are there."""
    content = MemoryContent()
    names = ["gate", *(f"e{number}" for number in range(len(priorities)))]
    machines = {name: machine() for name in names}
    held, opened = asyncio.Event(), asyncio.Event()

    async def gate(environment: str, call: str) -> None:
        if environment == "gate" and call == "connect":
            held.set()
            await opened.wait()

    watch = Watch(1)
    async with rehearsal(folder, machines, content, limit=1, connector=hooked(machines, content, gate)) as run:
        run.orchestrator.feed.subscribe(watch.hear)
        first = await run.orchestrator.submit(plan_of(Order(("gate",), -100, 1)))
        await held.wait()
        numbers: dict[int, int] = {}
        for number, priority in enumerate(priorities):
            submitted = await run.orchestrator.submit(plan_of(Order((f"e{number}",), priority, 1)))
            numbers[submitted] = priority
        await until(lambda: all(is_queued(run, number) for number in numbers), "all are in the queue")
        opened.set()
        for number in (first, *numbers):
            await run.orchestrator.wait(number)
    starts = [number for number, name in watch.started if name != "gate"]
    assert all(before < after for before, after in pairwise(starts) if numbers[before] == numbers[after]), (
        "equals go in the order of their runs"
    )
    return [numbers[number] for number in starts]


def is_queued(run: Rehearsal, number: int) -> bool:
    return bool(of(run.history.log.events(number), "environment_queued"))


@settings(max_examples=100)
@given(st.lists(st.integers(-100, 100), min_size=2, max_size=7))
def test_higher_priority_goes_first(priorities: list[int]) -> None:
    with quick_folder() as folder:
        started = asyncio.run(behind_a_gate(Path(folder), priorities))
    assert started == sorted(priorities, reverse=True)


async def under_pressure(folder: Path, low: int, high: int, seconds: float) -> int:
    """One place, and whenever it is free a new important run has just come: how many pass before the other one?"""
    content = MemoryContent()
    machines = {name: machine() for name in ("patient", "rival")}
    passed = 0

    async def work(environment: str, call: str) -> None:
        nonlocal passed
        if call != "connect":
            return
        run.clock.elapsed += seconds
        if environment == "rival":
            passed += 1
            submitted.append(await run.orchestrator.submit(plan_of(Order(("rival",), high, 1))))
            await until(lambda: is_queued(run, submitted[-1]), "the next rival waits")

    submitted: list[int] = []
    async with rehearsal(folder, machines, content, limit=1, connector=hooked(machines, content, work)) as run:
        submitted.append(await run.orchestrator.submit(plan_of(Order(("rival",), high, 1))))
        patient = await run.orchestrator.submit(plan_of(Order(("patient",), low, 1)))
        async with asyncio.timeout(60):
            await run.orchestrator.wait(patient)
        return passed


@settings(max_examples=50)
@given(low=st.integers(-100, 100), gap=st.integers(0, 20), seconds=st.floats(10, 600))
def test_nobody_waits_for_ever(low: int, gap: int, seconds: float) -> None:
    with quick_folder() as folder:
        passed = asyncio.run(under_pressure(Path(folder), low, low + gap, seconds))
    assert passed <= gap * AGEING / seconds + 2


@pytest.mark.sshd
async def test_a_hundred_machines_behind_one_server(tmp_path: Path, make_sshd: MakeSshd) -> None:
    server = make_sshd(hosts=100, max_startups="14:100:100")
    content = MemoryContent()
    file = memory_file(content, "~/t/one", b"one" * 1000, 0o750)
    plan = replace(
        memory_plan([], [file]), environments=server.environments(), policy=Policy(max_parallel=20, retries=0)
    )
    at_once = most = 0

    async def count(environment: str, call: str) -> None:
        nonlocal at_once, most
        at_once += (call == "connect") - (call == "close")
        most = max(most, at_once)

    connector = HookedConnector(over_ssh(content), count)
    async with rehearsal(tmp_path, {}, content, limit=16, connector=connector) as run:
        state, events = await run.run(plan)
    assert {each.error.message for each in state.environments.values() if each.error} == set()
    assert state.outcome is Outcome.SUCCEEDED
    assert 10 <= most <= 16
    assert not of(events, "retry_scheduled")
    assert [(server.home(host) / "t/one").read_bytes() for host in range(100)] == [b"one" * 1000] * 100


@pytest.mark.sshd
async def test_two_engines_never_work_on_one_machine_at_once(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    environment = sshd.environment("board-a")
    inside = most = 0

    async def count(_: str, call: str) -> None:
        nonlocal inside, most
        inside += (call == "connect") - (call == "close")
        most = max(most, inside)

    plans = [
        replace(memory_plan([], [memory_file(content, "~/t/one", data, 0o750)]), environments=(environment,))
        for data in (b"one" * 1000, b"two" * 1000)
    ]
    connector = HookedConnector(over_ssh(content), count)
    async with (
        rehearsal(tmp_path, {}, content, connector=connector) as first,
        rehearsal(tmp_path, {}, content, connector=connector) as second,
    ):
        numbers = [await each.orchestrator.submit(plan) for each, plan in zip((first, second), plans, strict=True)]
        assert len(set(numbers)) == 2
        async with asyncio.timeout(30):
            await asyncio.gather(first.orchestrator.wait(numbers[0]), second.orchestrator.wait(numbers[1]))
        ended = [fold(first.history.log.events(number)) for number in numbers]
    assert [each.outcome for each in ended] == [Outcome.SUCCEEDED] * 2
    assert most == 1


@pytest.mark.sshd
async def test_another_process_is_waited_for_and_its_death_frees_the_machine(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    plan = replace(memory_plan([], [memory_file(content, "~/t/one", b"one")]), environments=(sshd.environment("b"),))
    with peer("hold-environment", tmp_path / "locks", "b", 41) as other:
        assert await asyncio.to_thread(other.line) == "held"
        async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
            number = await run.orchestrator.submit(plan)
            await until(lambda: is_queued(run, number), "it waits")
            queued = of(run.history.log.events(number), "environment_queued")[0].body
            assert isinstance(queued, EnvironmentQueued)
            assert queued.waiting_for == f"locked by run 41 (pid {other.pid})"
            assert not (sshd.home() / "t").exists()
            other.kill()
            async with asyncio.timeout(90):
                await run.orchestrator.wait(number)
            state = fold(run.history.log.events(number))
    assert state.outcome is Outcome.SUCCEEDED
    assert (sshd.home() / "t/one").read_bytes() == b"one"
