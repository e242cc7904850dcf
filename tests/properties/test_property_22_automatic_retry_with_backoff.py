"""Property 22: automatic retry with backoff

For any sequence of errors, delays follow the policy within their jitter, the stage's deadline is respected, and what
concerns trust, logins or the target itself is never tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.errors import (
    AuthError,
    Category,
    KdeployError,
    NetworkError,
    ReadinessError,
    TargetBusy,
    TargetError,
    TrustError,
)
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RetryScheduled
from kdeploy_gui.model.plan import Backoff, Plan, Policy
from kdeploy_gui.model.run import EnvironmentState, fold
from kdeploy_gui.model.stage import Outcome, Stage, Status
from tests.engine.steps import (
    CALLS,
    Faults,
    HookedConnector,
    HookedContent,
    after_the_last,
    hooked,
    machine,
    of,
    over_ssh,
    whole_plan,
)
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports, quick_folder, rehearsal

Make = Callable[[], KdeployError]
PASSING: list[Make] = [lambda: NetworkError("E-LOST", "gone"), lambda: TargetBusy("E-LOCKED", "busy")]
FINAL: list[Make] = [
    lambda: TrustError("E-HOSTKEY-CHANGED", "other key", offered="b", pinned="a"),
    lambda: AuthError("E-AUTH", "refused"),
    lambda: TargetError("E-NOSPC", "full"),
    lambda: ReadinessError("E-CHECK", "a check failed"),
]
shapes = st.builds(Backoff, st.floats(0.001, 100), st.floats(1, 10), st.floats(0.001, 1000), st.floats(0, 1))


def planned(shape: Backoff, attempt: int) -> float:
    """The wait after an attempt without jitter, worked out step by step."""
    wait = shape.initial
    for _ in range(attempt - 1):
        wait = min(wait * shape.factor, 1e9)
    return min(wait, shape.maximum)


async def run_with(
    stage: Stage, errors: list[KdeployError], policy: Policy
) -> tuple[EnvironmentState, list[Event], list[float]]:
    """The end, the events, and what the engine slept."""
    faults = Faults(stage, list(errors))
    content = HookedContent(before=faults.read)
    machines = {"board-a": machine()}
    with quick_folder() as folder:
        connector = hooked(machines, content, faults.call)
        async with rehearsal(Path(folder), machines, content, connector=connector) as run:
            state, events = await run.run(replace(whole_plan(["board-a"], content), policy=policy))
            return state.environments["board-a"], events, run.clock.waits


@settings(max_examples=100)
@given(
    stage=st.sampled_from(Stage),
    passing=st.lists(st.sampled_from(PASSING), max_size=6),
    last=st.none() | st.sampled_from(FINAL),
    retries=st.integers(0, 6),
    shape=shapes,
)
def test_delays_follow_the_policy_and_final_errors_end_it(
    stage: Stage, passing: list[Make], last: Make | None, retries: int, shape: Backoff
) -> None:
    errors = [make() for make in passing] + ([last()] if last else [])
    waited = min(len(passing), retries)

    state, events, slept = asyncio.run(run_with(stage, errors, Policy(retries=retries, backoff=shape)))

    assert len(slept) == waited
    for attempt, wait in enumerate(slept, 1):
        middle = planned(shape, attempt)
        assert abs(wait - middle) <= middle * shape.jitter + 1e-9 * middle
    told = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert [each.in_s for each in told] == [round(wait, 3) for wait in slept]
    times = [each.time for each in of(events, "stage_started") if each.stage is stage]
    for (before, after), wait in zip(pairwise(times), slept, strict=True):
        assert abs((after - before).total_seconds() - wait) < 0.001
    if last is None and len(passing) <= retries:
        assert state.status is Status.COMPLETED
    else:
        assert state.status is Status.FAILED
        final = errors[waited]
        assert state.error is not None
        assert (state.error.category, state.error.code) == (final.category, final.code)


async def hang(stage: Stage, hangs: int, policy: Policy) -> tuple[EnvironmentState, list[Event], float]:
    """A stage that stands still in its first `hangs` attempts; the seconds that all took."""
    content, machines = MemoryContent(), {"board-a": machine()}
    left = hangs

    async def stand_still(environment: str, call: str) -> None:
        nonlocal left
        if left and call == CALLS[stage]:
            left -= 1
            await asyncio.Event().wait()

    with quick_folder() as folder:
        connector = hooked(machines, content, stand_still)
        async with rehearsal(Path(folder), machines, content, connector=connector) as run:
            started = time.monotonic()
            state, events = await run.run(replace(whole_plan(["board-a"], content), policy=policy))
            return state.environments["board-a"], events, time.monotonic() - started


@settings(max_examples=100)
@given(stage=st.sampled_from(list(Stage)[1:]), hangs=st.integers(1, 3), retries=st.integers(0, 2))
def test_the_deadline_is_respected_in_every_attempt(stage: Stage, hangs: int, retries: int) -> None:
    policy = Policy(retries=retries, stage_timeout=0.08)

    state, events, seconds = asyncio.run(hang(stage, hangs, policy))

    late = [each.body.because for each in events if isinstance(each.body, RetryScheduled)]
    late += [state.error] if state.error else []
    own = [each for each in late if each.where.stage == stage.value]
    assert len(own) >= min(hangs, retries + 1) or own != late, "a busy workstation may be late in another stage"
    assert {(each.code, each.category) for each in late} == {("E-STAGE-TIMEOUT", Category.NET)}
    if state.status is Status.COMPLETED:
        assert hangs <= retries
    assert seconds < 10


def small_plan(environment: Environment, content: MemoryContent, home: Path, policy: Policy) -> Plan:
    plan = memory_plan([], [memory_file(content, f"{home}/t/{name}", name.encode() * 65536) for name in "abcd"])
    return replace(plan, environments=(environment,), policy=policy)


@pytest.mark.sshd
async def test_a_server_that_comes_back_is_reached_after_the_delays_of_the_policy(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    """With a real clock: nothing is sent while the engine waits."""
    content = MemoryContent()
    policy = Policy(retries=3, backoff=Backoff(0.2, 2.0, 30.0, 0.1))
    plan = small_plan(chaos.environment(sshd.environment("board-a")), content, sshd.home(), policy)
    knocks: list[float] = []

    async def knock(environment: str, call: str) -> None:
        if call == "connect":
            knocks.append(time.monotonic())
            if len(knocks) == 3:
                chaos.allow()

    history = open_history(tmp_path)
    connector = HookedConnector(over_ssh(content), knock)
    outside = replace(ports(history, tmp_path, connector, content), clock=SystemClock())
    orchestrator = Orchestrator(outside)
    chaos.refuse()
    try:
        number = await orchestrator.submit(plan)
        async with asyncio.timeout(90):
            await orchestrator.wait(number)
        events = history.log.events(number)
    finally:
        await orchestrator.close()
        history.close()

    told = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert [each.because.code for each in told] == ["E-REFUSED", "E-REFUSED"]
    assert 0.18 <= told[0].in_s <= 0.22
    assert 0.36 <= told[1].in_s <= 0.44
    for (before, after), body in zip(pairwise(knocks), told, strict=True):
        assert body.in_s - 0.02 <= after - before <= body.in_s + 30.0
    assert fold(events).outcome is Outcome.SUCCEEDED


@pytest.mark.sshd
async def test_a_line_that_breaks_again_and_again_gets_as_many_attempts_as_planned(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    content = MemoryContent()
    shape = Backoff(1.0, 4.0, 30.0, 0.2)
    policy = Policy(retries=3, backoff=shape)
    plan = small_plan(chaos.environment(sshd.environment("board-a")), content, sshd.home(), policy)
    for offset in (60_000, 110_000, 160_000):
        chaos.trap(Mischief.CUT, Direction.TO_SERVER, offset)
    async with rehearsal(tmp_path, {}, content, connector=after_the_last(sshd, over_ssh(content))) as run:
        state, _ = await run.run(plan)
        slept = run.clock.waits
    assert state.outcome is Outcome.SUCCEEDED
    assert chaos.connections == 4
    assert len(slept) == 3
    for wait, middle in zip(slept, (1.0, 4.0, 16.0), strict=True):
        assert abs(wait - middle) <= middle * 0.2
    for name in "abcd":
        assert (sshd.home() / "t" / name).read_bytes() == name.encode() * 65536


@pytest.mark.sshd
async def test_a_changed_host_key_is_never_tried_again(tmp_path: Path, sshd: Sshd, make_chaos: MakeChaos) -> None:
    content = MemoryContent()
    chaos = make_chaos(sshd.environment())
    environment = chaos.environment(sshd.environment("board-a"))
    sshd.change_host_keys()
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(small_plan(environment, content, sshd.home(), Policy(retries=3)))
        assert run.clock.waits == []
    error = state.environments["board-a"].error
    assert error is not None
    assert (error.category, error.code) == (Category.TRUST, "E-HOSTKEY-CHANGED")
    assert not of(events, "retry_scheduled")
    assert chaos.connections <= 3  # the same key may be offered in another form: one handshake per kind, no login


@pytest.mark.sshd
async def test_a_refused_login_is_never_tried_again(tmp_path: Path, make_sshd: MakeSshd, make_chaos: MakeChaos) -> None:
    content = MemoryContent()
    server = make_sshd(options={"AuthorizedKeysFile": "none"})
    chaos = make_chaos(server.environment())
    environment = chaos.environment(server.environment("board-a"))
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(small_plan(environment, content, server.home(), Policy(retries=3)))
        assert run.clock.waits == []
    error = state.environments["board-a"].error
    assert error is not None
    assert (error.category, error.code) == (Category.AUTH, "E-AUTH")
    assert not of(events, "retry_scheduled")
    assert chaos.connections == 1


@pytest.mark.sshd
async def test_a_link_that_stands_still_ends_an_attempt_at_the_deadline(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    content = MemoryContent()
    policy = Policy(retries=1, stage_timeout=3.0)
    plan = small_plan(chaos.environment(sshd.environment("board-a")), content, sshd.home(), policy)
    chaos.freeze()
    started = time.monotonic()
    try:
        async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
            state, events = await run.run(plan)
    finally:
        chaos.thaw()
    assert time.monotonic() - started < 60
    error = state.environments["board-a"].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-STAGE-TIMEOUT", "connecting")
    assert len(of(events, "retry_scheduled")) == 1
