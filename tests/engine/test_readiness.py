"""Is an environment READY now? What is asked of the machine, what is answered, and what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.engine import readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.errors import NetworkError, TrustError
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.plan import Plan
from tests.engine.steps import HookedConnector, machine
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, ports, rehearsal


@dataclass
class Scene:
    """A machine, a plan of two files for it, and an engine."""

    run: Rehearsal
    outside: Ports
    board: MemoryMachine
    content: MemoryContent
    plan: Plan

    async def look(self, *, files: bool = True, plan: Plan | None = None) -> EnvironmentCheck:
        self.board.calls.clear()
        return await readiness.check(self.outside, self.plan.environments[0], files=files, plan=plan)

    def with_file(self, target: str, data: bytes, mode: int = 0o644) -> Plan:
        """The plan with one more file, or another one in its place."""
        kept = [each for each in self.plan.files if each.target != target]
        return replace(self.plan, files=(*kept, memory_file(self.content, target, data, mode)))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    content, board = MemoryContent(), machine()
    plan = memory_plan(["a"], [memory_file(content, f"/opt/t/{name}", name.encode()) for name in ("one", "two")])
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        outside = ports(run.history, tmp_path, MemoryConnector({"a": board}, content), content)
        yield Scene(run, outside, board, content, plan)


async def test_a_machine_that_no_run_has_reached_is_not_ready(scene: Scene) -> None:
    check = await scene.look()
    assert (check.ready, check.because, check.mark) == (False, ("no run has made it READY yet",), None)
    assert check.facts is not None
    assert scene.board.calls == ["connect", "facts"]


async def test_a_ready_machine_says_on_what_that_rests(scene: Scene) -> None:
    state, _ = await scene.run.run(scene.plan)
    check = await scene.look()
    assert check.ready
    assert check.because == (f"all 7 checks passed in run {state.run}",)
    assert scene.board.calls == ["connect", "facts", "survey"]


async def test_files_are_left_alone_when_nobody_asks_for_them(scene: Scene) -> None:
    await scene.run.run(scene.plan)
    del scene.board.files["/opt/t/one"]
    assert (await scene.look(files=False)).ready
    assert scene.board.calls == ["connect", "facts"]


@pytest.mark.parametrize(
    "error",
    [NetworkError("E-REFUSED", "no"), TrustError("E-HOSTKEY-CHANGED", "other", offered="b", pinned="a")],
    ids=["net", "trust"],
)
@pytest.mark.parametrize("verb", ["connect", "facts", "survey"])
async def test_a_machine_that_cannot_be_looked_at_is_told_with_its_failure(
    scene: Scene, verb: str, error: NetworkError | TrustError
) -> None:
    await scene.run.run(scene.plan)
    scene.board.failures[verb] = [error]
    check = await scene.look()
    assert not check.ready
    assert check.failure is not None
    assert (check.failure.code, check.failure.where.environment) == (error.code, "a")
    assert check.failure.remedy
    assert check.mark is not None
    assert check.mark.ready
    assert (await scene.look()).ready, "the next look succeeds"


async def test_a_plan_that_was_changed_since_is_not_what_is_ready(scene: Scene) -> None:
    await scene.run.run(scene.plan)
    assert (await scene.look(plan=scene.plan)).ready
    changed = await scene.look(plan=scene.with_file("/opt/t/one", b"new content"))
    assert changed.because == ("/opt/t/one is not what the plan has now",)
    scene.with_file("/opt/t/one", b"one")
    more = await scene.look(plan=scene.with_file("/opt/t/three", b"three"))
    assert more.because == ("/opt/t/three is in the plan and was not deployed",)
    less = await scene.look(plan=replace(scene.plan, files=scene.plan.files[:1]))
    assert less.because == ("/opt/t/two was deployed and is not in the plan",)
    assert not any(each.ready for each in (changed, more, less))
    assert (await scene.look(plan=scene.plan)).ready, "other plans drop no mark"


async def test_a_plan_whose_source_is_gone_is_a_failure_of_the_artifact(scene: Scene) -> None:
    await scene.run.run(scene.plan)
    scene.content.data.clear()
    check = await scene.look(plan=scene.plan)
    assert check.failure is not None
    assert check.failure.code == "E-SOURCE-MISSING"


async def test_the_first_reason_is_kept_by_later_looks(scene: Scene) -> None:
    await scene.run.run(scene.plan)
    scene.board.files["/opt/t/one"] = StoredFile(b"other", 0o644, "root:root")
    first = await scene.look()
    scene.board.facts = replace(scene.board.facts, boot_id="later")
    second = await scene.look()
    assert first.because == second.because == ("/opt/t/one has other content",)


async def test_a_look_does_not_drop_the_mark_of_a_run_that_ended_meanwhile(scene: Scene) -> None:
    """The look finds the files as they were before; the run mends them and marks the machine READY."""
    await scene.run.run(scene.plan)
    scene.board.files["/opt/t/one"] = StoredFile(b"other", 0o644, "root:root")

    mended: list[object] = []

    async def mend(environment: str, call: str) -> None:
        if call == "close" and not mended:
            mended.append(await scene.run.run(scene.plan))

    connector = HookedConnector(scene.outside.connector, mend)
    outside = replace(scene.outside, connector=connector)
    check = await readiness.check(outside, scene.plan.environments[0])
    mark = scene.run.history.readiness.latest("a")
    assert mark is not None
    assert mark.ready
    assert check.ready
