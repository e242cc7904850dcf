"""READY is dropped within the monitor's interval when a fact moves, and listeners are told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdeploy_gui.app.hooks import HookedReadiness
from kdeploy_gui.engine.monitor import JITTER, Monitor, interval
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.readiness import ReadyMark
from tests.engine.steps import machine, until
from tests.instruments.answers import answer
from tests.rehearsal import MemoryContent, memory_plan, ports, rehearsal

LOCKDEP = {"/proc/lockdep_stats": "lock-classes: 9\ndebug_locks: 1"}
ON = answer(files=LOCKDEP)
SPENT = answer(files={"/proc/lockdep_stats": "lock-classes: 9\ndebug_locks: 0"})


@asynccontextmanager
async def watched(
    folder: Path, board: MemoryMachine, wants: Instrumentation | None = None
) -> AsyncIterator[tuple[list[EnvironmentCheck], Callable[[], ReadyMark | None]]]:
    """A READY machine and a monitor over it that looks whenever the loop turns."""
    content = MemoryContent()
    plan = replace(memory_plan(["a"]), instrumentation=wants or Instrumentation())
    quick = replace(plan.environments[0], monitor=0.01)
    async with rehearsal(folder, {"a": board}, content) as run:
        state, _ = await run.run(plan)
        assert state.environments["a"].ready
        outside = ports(run.history, folder, MemoryConnector({"a": board}, content), content)
        told: list[EnvironmentCheck] = []
        task = asyncio.ensure_future(Monitor(outside, lambda: [quick], told.append).run())
        try:
            yield told, lambda: run.history.readiness.latest("a")
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_machine_that_stays_as_it_is_stays_ready(tmp_path: Path) -> None:
    async with watched(tmp_path, machine()) as (told, mark):
        await until(lambda: len(told) >= 3, "it is looked at again and again")
        assert all(each.ready for each in told)
        assert (found := mark()) is not None
        assert found.ready


async def test_a_reboot_drops_the_mark_and_is_named(tmp_path: Path) -> None:
    board = machine()
    async with watched(tmp_path, board) as (told, mark):
        board.facts = replace(board.facts, boot_id="another")
        await until(lambda: any(not each.ready for each in told), "it is told")
        found = mark()
        assert found is not None
        assert not found.ready
        assert "boot id another" in found.because
        looks = board.calls.count("connect")
        for _ in range(20):
            await asyncio.sleep(0)
        assert board.calls.count("connect") == looks, "what is not READY is left alone"


async def test_another_build_of_the_same_kernel_drops_the_mark(tmp_path: Path) -> None:
    board = machine()
    board.facts = replace(board.facts, kernel_build_id="aa11")
    async with watched(tmp_path, board) as (told, mark):
        board.facts = replace(board.facts, kernel_build_id="bb22")
        await until(lambda: any(not each.ready for each in told), "it is told")
        assert (found := mark()) is not None
        assert "build id bb22, was aa11" in found.because


async def test_an_instrument_that_is_spent_drops_the_mark(tmp_path: Path) -> None:
    board = machine()
    board.facts = replace(board.facts, boot_id="boot-1")
    board.replies["instrument detection"] = Completed(0, ON)
    async with watched(tmp_path, board, Instrumentation({"lockdep": Want.REQUIRED})) as (told, mark):
        await until(lambda: bool(told), "a first look")
        assert told[0].ready
        board.replies["instrument detection"] = Completed(0, SPENT)
        await until(lambda: any(not each.ready for each in told), "it is told")
        assert (found := mark()) is not None
        assert found.because.startswith("lockdep was active and is spent")


async def test_a_machine_that_does_not_answer_keeps_its_mark(tmp_path: Path) -> None:
    board = machine()
    async with watched(tmp_path, board) as (told, mark):
        board.failures["connect"] = [NetworkError("E-TIMEOUT", "no answer")] * 3
        await until(lambda: any(each.failure is not None for each in told), "it is told")
        assert (found := mark()) is not None
        assert found.ready


def test_intervals_are_those_of_the_lab_file() -> None:
    assert interval(Environment(name="a", host="h")) == 60.0
    assert interval(Environment(name="a", host="h", monitor=5.0)) == 5.0
    assert 0 < JITTER < 0.5


HOOK = """
import json, os, sys
told = {key: value for key, value in os.environ.items() if key.startswith("KDEPLOY_") and key != "KDEPLOY_HOME"}
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(told) + "\\n")
"""


def mark(ready: bool, because: str = "x") -> ReadyMark:
    return ReadyMark(environment="a", ready=ready, because=because, time=datetime.now(UTC), run=7)


def test_the_hook_runs_on_changes_only(tmp_path: Path) -> None:
    history = open_history(tmp_path)
    told = tmp_path / "told"
    (tmp_path / "hook.py").write_text(HOOK)
    hooked = HookedReadiness(history.readiness, lambda: f"{sys.executable} hook.py {told}", tmp_path)
    for each in (mark(False), mark(True, "all passed"), mark(True), mark(False, "rebooted; 'x'\n"), mark(False)):
        hooked.mark(each)
    history.close()
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(each["KDEPLOY_ENVIRONMENT"], each["KDEPLOY_READY"], each["KDEPLOY_BECAUSE"]) for each in lines] == [
        ("a", "yes", "all passed"),
        ("a", "no", "rebooted; 'x'\n"),
    ]


@pytest.mark.parametrize("command", ["no-such-program", "false", ""])
def test_a_hook_that_fails_changes_nothing(tmp_path: Path, command: str, caplog: pytest.LogCaptureFixture) -> None:
    history = open_history(tmp_path)
    hooked = HookedReadiness(history.readiness, lambda: command, tmp_path)
    hooked.mark(mark(True))
    latest = hooked.latest("a")
    history.close()
    assert latest is not None
    assert latest.ready
    assert bool(caplog.records) == bool(command)
