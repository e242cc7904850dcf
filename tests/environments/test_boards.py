"""Boards with a supply, real ones as far as a machine without boards can have them: switched on, reset in every stage.

The servers are OpenSSH's; what resets and switches them kills all of their processes and gives them a new boot id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.engine import readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.event import Event, FileDone, RetryScheduled, StageProgress, TargetRebooted
from kdeploy_gui.model.plan import Artifact, ArtifactType, Instrumentation, Plan, Validation, Want
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage
from tests.engine.steps import HookedConnector
from tests.lab.board import Board, can_have_boards
from tests.properties.peers import deploy, plan_of, ssh, write_files
from tests.rehearsal import MemoryContent, ports

pytestmark = pytest.mark.sshd


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A board that is off, and runs that look for it more often than every five seconds."""
    if not can_have_boards():
        pytest.skip("only root can give a server another boot id")
    monkeypatch.setattr(defaults, "BOOT_POLL", 0.1)
    with ExitStack() as stack:
        yield stack.enter_context(Board(tmp_path / "board"))


def plan_for(folder: Path, environment: Environment) -> Plan:
    write_files(folder, {"one.sh": b"#!/bin/sh\necho one\n", "two.sh": b"#!/bin/sh\necho two\n"})
    artifact = Artifact(source="*.sh", type=ArtifactType.SCRIPT, target="~/suite/", mode=0o755)
    plan = plan_of([environment], [artifact], folder)
    return replace(plan, instrumentation=Instrumentation({"ftrace": Want.WANTED}, may_switch=False))


def notes(events: Sequence[Event]) -> list[str]:
    return [each.body.note for each in events if isinstance(each.body, StageProgress)]


async def mark_of(folder: Path) -> str:
    """The boot id that the READY mark is bound to."""
    history = open_history(folder)
    try:
        mark = history.readiness.latest("board-a")
        assert mark is not None
        assert mark.ready
        return mark.boot_id
    finally:
        history.close()


async def test_a_board_that_is_off_is_switched_on_and_becomes_ready(tmp_path: Path, board: Board) -> None:
    environment = replace(board.environment(), autostart=True)
    state, events = await deploy(tmp_path, plan_for(tmp_path / "plan", environment))
    assert state.outcome is Outcome.SUCCEEDED, state
    assert board.boots == 1
    assert "waiting for boot, 0 s of 180 s" in notes(events)
    assert await mark_of(tmp_path) == board.boot_id
    assert not [each for each in events if isinstance(each.body, RetryScheduled)]


async def test_one_that_never_boots_ends_with_its_own_limit(tmp_path: Path, board: Board) -> None:
    (board.folder / "boot_takes").write_text("600")
    environment = replace(board.environment(), autostart=True, boot_timeout=1.0)
    state, _ = await deploy(tmp_path, plan_for(tmp_path / "plan", environment))
    error = state.environments["board-a"].error
    assert error is not None
    assert error.code == "E-BOOT"
    assert "did not answer within 1 s after it was switched on" in error.message
    assert board.boots == 1


class Reset:
    """A hook that presses the button ahead of a call of a run's machine, once; `wipe`: its files are in memory."""

    def __init__(self, board: Board, call: str, *, wipe: bool) -> None:
        self._board = board
        self._call = call
        self._wipe = wipe
        self.boot_id_before = ""

    async def step(self, environment: str, call: str) -> None:
        if call == self._call and not self.boot_id_before:
            self.boot_id_before = self._board.boot_id
            await asyncio.to_thread(self._board.reset)
            if self._wipe:
                for file in (self._board.home / "suite").glob("*"):
                    file.unlink()


async def run_with_reset(
    folder: Path, board: Board, reset: Reset, limits: Validation | None = None
) -> tuple[RunState, list[Event]]:
    environment = replace(board.environment(), boot_timeout=30.0)
    await asyncio.to_thread(board.reset)
    plan = replace(plan_for(folder / "plan", environment), validation=limits or Validation())
    return await deploy(folder, plan, HookedConnector(ssh(), reset.step))


@pytest.mark.parametrize(
    ("call", "stage"),
    [
        ("place", Stage.DEPLOYING),
        ("instrument detection", Stage.INSTRUMENTATION),
        ("survey", Stage.VALIDATING),
    ],
)
async def test_a_reset_in_any_stage_is_told_and_the_board_is_ready_in_its_new_boot(
    tmp_path: Path, board: Board, call: str, stage: Stage
) -> None:
    reset = Reset(board, call, wipe=True)
    state, events = await run_with_reset(tmp_path, board, reset)
    assert state.outcome is Outcome.SUCCEEDED, state
    told = [(each.stage, each.body) for each in events if isinstance(each.body, TargetRebooted)]
    assert told == [(stage, TargetRebooted(reset.boot_id_before, board.boot_id))]
    assert (board.home / "suite/one.sh").read_bytes() == b"#!/bin/sh\necho one\n"
    sent = [each.body.action for each in events if isinstance(each.body, FileDone)]
    assert sent == ["sent"] * (2 if stage is Stage.DEPLOYING else 4)
    assert await mark_of(tmp_path) == board.boot_id


@pytest.mark.parametrize("wipe", [True, False], ids=["files in memory", "files on disk"])
async def test_what_was_sent_before_and_after_a_reset_is_taken_back_where_the_run_fails(
    tmp_path: Path, board: Board, wipe: bool
) -> None:
    (board.home / "suite").mkdir()
    (board.home / "suite/one.sh").write_text("the version before")
    limits = Validation(memory=1 << 60)
    state, events = await run_with_reset(tmp_path, board, Reset(board, "survey", wipe=wipe), limits)
    error = state.environments["board-a"].error
    assert error is not None
    assert error.code == "E-CHECK"
    assert len([each for each in events if isinstance(each.body, TargetRebooted)]) == 1
    assert error.on_target.startswith("The previous version is back")
    one = board.home / "suite/one.sh"
    assert not one.exists() if wipe else one.read_text() == "the version before"
    assert not (board.home / "suite/two.sh").exists()


async def test_a_look_after_a_reset_says_that_it_rebooted(tmp_path: Path, board: Board) -> None:
    environment = replace(board.environment(), boot_timeout=30.0)
    await asyncio.to_thread(board.reset)
    state, _ = await deploy(tmp_path, plan_for(tmp_path / "plan", environment))
    assert state.environments["board-a"].ready
    before = board.boot_id
    await asyncio.to_thread(board.reset)
    history = open_history(tmp_path)
    try:
        outside = ports(history, tmp_path, ssh(), MemoryContent())
        found = await _answer(outside, environment)
        assert found == (f"the machine has rebooted (boot id {board.boot_id}, was {before})",)
        assert await outside.power.on_for(environment) is None, "kdeploy switched nothing"
        await outside.power.run(environment, PowerAction.OFF)
        check = await readiness.check(outside, environment)
        assert check.failure is not None
        assert check.failure.code == "E-REFUSED"
    finally:
        history.close()


async def _answer(outside: Ports, environment: Environment) -> tuple[str, ...]:
    """What a look finds once the machine answers."""
    async with asyncio.timeout(90):
        while True:
            check = await readiness.check(outside, environment)
            if check.failure is None:
                return check.because
            await asyncio.sleep(0.1)
