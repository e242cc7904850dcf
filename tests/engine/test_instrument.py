"""Instrumentation setup: nothing is said to be on that was not shown to be, and what was switched on can be undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.stages.instrument import thrown
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Kernel
from kdeploy_gui.model.event import Event, InstrumentState, InstrumentSwitched
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.plan import Instrumentation, Policy, Rollback, Want
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import of
from tests.instruments.answers import PERF_ON, PROOF_OF_PERF, answer
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

KCSAN_OFF = answer(debugfs=True, config={"KCSAN": "y"}, files={"/sys/kernel/debug/kcsan": "enabled: 0"})
SWITCHED = b"ok\t/sys/kernel/debug/kcsan\tenabled: 0\tenabled: 1\t\n"


async def run_with(
    tmp_path: Path, wants: dict[str, Want], said: bytes, **replies: Completed
) -> tuple[RunState, list[Event], MemoryMachine]:
    content = MemoryContent()
    board = MemoryMachine(replies={"instrument detection": Completed(0, said), **replies})
    board.facts = replace(board.facts, boot_id="boot-1")
    plan = memory_plan(["a"], [memory_file(content, "/opt/t/one", b"one")])
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        state, events = await run.run(replace(plan, instrumentation=Instrumentation(wants)))
    return state, events, board


def matrix(events: list[Event]) -> dict[str, InstrumentState]:
    bodies = [each.body for each in of(events, "instrument_state")]
    return {each.instrument: each for each in bodies if isinstance(each, InstrumentState)}


async def test_each_wanted_instrument_gets_its_row_and_no_other(tmp_path: Path) -> None:
    wants = {"perf": Want.WANTED, "kasan": Want.WANTED, "gcov": Want.OFF}
    state, events, _ = await run_with(tmp_path, wants, PERF_ON)
    rows = matrix(events)
    assert set(rows) == {"perf", "kasan"}
    assert (rows["perf"].state, rows["perf"].on, rows["perf"].proven) == ("active", "yes", "unknown")
    assert rows["perf"].boot_id == "boot-1"
    assert ("/proc/sys/kernel/perf_event_paranoid", "2") in [(each.path, each.value) for each in rows["perf"].evidence]
    assert rows["kasan"].on == rows["kasan"].built_in == "unknown"
    assert rows["kasan"].note
    assert state.environments["a"].ready


async def test_what_was_seen_working_is_proven(tmp_path: Path) -> None:
    proof = {"proof of perf events": Completed(0, PROOF_OF_PERF)}
    state, events, _ = await run_with(tmp_path, {"perf": Want.REQUIRED}, PERF_ON, **proof)
    row = matrix(events)["perf"]
    assert (row.state, row.on, row.proven) == ("proven", "yes", "yes")
    assert "software events only" in row.note
    assert state.environments["a"].ready


async def test_a_required_tool_that_is_broken_fails_the_stage(tmp_path: Path) -> None:
    proof = {"proof of perf events": Completed(0, b"task_clock\t<not supported>\nrestored\tyes\nend\t\n")}
    state, events, _ = await run_with(tmp_path, {"perf": Want.REQUIRED}, PERF_ON, **proof)
    row = matrix(events)["perf"]
    assert (row.state, row.on, row.proven) == ("off", "no", "no")
    assert "<not supported>" in row.note
    assert state.environments["a"].status is Status.FAILED


async def test_a_plan_without_instruments_asks_nothing(tmp_path: Path) -> None:
    state, events, board = await run_with(tmp_path, {"perf": Want.OFF}, PERF_ON)
    assert matrix(events) == {}
    assert "execute" not in board.calls
    assert state.environments["a"].ready


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"uid\t0\nline\t/proc/sys/kernel/perf_event_paranoid\t2\n",
        b"uid\t0\nline\t/proc/sys/kernel/perf_event_paranoid\t2\ntool\tperf\t/usr/bin/perf\n",
        b"welcome to this board\n\nend\t\n",
        b"\xff\xfe\x00\nend\t",
    ],
)
async def test_a_required_instrument_that_is_not_shown_to_be_on_fails_the_stage(tmp_path: Path, said: bytes) -> None:
    state, events, board = await run_with(tmp_path, {"perf": Want.REQUIRED}, said)
    environment = state.environments["a"]
    assert environment.status is Status.FAILED
    assert environment.error is not None
    assert (environment.error.code, environment.error.where.stage) == ("E-INSTRUMENT", "configuring_instrumentation")
    assert "perf" in environment.error.message
    assert "perf" in environment.error.remedy
    assert matrix(events)["perf"].state == "unknown"
    assert not of(events, "retry_scheduled")
    assert "/opt/t/one" not in board.files, "they were taken back"


async def test_all_missing_ones_are_named_at_once(tmp_path: Path) -> None:
    wants = {"perf": Want.REQUIRED, "kasan": Want.REQUIRED, "ftrace": Want.REQUIRED}
    state, _, _ = await run_with(tmp_path, wants, PERF_ON)
    error = state.environments["a"].error
    assert error is not None
    assert "KASAN" in error.message
    assert "ftrace" in error.message
    assert "perf" not in error.message


async def test_the_mark_says_how_far_each_was_shown(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(replies={"instrument detection": Completed(0, PERF_ON)})
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        wants = Instrumentation({"perf": Want.REQUIRED, "kasan": Want.WANTED})
        await run.run(replace(memory_plan(["a"]), instrumentation=wants))
        mark = run.history.readiness.latest("a")
    assert mark is not None
    assert dict(mark.instruments) == {"perf": "active", "kasan": "unknown"}


def switches(events: list[Event]) -> list[InstrumentSwitched]:
    return [each.body for each in events if isinstance(each.body, InstrumentSwitched)]


async def test_what_can_be_switched_on_is_and_a_failed_run_takes_it_back(tmp_path: Path) -> None:
    replies = {"switching instruments": Completed(0, SWITCHED)}
    back = {"switching instruments back": Completed(0, b"ok\t/sys/kernel/debug/kcsan\tenabled: 1\tenabled: 0\t\n")}
    state, events, _ = await run_with(tmp_path, {"kcsan": Want.REQUIRED}, KCSAN_OFF, **replies, **back)
    assert state.environments["a"].status is Status.FAILED, "the machine says that it is off all the same"
    first, *_, last = switches(events)
    assert (first.path, first.before, first.after, first.back) == (
        "/sys/kernel/debug/kcsan",
        "enabled: 0",
        "enabled: 1",
        False,
    )
    assert (last.before, last.after, last.back, last.because) == ("enabled: 1", "enabled: 0", True, "")
    assert thrown(events, "a", "boot-1") == ()


async def test_what_cannot_be_taken_back_is_told(tmp_path: Path) -> None:
    replies = {"switching instruments": Completed(0, SWITCHED)}
    back = {
        "switching instruments back": Completed(0, b"failed\t/sys/kernel/debug/kcsan\tenabled: 1\tenabled: 1\tEPERM\n")
    }
    state, events, _ = await run_with(tmp_path, {"kcsan": Want.REQUIRED}, KCSAN_OFF, **replies, **back)
    error = state.environments["a"].error
    assert error is not None
    assert switches(events)[-1].because == "EPERM"


async def test_a_plan_that_may_not_switch_leaves_all_as_it_is(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(replies={"instrument detection": Completed(0, KCSAN_OFF)})
    wants = Instrumentation({"kcsan": Want.WANTED}, may_switch=False)
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        state, events = await run.run(replace(memory_plan(["a"]), instrumentation=wants))
    assert matrix(events)["kcsan"].state == "off"
    assert board.calls.count("execute") == 1
    assert state.environments["a"].ready, "wanted, so it goes on without"


async def test_taking_a_run_back_switches_back_what_it_switched_in_the_same_boot(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(
        replies={
            "instrument detection": Completed(0, KCSAN_OFF),
            "switching instruments": Completed(0, SWITCHED),
            "switching instruments back": Completed(0, b"ok\t/sys/kernel/debug/kcsan\tenabled: 1\tenabled: 0\t\n"),
        }
    )
    board.facts = replace(board.facts, boot_id="boot-1")
    plan = memory_plan(["a"], [memory_file(content, "/opt/t/one", b"one")])
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        await run.run(replace(plan, instrumentation=Instrumentation({"kcsan": Want.WANTED})))
        _, events = await run.run(replace(memory_plan(["a"]), takes_back=1))
    assert [(each.path, each.back, each.because) for each in switches(events)] == [
        ("/sys/kernel/debug/kcsan", True, "")
    ]


async def test_a_kernel_of_the_lab_file_that_has_it_is_named(tmp_path: Path) -> None:
    content = MemoryContent()
    said = answer(config={"KASAN": "n"})
    board = MemoryMachine(replies={"instrument detection": Completed(0, said)})
    plan = memory_plan(["a"])
    (machine,) = plan.environments
    guest = replace(machine, kernels=(Kernel("kasan", "/srv/bzImage-kasan"), Kernel("plain", "/srv/bzImage")))
    plan = replace(plan, environments=(guest,), instrumentation=Instrumentation({"kasan": Want.WANTED}))
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        _, events = await run.run(plan)
    row = matrix(events)["kasan"]
    assert row.state == State.ABSENT
    assert row.remedy.endswith("a has the kernel 'kasan'")


async def test_without_rollback_nothing_is_switched_back(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(
        replies={
            "instrument detection": Completed(0, KCSAN_OFF),
            "switching instruments": Completed(0, SWITCHED),
        }
    )
    wants = Instrumentation({"kcsan": Want.REQUIRED})
    plan = replace(memory_plan(["a"]), instrumentation=wants, policy=Policy(rollback=Rollback.NONE))
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        _, events = await run.run(plan)
    assert not any(each.back for each in switches(events))


async def test_another_boot_has_lost_what_was_switched(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(
        replies={
            "instrument detection": Completed(0, KCSAN_OFF),
            "switching instruments": Completed(0, SWITCHED),
        }
    )
    board.facts = replace(board.facts, boot_id="boot-2")
    plan = replace(memory_plan(["a"]), instrumentation=Instrumentation({"kcsan": Want.REQUIRED}))
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        _, events = await run.run(plan)
    assert not any(each.back for each in switches(events))
