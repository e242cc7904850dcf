"""A kernel that reports trouble during a run: the stage ends, the evidence is kept, the others go on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.kernel_log import MOST, KernelLog
from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.errors import KernelSplat, NetworkError
from kdeploy_gui.model.event import Body, Event, FactFound, RollbackDone
from kdeploy_gui.model.plan import Instrumentation, OnSplat, Policy, Want
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.splat import SplatSeen
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from tests.engine.splats.corpus import CASES, recording
from tests.engine.steps import CALLS, HookedConnector, Standstill, hooked, machine, over_ssh, until, whole_plan
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, rehearsal

OOPS = next(each.text for each in CASES if each.name == "oopses: arm64")
DMESG = """#!/bin/sh
case "$*" in
*--help*) echo --follow-new ;;
*--follow-new*)
    until [ -e {trigger} ]; do sleep 0.02; done
    cat {oops}
    exec sleep 1000
    ;;
esac
"""
TITLE = "NULL pointer dereference in sdma_prep_dma_cyclic"


class Standing:
    """A run of which environment `a` stands still in one stage."""

    def __init__(self, run: Rehearsal, number: int, still: Standstill) -> None:
        self._run = run
        self._number = number
        self.still = still

    @property
    def events(self) -> list[Event]:
        """What is stored so far."""
        return self._run.history.log.events(self._number)

    async def end(self) -> RunState:
        """The state when it has ended."""
        await self._run.orchestrator.wait(self._number)
        return fold(self.events)

    def output(self) -> bytes:
        """What is kept of `a`."""
        return self._run.history.output.read(self._number, "a")


@asynccontextmanager
async def standing(tmp_path: Path, stage: Stage, policy: Policy, **machines: MemoryMachine) -> AsyncIterator[Standing]:
    content = MemoryContent()
    still = Standstill(stage, "a")
    connector = hooked(machines, content, still.call)
    async with rehearsal(tmp_path, machines, content, connector=connector) as run:
        plan = replace(whole_plan(list(machines), content), policy=policy)
        number = await run.orchestrator.submit(plan)
        await still.reached.wait()
        await until(lambda: bool(machines["a"].log_readers), "the log to be followed")
        yield Standing(run, number, still)


async def test_a_splat_fails_the_running_stage_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    a, b = machine(), machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(), a=a, b=b) as run:
        a.printk(OOPS)
        state = await run.end()
        output = run.output()
    failed = state.environments["a"]
    assert (failed.status, failed.ready) == (Status.FAILED, False)
    assert failed.error is not None
    assert (failed.error.code, failed.error.category, failed.error.where.stage) == (
        "E-SPLAT",
        "TARGET",
        Stage.INSTRUMENTATION.value,
    )
    assert TITLE in failed.error.message
    assert "pc : sdma_prep_dma_cyclic" in failed.error.evidence.stderr
    assert failed.splats[TITLE].fails
    assert [each.attempts for each in failed.stages if each.outcome is StageOutcome.FAILED] == [1]
    assert state.environments["b"].status is Status.COMPLETED
    assert OOPS.strip() in output


async def test_what_was_placed_is_taken_back_only_after_the_evidence_is_stored(tmp_path: Path) -> None:
    a = machine()
    a.files["/opt/t/one"] = StoredFile(b"old", 0o600, "root:root")
    async with standing(tmp_path, Stage.VALIDATING, Policy(), a=a) as run:
        a.printk(OOPS)
        state = await run.end()
        kinds = [type(each.body) for each in run.events]
    assert a.files["/opt/t/one"].data == b"old"
    assert kinds.index(SplatSeen) < kinds.index(RollbackDone)
    assert not state.environments["a"].ready


async def test_a_policy_of_warnings_only_tells(tmp_path: Path) -> None:
    a = machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(splats=OnSplat.WARN), a=a) as run:
        a.printk(OOPS)
        await until(lambda: any(isinstance(each.body, SplatSeen) for each in run.events), "the splat")
        run.still.release.set()
        state = await run.end()
    found = state.environments["a"]
    assert found.status is Status.COMPLETED
    assert not found.splats[TITLE].fails


async def test_reports_that_a_test_suite_wants_fail_nothing(tmp_path: Path) -> None:
    a = machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(), a=a) as run:
        a.printk(recording("kcsan-kunit-6.1"))
        run.still.release.set()
        state = await run.end()
    found = state.environments["a"]
    assert found.status is Status.COMPLETED
    assert len(found.splats) == 17


async def test_a_splat_between_stages_fails_the_next_one(tmp_path: Path) -> None:
    told: list[Body] = []
    log = KernelLog(told.append, lambda data: None, OnSplat.FAIL)
    log.take(OOPS)

    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(KernelSplat, match=TITLE):
        await log.guard(work)
    with pytest.raises(KernelSplat, match=TITLE):
        await log.guard(work)


async def test_a_splat_explains_better_than_the_connection_that_it_cost() -> None:
    log = KernelLog(lambda body: None, lambda data: None, OnSplat.FAIL)

    async def work() -> None:
        log.take(OOPS)
        raise NetworkError("E-LOST", "the connection was lost")

    with pytest.raises(KernelSplat) as caught:
        await log.guard(work)
    assert isinstance(caught.value.__cause__, NetworkError)


async def test_an_open_report_is_taken_when_nothing_more_comes() -> None:
    told: list[Body] = []
    log = KernelLog(told.append, lambda data: None, OnSplat.FAIL)
    log.take(OOPS.split(b"Call trace")[0])
    assert told == []
    await until(lambda: bool(told), "the report")
    assert isinstance(told[0], SplatSeen)
    assert told[0].splat.title == TITLE


async def test_an_open_report_is_taken_in_spite_of_chatter() -> None:
    told: list[Body] = []
    log = KernelLog(told.append, lambda data: None, OnSplat.FAIL)
    log.take(OOPS.split(b"Call trace")[0])

    def chatter() -> bool:
        log.take(b"usb 1-1: not of the report\n")
        return bool(told)

    await until(chatter, "the report")


async def test_a_flood_of_reports_is_told_up_to_a_limit() -> None:
    told: list[Body] = []
    log = KernelLog(told.append, lambda data: None, OnSplat.WARN)
    for number in range(MOST + 50):
        log.take(b"WARNING: CPU: 0 PID: 1 at a.c:1 f%d+0x1/0x2\n---[ end trace 0 ]---\n" % number)
    assert len(told) == MOST


async def test_a_log_that_cannot_be_read_is_told_and_fails_nothing(tmp_path: Path) -> None:
    content, a = MemoryContent(), machine()
    a.failures["follow"] = [NetworkError("E-LOST", "the channel was refused")]
    async with rehearsal(tmp_path, {"a": a}, content) as run:
        state, events = await run.run(whole_plan(["a"], content))
    assert state.environments["a"].status is Status.COMPLETED
    assert FactFound("kernel_log", "not followed: the channel was refused") in [each.body for each in events]


@pytest.mark.sshd
async def test_over_ssh_a_splat_takes_the_files_back(tmp_path: Path) -> None:
    """A real server whose dmesg tells of an oops once the files are in place."""
    trigger, place = tmp_path / "trigger", tmp_path / "suite"
    place.mkdir()
    (place / "old.sh").write_text("old")
    (tmp_path / "oops").write_bytes(OOPS)
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "dmesg"
    program.write_text(DMESG.format(trigger=trigger, oops=tmp_path / "oops"))
    program.chmod(0o755)

    async def strike(_: str, call: str) -> None:
        if call == CALLS[Stage.INSTRUMENTATION]:
            assert (place / "old.sh").read_text() == "new"
            trigger.touch()
            await asyncio.Event().wait()

    with Sshd(tmp_path / "sshd", variables={"PATH": f"{folder}:{os.defpath}"}) as sshd:
        content = MemoryContent()
        environment = sshd.environment()
        files = [memory_file(content, str(place / "old.sh"), b"new", 0o755)]
        plan = replace(
            memory_plan([environment.name], files),
            environments=(environment,),
            instrumentation=Instrumentation({"perf": Want.WANTED}),
        )
        connector = HookedConnector(over_ssh(content, [environment]), strike)
        async with rehearsal(tmp_path, {}, content, connector=connector) as run:
            state, _ = await run.run(plan)
            output = run.history.output.read(state.run, environment.name)
    found = state.environments[environment.name]
    assert found.error is not None
    assert found.error.code == "E-SPLAT"
    assert found.error.on_target == "The previous version is back: 1 files restored, 0 removed."
    assert (place / "old.sh").read_text() == "old"
    assert b"Code: aa0003f6" in output
