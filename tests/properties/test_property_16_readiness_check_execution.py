"""Property 16: readiness check execution

For any run that reaches the end of the fifth stage, every readiness check runs, without being asked.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import NetworkError, TargetError
from kdeploy_gui.model.event import CheckDone, Event
from kdeploy_gui.model.plan import Policy, Rollback, Validation
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from tests.engine.steps import Faults, HookedContent, hooked, machine, of, over_ssh, whole_plan
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal

MIB = 1 << 20
ALWAYS = ["files", "boot", "kernel", "arch", "memory", "load", "clock_skew"]
TOOLS = ("sh", "perf", "stress-ng")
limits = st.builds(
    Validation,
    kernel=st.sampled_from(["", ">=6.1", "<5", "==6.1.0"]),
    arch=st.sampled_from([(), ("x86_64",), ("aarch64",)]),
    memory=st.none() | st.sampled_from([0, 512 * MIB, 513 * MIB]),
    disk=st.dictionaries(st.sampled_from(["/", "/opt", "~/t"]), st.sampled_from([0, 1 << 30, 1 << 31]), max_size=3),
    load=st.none() | st.sampled_from([0.0, 1.0, 8.0]),
    tools=st.lists(st.sampled_from(TOOLS), unique=True).map(tuple),
    clock_skew=st.none() | st.sampled_from([0.0, 5.0]),
)
faults = st.none() | st.tuples(
    st.sampled_from(list(Stage)[:5]), st.sampled_from([TargetError("E-NOSPC", "full"), NetworkError("E-LOST", "gone")])
)


def expected_checks(asked: Validation) -> set[str]:
    """The names of all checks that a plan implies."""
    return {*ALWAYS, *(f"disk {path}" for path in asked.disk), *(f"tool {tool}" for tool in asked.tools)}


def expected_failures(asked: Validation) -> set[str]:
    """What a machine with 512 MiB free memory, 1 GiB free disk, load 1, kernel 6.1.0 and only sh fails."""
    wrong = {f"tool {tool}" for tool in asked.tools if tool != "sh"}
    wrong |= {f"disk {path}" for path, least in asked.disk.items() if least > 1 << 30}
    if asked.kernel == "<5":
        wrong.add("kernel")
    if asked.arch == ("aarch64",):
        wrong.add("arch")
    if asked.memory == 513 * MIB:
        wrong.add("memory")
    if asked.load == 0.0:
        wrong.add("load")
    return wrong


async def run_with(
    asked: Validation, fault: tuple[Stage, Exception] | None, retries: int
) -> tuple[RunState, list[Event]]:
    stage, error = fault or (Stage.PREPARING, ValueError())
    broken = Faults(stage, [error] if fault else [])
    content = HookedContent(before=broken.read)
    board = machine()
    board.tools = {"sh": "/bin/sh"}
    board.facts = replace(board.facts, load=1.0, memory_available=512 * MIB)
    machines = {"board-a": board}
    plan = replace(whole_plan(["board-a"], content), validation=asked, policy=Policy(retries=retries))
    with quick_folder() as folder:
        connector = hooked(machines, content, broken.call)
        async with rehearsal(Path(folder), machines, content, connector=connector) as run:
            return await run.run(plan)


@settings(max_examples=100)
@given(asked=limits, fault=faults, retries=st.integers(0, 1))
def test_every_check_runs_exactly_when_the_fifth_stage_has_succeeded(
    asked: Validation, fault: tuple[Stage, Exception] | None, retries: int
) -> None:
    state, events = asyncio.run(run_with(asked, fault, retries))

    board = state.environments["board-a"]
    reached = {each.stage: each.outcome for each in board.stages}[Stage.INSTRUMENTATION] is StageOutcome.SUCCEEDED
    checks = [each.body for each in of(events, "check_done") if isinstance(each.body, CheckDone)]
    assert reached or fault is not None
    assert {each.check for each in checks} == (expected_checks(asked) if reached else set())
    assert len(checks) == len({each.check for each in checks})
    if reached:
        failures = {each.check for each in checks if not each.ok}
        assert failures == expected_failures(asked)
        assert (board.status is Status.COMPLETED) is board.ready is (not failures)
        if failures:
            assert board.error is not None
            assert board.error.code == "E-CHECK"
            assert all(name in board.error.message for name in failures)


@pytest.mark.sshd
async def test_a_real_machine_is_checked_without_being_asked(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    plan = memory_plan(["board-a"], [memory_file(content, f"{sshd.home()}/t/one", b"one", 0o750)])
    plan = replace(plan, environments=(sshd.environment("board-a"),))
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(plan)

    checks = {each.body.check: each.body for each in of(events, "check_done") if isinstance(each.body, CheckDone)}
    assert list(checks) == ALWAYS
    assert all(each.ok for each in checks.values())
    assert checks["boot"].value == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert state.outcome is Outcome.SUCCEEDED
    assert state.environments["board-a"].ready


@pytest.mark.sshd
async def test_a_real_machine_that_fails_one_check_is_told_all_others(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    asked = Validation(kernel="<3", disk={"~": 1, "/": 1}, tools=("sh", "no-such-tool"), load=1e9, clock_skew=60.0)
    plan = memory_plan(["board-a"], [memory_file(content, f"{sshd.home()}/t/one", b"one", 0o750)])
    plan = replace(
        plan, environments=(sshd.environment("board-a"),), validation=asked, policy=Policy(rollback=Rollback.NONE)
    )
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(plan)

    checks = {each.body.check: each.body for each in of(events, "check_done") if isinstance(each.body, CheckDone)}
    assert set(checks) == expected_checks(asked)
    assert {name for name, each in checks.items() if not each.ok} == {"kernel", "tool no-such-tool"}
    board = state.environments["board-a"]
    assert (board.status, board.ready) == (Status.FAILED, False)
    assert board.error is not None
    assert "tool no-such-tool: missing, allowed present" in board.error.message
    assert (sshd.home() / "t/one").read_bytes() == b"one", "the files stay, the environment is not READY"
