"""The serial console during a run: kept, watched for reports, and evidence where the connection gives out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.kernel_log import KernelLog
from kdeploy_gui.engine.splats.twins import Source, Twins
from kdeploy_gui.environments.memory_console import MemoryConsole
from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.errors import KernelDead, NetworkError
from kdeploy_gui.model.environment import Console
from kdeploy_gui.model.event import Body, Channel, Event, FactFound, RollbackDone
from kdeploy_gui.model.plan import OnSplat, Plan, Policy
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Stage, Status
from tests.engine.steps import Standstill, hooked, machine, until, whole_plan
from tests.rehearsal import MemoryContent, Rehearsal, rehearsal

PANIC = (
    b"[   61.200000] sysrq: Trigger a crash\r\n"
    b"[   61.200100] Kernel panic - not syncing: sysrq triggered crash\r\n"
    b"[   61.200200] CPU: 0 PID: 77 Comm: sh Not tainted 6.1.0-50-cloud-amd64 #1\r\n"
    b"[   61.200300] Call Trace:\r\n"
    b"[   61.200400]  panic+0x118/0x2f5\r\n"
    b"[   61.200500]  sysrq_handle_crash+0x16/0x20\r\n"
    b"[   61.200600] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\r\n"
)
WARNING = (
    b"[   10.000100] ------------[ cut here ]------------\n"
    b"[   10.000200] WARNING: CPU: 0 PID: 1 at drivers/a.c:10 broken_probe+0x10/0x20\n"
    b"[   10.000300] Call Trace:\n"
    b"[   10.000400]  broken_probe+0x10/0x20\n"
    b"[   10.000500] ---[ end trace 0000000000000000 ]---\n"
)
STALL = b"[   30.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]\r\n"


@dataclass
class Standing:
    """A run of which environment `a`, which has a console, stands still in one stage."""

    run: Rehearsal
    number: int
    still: Standstill

    @property
    def console(self) -> MemoryConsole:
        """The newest console of `a`."""
        return self.run.consoles.opened["a"][-1]

    @property
    def events(self) -> list[Event]:
        """What is stored so far."""
        return self.run.history.log.events(self.number)

    def splats(self) -> list[SplatSeen]:
        """The reports that were told so far."""
        return [each.body for each in self.events if isinstance(each.body, SplatSeen)]

    async def end(self) -> RunState:
        """The state when it has ended."""
        await self.run.orchestrator.wait(self.number)
        return fold(self.events)


def with_console(plan: Plan, name: str = "a") -> Plan:
    console = Console(tcp="memory:1")
    environments = tuple(replace(each, console=console) if each.name == name else each for each in plan.environments)
    return replace(plan, environments=environments)


@asynccontextmanager
async def standing(tmp_path: Path, stage: Stage, policy: Policy, **machines: MemoryMachine) -> AsyncIterator[Standing]:
    content = MemoryContent()
    still = Standstill(stage, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        plan = replace(with_console(whole_plan(list(machines), content)), policy=policy)
        number = await run.orchestrator.submit(plan)
        await still.reached.wait()
        await until(lambda: bool(run.consoles.opened["a"]), "the console to be open")
        yield Standing(run, number, still)


async def test_a_panic_on_the_console_fails_the_running_stage_at_once(tmp_path: Path) -> None:
    a = machine()
    a.files["/opt/t/one"] = StoredFile(b"old", 0o600, "root:root")
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(), a=a, b=machine()) as run:
        run.console.print(PANIC)
        state = await run.end()
        kept = run.run.history.output.read(run.number, "a", channel=Channel.CONSOLE)
        chunks = list(run.run.history.output.chunks(run.number, "a", channel=Channel.CONSOLE))
        commands = list(run.run.history.output.chunks(run.number, "a"))
    failed = state.environments["a"]
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.category, failed.error.where.stage) == (
        "E-SPLAT",
        "TARGET",
        Stage.INSTRUMENTATION.value,
    )
    assert failed.error.evidence.command == "serial console"
    assert "sysrq_handle_crash" in failed.error.evidence.stderr
    assert f"kdeploy rollback {run.number}" in failed.error.on_target
    assert not [each for each in run.events if isinstance(each.body, RollbackDone)]
    assert state.environments["b"].status is Status.COMPLETED
    assert kept == PANIC
    assert b"".join(each.data for each in chunks) == PANIC
    assert not any(PANIC in each.data for each in commands)
    assert run.console.ended == "closed here"


async def test_before_the_connection_only_crashes_end_the_stage(tmp_path: Path) -> None:
    async with standing(tmp_path, Stage.CONNECTING, Policy(), a=machine()) as run:
        run.console.print(WARNING.replace(b"\n", b"\r\n"))
        await until(lambda: bool(run.splats()), "the report of the boot")
        run.console.print(PANIC)
        state = await run.end()
    assert [each.fails for each in run.splats()] == [False, True]
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-SPLAT", Stage.CONNECTING.value)
    assert error.on_target == "The kernel is dead until the machine has been booted again; then look at what is there."


async def test_a_report_that_console_and_log_tell_is_one(tmp_path: Path) -> None:
    a = machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(splats=OnSplat.WARN), a=a) as run:
        await until(lambda: bool(a.log_readers), "the log to be followed")
        a.printk(WARNING)
        await until(lambda: len(run.splats()) == 1, "the report")
        run.console.print(WARNING.replace(b"\n", b"\r\n"))
        later = WARNING.replace(b"10.000", b"20.000")
        run.console.print(later.replace(b"\n", b"\r\n"))
        await until(lambda: len(run.splats()) == 2, "the second report")
        a.printk(later)
        run.still.release.set()
        state = await run.end()
    assert [each.splat.printed for each in run.splats()] == ["10.000200", "20.000200"]
    assert state.environments["a"].status is Status.COMPLETED


async def test_a_console_that_cannot_be_opened_fails_nothing_and_is_told(tmp_path: Path) -> None:
    content = MemoryContent()
    async with rehearsal(tmp_path, {"a": machine()}, content) as run:
        run.consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "refused") for _ in range(100)]
        state, events = await run.run(with_console(whole_plan(["a"], content)))
    assert state.environments["a"].status is Status.COMPLETED
    told = [each.body.value for each in events if isinstance(each.body, FactFound) and each.body.name == "console"]
    assert told[0] == "not open: refused; trying again"
    assert len(told) <= 20


async def test_the_last_console_lines_are_evidence_of_a_lost_connection(tmp_path: Path) -> None:
    a = machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(retries=0), a=a) as run:
        run.console.print(b"\x1b[1mU-Boot 2024.01\x1b[0m\r\nReset cause: WDOG\r\nno newline yet")
        await until(lambda: b"newline" in run.run.history.output.read(run.number, "a", channel=Channel.CONSOLE), "it")
        a.failures["execute"] = [NetworkError("E-LOST", "the connection was lost")]
        run.still.release.set()
        state = await run.end()
    error = state.environments["a"].error
    assert error is not None
    assert error.code == "E-LOST"
    assert error.evidence.console == "U-Boot 2024.01\nReset cause: WDOG\nno newline yet"
    assert "last lines of the serial console" in error.evidence.text


async def test_a_silent_console_is_said_to_be_silent(tmp_path: Path) -> None:
    a = machine()
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(retries=0), a=a) as run:
        a.failures["execute"] = [NetworkError("E-LOST", "the connection was lost")]
        run.still.release.set()
        state = await run.end()
    error = state.environments["a"].error
    assert error is not None
    assert error.evidence.console == "nothing was printed there during this run"


async def test_stalls_of_an_emulated_machine_are_suspect_in_its_log_too() -> None:
    told: list[Body] = []
    log = KernelLog(told.append, lambda data: None, OnSplat.FAIL)
    log.take_console(b"[    0.000000] Linux version 6.1.0\r\n")
    log.take_console(
        STALL + b"[    1.200000] smpboot: CPU0: QEMU TCG CPU version 2.5+\r\n[   40.000000] board login: \r\n"
    )
    log.settle_console()
    log.take(STALL.replace(b"30.0", b"90.0").replace(b"\r", b""))
    await until(lambda: len(told) == 2, "both stalls")
    grades = [each.splat.grade for each in told if isinstance(each, SplatSeen)]
    assert grades == [Grade.SUSPECT, Grade.SUSPECT]


async def test_a_connection_that_breaks_within_a_report_broke_because_of_it() -> None:
    log = KernelLog(lambda body: None, lambda data: None, OnSplat.FAIL)

    async def work() -> None:
        log.take_console(PANIC[: PANIC.index(b"[   61.200500]")])
        raise NetworkError("E-LOST", "the connection was lost")

    with pytest.raises(KernelDead, match="sysrq triggered crash") as caught:
        await log.guard(work)
    assert isinstance(caught.value.__cause__, NetworkError)


async def test_output_of_the_console_comes_in_few_events(tmp_path: Path) -> None:
    async with standing(tmp_path, Stage.INSTRUMENTATION, Policy(), a=machine()) as run:
        for number in range(200):
            run.console.print(b"line %d\r\n" % number)
            await asyncio.sleep(0)
        run.still.release.set()
        await run.end()
        chunks = list(run.run.history.output.chunks(run.number, "a", channel=Channel.CONSOLE))
    assert b"".join(each.data for each in chunks).count(b"\n") == 200
    assert len(chunks) <= 10


def splat(title: str, printed: str) -> Splat:
    return Splat(kind=SplatClass.WARNING, title=title, severity=Severity.WARNING, printed=printed)


def test_twins_are_paired_once_and_by_their_titles_first() -> None:
    twins = Twins()
    one, two = splat("a", "10.0"), splat("b", "10.5")
    assert not twins.is_known(Source.CONSOLE, one)
    assert not twins.is_known(Source.CONSOLE, two)
    assert twins.is_known(Source.LOG, two)
    assert twins.is_known(Source.LOG, replace(one, title="a with its first lines"))
    assert not twins.is_known(Source.LOG, one)
    assert not twins.is_known(Source.LOG, one)
    assert twins.is_known(Source.CONSOLE, replace(one, printed=""))
    assert not twins.is_known(Source.CONSOLE, replace(one, printed="99.0"))
