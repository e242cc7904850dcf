"""Instrumentation setup: nothing is said to be on that was not shown to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.stages.instrument import detect, state_of
from kdeploy_gui.environments.memory_target import MemoryMachine, MemoryTarget
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.event import Event, InstrumentState
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import of
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

PERF = Instrument(name="perf", title="perf events", detect="true")
SILENT = Instrument(name="kasan", title="KASAN")
ON = b"@\tperf\nbuilt_in\tyes\nreachable\tyes\non\tyes\nnote\tparanoid is 1\n"


async def run_with(tmp_path: Path, wants: dict[str, Want], said: bytes) -> tuple[RunState, list[Event], MemoryMachine]:
    content = MemoryContent()
    board = MemoryMachine(replies={"instrument detection": Completed(0, said)})
    plan = memory_plan(["a"], [memory_file(content, "/opt/t/one", b"one")])
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        state, events = await run.run(replace(plan, instrumentation=Instrumentation(wants)))
    return state, events, board


def matrix(events: list[Event]) -> dict[str, InstrumentState]:
    bodies = [each.body for each in of(events, "instrument_state")]
    return {each.instrument: each for each in bodies if isinstance(each, InstrumentState)}


async def test_each_wanted_instrument_gets_its_row_and_no_other(tmp_path: Path) -> None:
    wants = {"perf": Want.WANTED, "kasan": Want.WANTED, "gcov": Want.OFF}
    state, events, _ = await run_with(tmp_path, wants, ON)
    rows = matrix(events)
    assert set(rows) == {"perf", "kasan"}
    assert rows["perf"] == InstrumentState("perf", "wanted", "yes", "yes", "yes", "unknown", "paranoid is 1")
    assert rows["kasan"].on == rows["kasan"].built_in == "unknown"
    assert "cannot detect" in rows["kasan"].note
    assert state.environments["a"].ready


async def test_a_plan_without_instruments_asks_nothing(tmp_path: Path) -> None:
    state, events, board = await run_with(tmp_path, {"perf": Want.OFF}, ON)
    assert matrix(events) == {}
    assert "execute" not in board.calls
    assert state.environments["a"].ready


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"@\tperf\n",
        b"@\tperf\non\tno\nnote\tit is off\n",
        b"@\tperf\non\tYES\n",
        b"@\tftrace\non\tyes\n",
        b"on\tyes\n",
        b"\xff\xfe\x00@\tperf\non\tyes\x00\n",
    ],
)
async def test_a_required_instrument_that_is_not_shown_to_be_on_fails_the_stage(tmp_path: Path, said: bytes) -> None:
    state, events, board = await run_with(tmp_path, {"perf": Want.REQUIRED}, said)
    environment = state.environments["a"]
    assert environment.status is Status.FAILED
    assert environment.error is not None
    assert (environment.error.code, environment.error.where.stage) == ("E-INSTRUMENT", "configuring_instrumentation")
    assert "perf events" in environment.error.message
    assert "perf events" in environment.error.remedy or environment.error.remedy
    assert matrix(events)["perf"].on != "yes"
    assert not of(events, "retry_scheduled")
    assert "/opt/t/one" not in board.files, "they were taken back"


async def test_all_missing_ones_are_named_at_once(tmp_path: Path) -> None:
    wants = {"perf": Want.REQUIRED, "kasan": Want.REQUIRED, "ftrace": Want.REQUIRED}
    state, _, _ = await run_with(tmp_path, wants, ON)
    error = state.environments["a"].error
    assert error is not None
    assert "KASAN" in error.message
    assert "ftrace" in error.message
    assert "perf" not in error.message


async def test_the_mark_says_what_was_on(tmp_path: Path) -> None:
    content = MemoryContent()
    board = MemoryMachine(replies={"instrument detection": Completed(0, ON)})
    async with rehearsal(tmp_path, {"a": board}, content) as run:
        wants = Instrumentation({"perf": Want.REQUIRED, "kasan": Want.WANTED})
        await run.run(replace(memory_plan(["a"]), instrumentation=wants))
        mark = run.history.readiness.latest("a")
    assert mark is not None
    assert dict(mark.instruments) == {"perf": "on", "kasan": "unknown"}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["built_in", "reachable", "on", "note", "junk"]), st.text(max_size=9)))
def test_only_yes_and_no_count_and_nothing_is_ever_proven(said: dict[str, str]) -> None:
    state = state_of(PERF, Want.WANTED, said)
    for key in ("built_in", "reachable", "on"):
        answer = said.get(key)
        assert getattr(state, key) == (answer if answer in ("yes", "no") else "unknown")
    assert state.proven == "unknown"


async def test_one_round_trip_detects_all() -> None:
    board = MemoryMachine(replies={"instrument detection": Completed(0, ON + b"@\tftrace\non\tno\n")})
    ftrace = Instrument(name="ftrace", title="ftrace", detect="true")
    said = await detect(MemoryTarget(board, MemoryContent()), [PERF, SILENT, ftrace])
    assert board.calls == ["execute"]
    assert said["perf"]["on"] == "yes"
    assert said["ftrace"] == {"on": "no"}


async def test_without_scripts_nothing_is_run() -> None:
    board = MemoryMachine()
    assert await detect(MemoryTarget(board, MemoryContent()), [SILENT]) == {}
    assert board.calls == []
