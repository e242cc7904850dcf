"""Runs that only validate: what they ask, what they leave alone, what they make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import EnvironmentState, fold
from kdeploy_gui.model.stage import Stage, Status
from tests.engine.steps import Standstill, hooked, machine, whole_plan
from tests.instruments.answers import PERF_ON, PROOF_OF_PERF, answer
from tests.rehearsal import MemoryContent, Rehearsal, rehearsal

NO_PERF = answer(files={"/proc/sys/kernel/perf_event_paranoid": "2"}, tools={"perf": ""})


class Board:
    """One machine that `whole_plan` was deployed to, and what was asked of it since."""

    def __init__(self) -> None:
        self.machine = machine()
        self.asked: list[str] = []
        self.still = Standstill(Stage.VALIDATING, "nobody")
        self.perf(PERF_ON)
        self.machine.replies["proof of perf events"] = Completed(0, PROOF_OF_PERF)

    def perf(self, said: bytes) -> None:
        """How the machine's instrument is found from now on."""
        self.machine.replies["instrument detection"] = Completed(0, said)

    async def hear(self, environment: str, call: str) -> None:
        self.asked.append(call)
        await self.still.call(environment, call)


@dataclass
class Deployed:
    """A rehearsal after that deployment."""

    run: Rehearsal
    plan: Plan
    first: int

    async def validate(self) -> EnvironmentState:
        """Make the checks of the first run again."""
        state, _ = await self.run.run(self.again)
        return state.environments["a"]

    @property
    def again(self) -> Plan:
        names = {each.source.path: each.target.rpartition("/")[2] for each in self.plan.files}
        digests = {path: sha256(name.encode() * 99).hexdigest() for path, name in names.items()}
        return replace(self.plan, validates=self.first, digests=digests)

    @property
    def mark(self) -> ReadyMark:
        found = self.run.history.readiness.latest("a")
        assert found is not None
        return found


@asynccontextmanager
async def deployed(folder: Path, board: Board) -> AsyncIterator[Deployed]:
    content = MemoryContent()
    plan = whole_plan(["a"], content)
    connector = hooked({"a": board.machine}, content, board.hear)
    async with rehearsal(folder, {}, content, connector=connector) as run:
        state, _ = await run.run(plan)
        assert state.environments["a"].ready, state.environments["a"].error
        content.data.clear()
        board.asked.clear()
        yield Deployed(run, plan, state.run)


async def test_instruments_are_looked_at_again_and_not_proven_again(tmp_path: Path) -> None:
    board = Board()
    async with deployed(tmp_path, board) as after:
        assert after.mark.instruments == {"perf": "proven"}
        board.perf(NO_PERF)
        state = await after.validate()
        (check,) = state.failed_checks
        assert (check.check, check.code) == ("instrument perf", "E-CHECK-INSTRUMENT")
        assert (check.value, check.evidence) == (
            "off: the command perf is missing on the machine",
            "/proc/sys/kernel/perf_event_paranoid: 2",
        )
        assert not after.mark.ready
        board.perf(PERF_ON)
        assert (await after.validate()).ready
        assert after.mark.instruments == {"perf": "active"}
    assert "proof of perf events" not in board.asked
    assert set(board.asked) == {"connect", "facts", "survey", "instrument detection", "close"}


async def test_a_machine_that_has_booted_since_is_ready_in_the_new_boot(tmp_path: Path) -> None:
    board = Board()
    async with deployed(tmp_path, board) as after:
        board.machine.facts = replace(board.machine.facts, boot_id="another")
        board.machine.free_bytes = 0  # nothing is sent, so there need be no room for it
        assert (await after.validate()).ready
        assert (after.mark.boot_id, after.mark.because) == (
            "another",
            f"all 8 checks passed in run {after.mark.run}, and the files are those of run {after.first}",
        )


async def test_a_ready_machine_that_fails_is_ready_no_longer(tmp_path: Path) -> None:
    board = Board()
    async with deployed(tmp_path, board) as after:
        del board.machine.files["/opt/t/one"]
        state = await after.validate()
        assert (state.status, after.mark.ready) == (Status.FAILED, False)
        assert state.error is not None
        assert f"kdeploy retry {after.first} --env a" in state.error.remedy
        assert "/opt/t/one" not in board.machine.files


async def test_a_lost_connection_is_tried_again(tmp_path: Path) -> None:
    board = Board()
    async with deployed(tmp_path, board) as after:
        board.machine.failures["survey"] = [NetworkError("E-LOST", "gone")]
        state = await after.validate()
        assert state.ready
        assert {each.stage: each.attempts for each in state.stages}[Stage.VALIDATING] == 2


async def test_a_cancelled_one_says_that_nothing_was_sent(tmp_path: Path) -> None:
    board = Board()
    async with deployed(tmp_path, board) as after:
        board.still = Standstill(Stage.VALIDATING, "a")
        orchestrator = after.run.orchestrator
        number = await orchestrator.submit(after.again)
        async with asyncio.timeout(30):
            await board.still.reached.wait()
        await orchestrator.cancel(number)
        await orchestrator.wait(number)
        state = fold(after.run.history.log.events(number)).environments["a"]
        assert state.status is Status.CANCELLED
        assert state.error is not None
        assert state.error.on_target == "Nothing was sent."
        assert after.mark.ready, "and nothing is known to have changed"
