"""Machines that are off or booting: switched on once, waited for, and never where that could do harm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.memory_target import MemoryConnector
from kdeploy_gui.environments.power import WorkstationPower
from kdeploy_gui.errors import AuthError, Category, KdeployError, NetworkError, TrustError
from kdeploy_gui.model.environment import Environment, Power, PowerAction
from kdeploy_gui.model.event import EnvironmentFinished, Event, StageProgress
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Status
from tests.engine.steps import HookedConnector, hooked, machine, of, until, whole_plan
from tests.rehearsal import JumpingClock, MemoryContent, ports, rehearsal

BOARD = Environment(name="a", host="a.invalid", power=Power("sh -c 'echo humm; echo on >>log'", "true"))
AUTO = replace(BOARD, autostart=True)
DOWN = [
    NetworkError("E-REFUSED", "a refuses", port="22"),
    NetworkError("E-TIMEOUT", "no answer"),
    NetworkError("E-LOST", "no greeting"),
    NetworkError("E-UNREACHABLE", "no route"),
]


class Answers:
    """A hook whose machine fails to connect with these errors in turn, then for ever with `last` if there is one."""

    def __init__(self, errors: Sequence[KdeployError], last: KdeployError | None = None) -> None:
        self._left = list(errors)
        self._last = last
        self.tries = 0

    async def step(self, environment: str, call: str) -> None:
        if call != "connect":
            return
        self.tries += 1
        if self._left:
            raise self._left.pop(0)
        if self._last:
            raise self._last


def plan_on(environment: Environment, content: MemoryContent) -> Plan:
    return replace(whole_plan(["a"], content), environments=(environment,))


async def run_on(
    folder: Path, environment: Environment, answers: Answers
) -> tuple[RunState, list[Event], JumpingClock]:
    content, machines = MemoryContent(), {"a": machine()}
    connector = hooked(machines, content, answers.step)
    async with rehearsal(folder, machines, content, connector=connector) as run:
        state, events = await run.run(plan_on(environment, content))
        return state, events, run.clock


def error_of(state: RunState) -> Failure:
    error = state.environments["a"].error
    assert error is not None
    return error


def notes(events: Sequence[Event]) -> list[str]:
    return [each.body.note for each in events if isinstance(each.body, StageProgress) and "for boot" in each.body.note]


def switched(folder: Path) -> int:
    log = folder / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


async def test_a_board_that_does_not_answer_is_switched_on_once_and_waited_for(tmp_path: Path) -> None:
    state, events, clock = await run_on(tmp_path, AUTO, Answers(DOWN * 2))
    assert state.outcome is Outcome.SUCCEEDED
    assert switched(tmp_path) == 1
    assert notes(events) == [f"waiting for boot, {seconds} s of 180 s" for seconds in range(0, 40, 5)]
    assert clock.waits == [5.0] * 8
    assert not of(events, "retry_scheduled"), "waiting is no attempt"
    assert state.environments["a"].facts["power"] == "switched on by this run: it did not answer"
    assert of(events, "output_appended"), "what the command said is kept"


async def test_the_wait_ends_with_its_limit_and_is_not_begun_again(tmp_path: Path) -> None:
    state, events, clock = await run_on(tmp_path, AUTO, Answers([], DOWN[0]))
    error = error_of(state)
    assert (error.code, error.category) == ("E-BOOT", Category.NET)
    assert error.message == "a did not answer within 180 s after it was switched on: a refuses"
    assert "longer than 180 s" in error.remedy
    assert sum(clock.waits) == pytest.approx(180)
    assert not of(events, "retry_scheduled")
    assert switched(tmp_path) == 1


@pytest.mark.parametrize("environment", [BOARD, replace(BOARD, power=Power(), autostart=True)], ids=["manual", "none"])
async def test_without_leave_or_command_to_switch_it_on_the_usual_retries_stay(
    tmp_path: Path, environment: Environment
) -> None:
    answers = Answers([], DOWN[0])
    state, events, _ = await run_on(tmp_path, environment, answers)
    assert error_of(state).code == "E-REFUSED"
    assert (answers.tries, len(of(events, "retry_scheduled")), switched(tmp_path)) == (4, 3, 0)
    assert not notes(events)


async def test_a_boot_timeout_makes_a_run_wait_even_where_nobody_can_switch(tmp_path: Path) -> None:
    environment = Environment(name="a", host="a.invalid", boot_timeout=12.0)
    state, events, clock = await run_on(tmp_path, environment, Answers([], DOWN[1]))
    assert error_of(state).message == "a did not answer within 12 s: no answer"
    assert notes(events) == [f"waiting for boot, {seconds} s of 12 s" for seconds in (0, 5, 10)]
    assert clock.waits == [5.0, 5.0, 2.0]
    state, _, _ = await run_on(tmp_path, environment, Answers(DOWN[:2]))
    assert state.outcome is Outcome.SUCCEEDED


async def test_one_that_kdeploy_switched_on_a_moment_ago_is_waited_for(tmp_path: Path) -> None:
    await WorkstationPower(tmp_path, tmp_path / "power").run(BOARD, PowerAction.ON)
    state, events, _ = await run_on(tmp_path, BOARD, Answers(DOWN))
    assert state.outcome is Outcome.SUCCEEDED
    assert len(notes(events)) == 4
    assert switched(tmp_path) == 1, "the run itself switches nothing"


@pytest.mark.parametrize(
    "error",
    [
        TrustError("E-HOSTKEY-CHANGED", "another key", offered="b", pinned="a"),
        AuthError("E-AUTH", "refused", user="root", host="a"),
    ],
    ids=["trust", "auth"],
)
async def test_nobody_waits_for_trust_or_a_login(tmp_path: Path, error: KdeployError) -> None:
    state, events, _ = await run_on(tmp_path, AUTO, Answers([], error))
    assert (error_of(state).code, notes(events), switched(tmp_path)) == (error.code, [], 0)
    answers = Answers(DOWN[:2], error)
    state, events, _ = await run_on(tmp_path, AUTO, answers)
    assert (error_of(state).code, answers.tries) == (error.code, 3), "nor once it answers"


async def test_a_jump_host_that_is_down_switches_nothing_on(tmp_path: Path) -> None:
    at_gateway = NetworkError("E-REFUSED", "at the jump host g: refused", port="22")
    at_gateway.hop = "g"
    state, events, _ = await run_on(tmp_path, AUTO, Answers([], at_gateway))
    assert (error_of(state).code, notes(events), switched(tmp_path)) == ("E-REFUSED", [], 0)


async def test_a_power_command_that_fails_ends_the_environment(tmp_path: Path) -> None:
    environment = replace(AUTO, power=Power("sh -c 'echo no socket 3; exit 4'"))
    state, events, _ = await run_on(tmp_path, environment, Answers([], DOWN[0]))
    error = error_of(state)
    assert (error.code, error.category, error.evidence.stderr) == ("E-POWER-FAILED", Category.LOCAL, "no socket 3")
    assert not of(events, "retry_scheduled")


async def test_cancelling_ends_the_wait_at_once(tmp_path: Path) -> None:
    content, machines, answers = MemoryContent(), {"a": machine()}, Answers([], DOWN[0])
    connector = HookedConnector(MemoryConnector(machines, content), answers.step)
    async with rehearsal(tmp_path, machines, content) as run:
        outside = replace(ports(run.history, tmp_path, connector, content), clock=SystemClock())
        orchestrator = Orchestrator(outside)
        number = await orchestrator.submit(plan_on(replace(BOARD, boot_timeout=600.0), content))
        await until(lambda: bool(notes(run.history.log.events(number))), "it waits")
        started = asyncio.get_running_loop().time()
        await orchestrator.cancel(number)
        await orchestrator.wait(number)
        assert asyncio.get_running_loop().time() - started < 30
        await orchestrator.close()
        events = run.history.log.events(number)
    ends = [each.body.status for each in events if isinstance(each.body, EnvironmentFinished)]
    assert ends == [Status.CANCELLED]
    assert answers.tries == 1
