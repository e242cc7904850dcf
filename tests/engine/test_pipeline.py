"""One environment through its stages: attempts, deadlines, connections, and exactly one end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.errors import (
    Category,
    ContentChanged,
    KdeployError,
    LocalError,
    NetworkError,
    TargetBusy,
    TargetError,
    TrustError,
)
from kdeploy_gui.model.event import EnvironmentFinished, RetryScheduled, StageFinished, TargetRebooted
from kdeploy_gui.model.plan import Policy
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.remedies import bundled
from tests.engine.steps import CALLS, Faults, Standstill, hooked, machine, of, until, whole_plan
from tests.rehearsal import MemoryContent, rehearsal


async def test_all_six_stages_run_in_order(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    async with rehearsal(tmp_path, machines, content) as run:
        state, events = await run.run(whole_plan(["a"], content))
    assert state.outcome is Outcome.SUCCEEDED
    assert [each.stage for each in of(events, "stage_started")] == list(Stage)
    assert [each.stage for each in of(events, "stage_finished")] == list(Stage)
    assert all(each.outcome is StageOutcome.SUCCEEDED for each in state.environments["a"].stages)


@pytest.mark.parametrize("stage", list(Stage)[1:])
async def test_a_stage_that_takes_too_long_is_tried_again_and_then_given_up(tmp_path: Path, stage: Stage) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    still = Standstill(stage, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        policy = Policy(retries=2, stage_timeout=0.5)
        started = time.monotonic()
        state, events = await run.run(replace(whole_plan(["a"], content), policy=policy))
    assert time.monotonic() - started < 60
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.category, error.where.stage) == ("E-STAGE-TIMEOUT", Category.NET, stage.value)
    assert "0.5 s" in error.message
    assert len([each for each in of(events, "stage_started") if each.stage is stage]) == 3


async def test_the_deadline_is_for_one_attempt(tmp_path: Path) -> None:
    """Two attempts that each take most of the time are fine together."""
    content, machines = MemoryContent(), {"a": machine()}
    calls = 0

    async def slow(environment: str, call: str) -> None:
        nonlocal calls
        if call == "place":
            calls += 1
            await asyncio.sleep(1.2)
            if calls == 1:
                raise NetworkError("E-LOST", "gone")

    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, slow)) as run:
        state, _ = await run.run(replace(whole_plan(["a"], content), policy=Policy(stage_timeout=2.0)))
    assert state.outcome is Outcome.SUCCEEDED


async def test_a_stage_that_comes_back_in_time_after_a_standstill_succeeds(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    still = Standstill(Stage.DEPLOYING, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        policy = Policy(retries=1, stage_timeout=3.0)
        number = await run.orchestrator.submit(replace(whole_plan(["a"], content), policy=policy))
        await until(
            lambda: bool(of(run.history.log.events(number), "retry_scheduled")), "the first attempt is given up"
        )
        still.release.set()
        await run.orchestrator.wait(number)
        events = run.history.log.events(number)
    assert len(of(events, "retry_scheduled")) == 1
    assert [each.body.outcome for each in events if isinstance(each.body, StageFinished)] == [
        StageOutcome.SUCCEEDED
    ] * len(Stage)


class Connections:
    """A hook that counts connections and fails one call."""

    def __init__(self, call: str, error: Exception) -> None:
        self.count = 0
        self._call = call
        self._error: Exception | None = error

    async def step(self, environment: str, call: str) -> None:
        self.count += call == "connect"
        if call == self._call and self._error is not None:
            error, self._error = self._error, None
            raise error


@pytest.mark.parametrize(
    ("error", "connections"),
    [
        (NetworkError("E-LOST", "gone"), 2),
        (TargetBusy("E-LOCKED", "busy"), 1),
        (ContentChanged("E-HASH", "other"), 1),
    ],
    ids=["lost", "busy", "changed"],
)
async def test_a_lost_link_is_made_anew_and_a_good_one_is_kept(
    tmp_path: Path, error: KdeployError, connections: int
) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    counter = Connections("place", error)
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, counter.step)) as run:
        state, _ = await run.run(whole_plan(["a"], content))
    assert state.outcome is Outcome.SUCCEEDED
    assert counter.count == connections


async def test_a_reboot_between_two_attempts_is_told(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    before = machines["a"].facts.boot_id

    async def reboot(environment: str, call: str) -> None:
        if call == "place" and machines["a"].facts.boot_id == before:
            machines["a"].facts = replace(machines["a"].facts, boot_id="another-boot")
            raise NetworkError("E-LOST", "it went down")

    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, reboot)) as run:
        state, events = await run.run(whole_plan(["a"], content))
        mark = run.history.readiness.latest("a")
    assert [each.body for each in of(events, "target_rebooted")] == [TargetRebooted(before, "another-boot")]
    assert state.outcome is Outcome.SUCCEEDED
    assert mark is not None
    assert mark.boot_id == "another-boot"


async def test_another_machine_behind_the_address_ends_the_retries(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    connections = 0

    async def swap(environment: str, call: str) -> None:
        nonlocal connections
        if call == "connect":
            connections += 1
            if connections == 2:
                raise TrustError("E-HOSTKEY-CHANGED", "another key", offered="SHA256:b", pinned="SHA256:a")
        if call == "place":
            raise NetworkError("E-LOST", "gone")

    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, swap)) as run:
        state, _ = await run.run(whole_plan(["a"], content))
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-HOSTKEY-CHANGED", "deploying_scripts")
    assert connections == 2


async def test_attempts_number_their_events(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    faults = Faults(Stage.DEPLOYING, [NetworkError("E-LOST", "gone"), NetworkError("E-LOST", "gone")])
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, faults.call)) as run:
        _, events = await run.run(whole_plan(["a"], content))
    own = [each for each in events if each.stage is Stage.DEPLOYING]
    assert [each.attempt for each in own] == sorted(each.attempt for each in own)
    assert [each.attempt for each in of(own, "file_done")] == [3, 3]
    assert [each.attempt for each in own if isinstance(each.body, RetryScheduled)] == [1, 2]
    assert [each.attempt for each in own if isinstance(each.body, StageFinished)] == [3]


async def test_a_lock_that_cannot_be_used_fails_the_environment_before_any_stage(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    (tmp_path / "locks").write_text("a file where the folder of the locks belongs")
    async with rehearsal(tmp_path, machines, content) as run:
        state, events = await run.run(whole_plan(["a"], content))
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.category, error.where.stage) == ("E-LOCK-FILE", Category.LOCAL, "")
    assert not of(events, "stage_started")
    assert state.outcome is Outcome.FAILED


async def test_a_mistake_in_the_last_stage_leaves_no_ready_mark(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    faults = Faults(Stage.VALIDATING, [ZeroDivisionError("a mistake")])
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, faults.call)) as run:
        state, events = await run.run(whole_plan(["a"], content))
        mark = run.history.readiness.latest("a")
    assert mark is None
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.category) == ("E-BUG", Category.BUG)
    assert "ZeroDivisionError: a mistake" in error.message
    assert "Traceback (most recent call last)" in error.evidence.stderr
    assert "readiness validation" not in error.message
    assert not of(events, "retry_scheduled")
    ends = [each.body for each in events if isinstance(each.body, EnvironmentFinished)]
    assert [each.status for each in ends] == [Status.FAILED]


async def test_every_connection_is_let_go_of(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    faults = Faults(Stage.DEPLOYING, [NetworkError("E-LOST", "gone"), TargetError("E-NOSPC", "full")])
    connector = hooked(machines, content, faults.call)
    async with rehearsal(tmp_path, machines, content, connector=connector) as run:
        state, _ = await run.run(whole_plan(["a"], content))
    assert state.environments["a"].status is Status.FAILED
    assert (connector.opened, connector.closed) == (2, 2)


async def test_facts_that_fail_after_the_connection_close_it(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    machines["a"].failures["facts"] = [TargetError("E-SHELL", "no shell")]
    connector = hooked(machines, content, Faults(Stage.DEPLOYING, []).call)
    async with rehearsal(tmp_path, machines, content, connector=connector) as run:
        state, events = await run.run(whole_plan(["a"], content))
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-SHELL", "connecting")
    assert (connector.opened, connector.closed) == (1, 1)
    assert not of(events, "retry_scheduled")


def test_a_failure_names_what_an_error_knows() -> None:
    error = LocalError("E-HISTORY-FULL", "full", path="/data/kdeploy.db", on_target="nothing")
    failure = failure_of(error, bundled(), "board-a", "preparing")
    assert (failure.code, failure.where.environment, failure.where.path) == ("E-HISTORY-FULL", "board-a", error.path)
    assert "/data/kdeploy.db" in failure.remedy


def test_calls_cover_every_stage_but_the_first() -> None:
    assert set(CALLS) == set(Stage) - {Stage.PREPARING}
