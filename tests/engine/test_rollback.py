"""What becomes of files that a run placed where it then failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.errors import TargetError
from kdeploy_gui.model.event import ReadinessChanged, RollbackDone
from kdeploy_gui.model.plan import Plan, Policy, Rollback, Validation
from kdeploy_gui.model.stage import Outcome, Status
from tests.engine.steps import machine
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

OLD = StoredFile(b"old", 0o600, "root:root")


def failing(content: MemoryContent, policy: Policy) -> Plan:
    """A plan that is deployed and then fails its validation."""
    files = (memory_file(content, "/t/file", b"new"), memory_file(content, "/t/fresh", b"fresh"))
    return replace(memory_plan(["a"], files), policy=policy, validation=Validation(memory=1 << 50))


def board() -> MemoryMachine:
    made = machine()
    made.files["/t/file"] = OLD
    return made


async def test_a_failed_environment_gets_its_previous_version_back(tmp_path: Path) -> None:
    content, a = MemoryContent(), board()
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        state, events = await run.run(failing(content, Policy(rollback=Rollback.FAILED)))
    found = state.environments["a"]
    assert (found.status, found.ready) == (Status.FAILED, False)
    assert found.error is not None
    assert found.error.code == "E-CHECK"
    assert found.error.on_target == "The previous version is back: 1 files restored, 1 removed."
    assert a.files["/t/file"] == OLD
    assert "/t/fresh" not in a.files
    assert [each.body for each in events if isinstance(each.body, RollbackDone)] == [RollbackDone(1, 1, 1)]


@pytest.mark.parametrize(
    "policy", [Policy(rollback=Rollback.NONE), Policy(keep_versions=0)], ids=["not wanted", "nothing kept"]
)
async def test_without_it_the_new_version_stays(tmp_path: Path, policy: Policy) -> None:
    content, a = MemoryContent(), board()
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        state, _ = await run.run(failing(content, policy))
    assert state.environments["a"].status is Status.FAILED
    assert a.files["/t/file"].data == b"new"


async def test_a_rollback_that_fails_is_told_with_the_failure(tmp_path: Path) -> None:
    content, a = MemoryContent(), board()
    a.failures["restore"] = [TargetError("E-ROFS", "the file system is read-only")]
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        state, events = await run.run(failing(content, Policy()))
    error = state.environments["a"].error
    assert error is not None
    assert error.code == "E-CHECK"
    assert "Not taken back: E-ROFS: the file system is read-only." in error.on_target
    assert [each.body.because for each in events if isinstance(each.body, RollbackDone)] == [
        "E-ROFS: the file system is read-only"
    ]


async def test_nothing_is_taken_back_where_nothing_was_placed(tmp_path: Path) -> None:
    content, a = MemoryContent(), board()
    a.failures["connect"] = [TargetError("E-SHELL", "no shell")]
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        _, events = await run.run(failing(content, Policy()))
    assert "restore" not in a.calls
    assert not [each for each in events if isinstance(each.body, RollbackDone)]


async def test_a_plan_that_takes_back_a_run_leaves_the_environment_not_ready(tmp_path: Path) -> None:
    content, a = MemoryContent(), board()
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        first, _ = await run.run(memory_plan(["a"], [memory_file(content, "/t/file", b"new")]))
        assert first.environments["a"].ready
        state, events = await run.run(replace(memory_plan(["a"], ()), takes_back=1))
    assert state.outcome is Outcome.SUCCEEDED
    assert not state.environments["a"].ready
    assert a.files["/t/file"] == OLD
    said = [each.body.because for each in events if isinstance(each.body, ReadinessChanged)]
    assert said == ["run 2 takes back what run 1 placed", "run 1 was taken back by run 2"]


async def test_all_or_none(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {name: board() for name in "abc"}
    machines["b"].failures["place"] = [TargetError("E-NOSPC", "no space is left")]
    files = (memory_file(content, "/t/file", b"new"), memory_file(content, "/t/fresh", b"fresh"))
    plan = replace(memory_plan(["a", "b", "c"], files), policy=Policy(rollback=Rollback.ALL, max_parallel=1))
    async with rehearsal(tmp_path, machines, content) as run:
        state, _ = await run.run(plan)
    assert state.outcome is Outcome.FAILED
    codes = {each.name: each.error.code for each in state.environments.values() if each.error}
    assert codes == {"a": "E-OTHERS-FAILED", "b": "E-NOSPC", "c": "E-OTHERS-FAILED"}
    assert not any(each.ready for each in state.environments.values())
    assert all(each.files["/t/file"] == OLD for each in machines.values())


async def test_all_came_through(tmp_path: Path) -> None:
    content, machines = MemoryContent(), {name: board() for name in "abc"}
    plan = memory_plan(["a", "b", "c"], (memory_file(content, "/t/file", b"new"),))
    async with rehearsal(tmp_path, machines, content) as run:
        state, _ = await run.run(replace(plan, policy=Policy(rollback=Rollback.ALL, max_parallel=1)))
    assert state.outcome is Outcome.SUCCEEDED
    assert all(each.ready for each in state.environments.values())
