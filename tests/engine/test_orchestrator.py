"""Runs from submission to their end: cancelled, cut off from the history, disturbed, and many at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.errors import AuthError, Category, KdeployError, LocalError, NetworkError, TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import EnvironmentFinished, EnvironmentQueued, Event, RunFinished, StageFinished
from kdeploy_gui.model.plan import Plan, Policy
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from tests.engine.steps import (
    FlakyLog,
    HookedContent,
    Standstill,
    hooked,
    machine,
    of,
    over_ssh,
    until,
    whole_plan,
)
from tests.history.processes import ROOT, peer
from tests.lab.chaos import Chaos
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, ports, rehearsal

OLD = StoredFile(b"the old version", 0o600, "root:root")
NEW = {"/opt/t/one": b"one" * 99, "/opt/t/two": b"two" * 99}
FULL = LocalError("E-HISTORY-FULL", "the disk is full", path="/x")


def fleet(*names: str) -> dict[str, MemoryMachine]:
    """Machines that hold an old version of every file."""
    machines = {name: machine() for name in names}
    for each in machines.values():
        each.files.update(dict.fromkeys(NEW, OLD))
    return machines


def contents(computer: MemoryMachine) -> dict[str, bytes]:
    return {path: stored.data for path, stored in computer.files.items()}


async def end_of(run: Rehearsal, number: int, seconds: float = 5.0) -> tuple[RunState, list[Event]]:
    """Wait for the end of a run, and no longer than `seconds`."""
    async with asyncio.timeout(seconds):
        await run.orchestrator.wait(number)
    events = run.history.log.events(number)
    return fold(events), events


def assert_cancelled(events: list[Event], name: str, stage: Stage | None) -> None:
    """The environment ended exactly once, cancelled, and says in which stage."""
    ends = [each.body for each in of(events, "environment_finished", name)]
    assert len(ends) == 1
    assert isinstance(ends[0], EnvironmentFinished)
    assert (ends[0].status, ends[0].ready) == (Status.CANCELLED, False)
    assert ends[0].error is not None
    assert (ends[0].error.code, ends[0].error.category) == ("E-CANCELLED", Category.CANCELLED)
    assert ends[0].error.where.stage == (stage.value if stage else "")
    assert ends[0].error.remedy
    finished = [each for each in events if each.environment == name and isinstance(each.body, StageFinished)]
    outcomes = [each.body.outcome for each in finished if isinstance(each.body, StageFinished)]
    assert outcomes.count(StageOutcome.CANCELLED) == (1 if stage else 0)
    assert outcomes[:-1] == [StageOutcome.SUCCEEDED] * (len(outcomes) - 1)


@pytest.mark.parametrize("stage", list(Stage)[1:])
async def test_cancel_in_any_stage_ends_within_five_seconds_with_whole_files(tmp_path: Path, stage: Stage) -> None:
    content, machines = MemoryContent(), fleet("a", "b")
    still = Standstill(stage, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        number = await run.orchestrator.submit(whole_plan(["a", "b"], content))
        await asyncio.wait_for(still.reached.wait(), 30)
        assert await run.orchestrator.cancel(number, ["a"])
        state, events = await end_of(run, number)
        mark = run.history.readiness.latest("a")
        still.release.set()
        files = contents(machines["a"])
        again, _ = await asyncio.wait_for(run.run(whole_plan(["a"], content)), 30)

    assert_cancelled(events, "a", stage)
    assert state.outcome is Outcome.CANCELLED
    assert state.environments["b"].status is Status.COMPLETED
    touched = stage in {Stage.INSTRUMENTATION, Stage.VALIDATING}
    assert files == (NEW if touched else dict.fromkeys(NEW, OLD.data))
    assert contents(machines["b"]) == NEW
    assert mark is None or not mark.ready
    assert again.outcome is Outcome.SUCCEEDED, "the environment is free again"


async def test_cancel_in_preparation_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def read() -> None:
        reading.set()
        assert go_on.wait(20)

    content, machines = HookedContent(before=read), fleet("a")
    try:
        async with rehearsal(tmp_path, machines, content) as run:
            number = await run.orchestrator.submit(whole_plan(["a"], content))
            await until(reading.is_set, "the preparation reads")
            await run.orchestrator.cancel(number)
            state, events = await end_of(run, number)
    finally:
        go_on.set()
    assert_cancelled(events, "a", Stage.PREPARING)
    assert state.outcome is Outcome.CANCELLED
    assert contents(machines["a"]) == dict.fromkeys(NEW, OLD.data)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_run_can_be_cancelled_from_its_first_moment_on(tmp_path: Path, turns: int, how: str) -> None:
    content, machines = MemoryContent(), fleet("a", "b")
    for each in machines.values():
        each.latency = 1.0
    async with rehearsal(tmp_path, machines, content) as run:
        number = await run.orchestrator.submit(whole_plan(["a", "b"], content))
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await (run.orchestrator.cancel(number) if how == "cancel" else run.orchestrator.close())
        state, events = await end_of(run, number)
    assert state.outcome is Outcome.CANCELLED
    assert {each.status for each in state.environments.values()} == {Status.CANCELLED}
    assert len(of(events, "environment_finished")) == 2


async def test_cancelling_twice_is_cancelling_once(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    still = Standstill(Stage.DEPLOYING, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        number = await run.orchestrator.submit(whole_plan(["a"], content))
        await still.reached.wait()
        for _ in range(3):
            assert await run.orchestrator.cancel(number)
            await asyncio.sleep(0)
        _, events = await end_of(run, number)
        assert not await run.orchestrator.cancel(number), "it has ended"
    assert_cancelled(events, "a", Stage.DEPLOYING)


async def test_what_waits_for_its_turn_can_be_cancelled_and_lets_others_pass(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a", "b", "c")
    still = Standstill(Stage.CONNECTING, "a")
    connector = hooked(machines, content, still.call)
    async with rehearsal(tmp_path, machines, content, limit=1, connector=connector) as run:
        number = await run.orchestrator.submit(whole_plan(["a", "b", "c"], content))
        await still.reached.wait()
        await run.orchestrator.cancel(number, ["b"])
        await until(lambda: bool(of(run.history.log.events(number), "environment_finished", "b")), "b has ended")
        still.release.set()
        state, events = await end_of(run, number)
    assert_cancelled(events, "b", None)
    assert state.environments["b"].started is None
    assert machines["b"].calls == []
    assert state.environments["a"].status is state.environments["c"].status is Status.COMPLETED


async def test_what_waits_for_another_process_can_be_cancelled(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    with peer("hold-environment", tmp_path / "locks", "a", 41) as other:
        assert await asyncio.to_thread(other.line) == "held"
        async with rehearsal(tmp_path, machines, content) as run:
            number = await run.orchestrator.submit(whole_plan(["a"], content))
            await until(lambda: bool(of(run.history.log.events(number), "environment_queued")), "it waits")
            await run.orchestrator.cancel(number)
            _, events = await end_of(run, number)
    queued = of(events, "environment_queued")[0].body
    assert isinstance(queued, EnvironmentQueued)
    assert queued.waiting_for == f"locked by run 41 (pid {other.pid})"
    assert_cancelled(events, "a", None)


@pytest.mark.parametrize("environments", [(), ("a",)])
async def test_requests_of_another_process_are_obeyed(tmp_path: Path, environments: tuple[str, ...]) -> None:
    content, machines = MemoryContent(), fleet("a", "b")
    still = Standstill(Stage.DEPLOYING, "a")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        number = await run.orchestrator.submit(whole_plan(["a", "b"], content))
        await still.reached.wait()
        script = (
            "import sys; from pathlib import Path; from kdeploy_gui.history import open_history\n"
            f"history = open_history(Path({str(tmp_path)!r}))\n"
            f"sys.exit(0 if history.control.request_cancel({number}, {environments!r}) else 9)"
        )
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], cwd=ROOT, check=False)
        assert done.returncode == 0
        _, events = await end_of(run, number)
        assert not run.history.control.request_cancel(number), "nobody runs it any more"
    assert_cancelled(events, "a", Stage.DEPLOYING)


@pytest.mark.filterwarnings("default")
async def test_requests_are_obeyed_after_a_moment_in_which_they_could_not_be_read(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    still = Standstill(Stage.DEPLOYING, "a")
    connector = hooked(machines, content, still.call)
    history = open_history(tmp_path)
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Unreadable:
        """The `RunControl` port whose first look fails."""

        def request_cancel(self, run: int, environments: object = ()) -> bool:
            raise NotImplementedError

        def cancel_requested(self, run: int) -> frozenset[str] | None:
            if not looked.is_set():
                loop.call_soon_threadsafe(looked.set)
                raise LocalError("E-HISTORY-IO", "the folder cannot be read", path="/x")
            return frozenset()

    outside = replace(ports(history, tmp_path, connector, content), control=Unreadable())
    orchestrator = Orchestrator(outside)
    number = await orchestrator.submit(whole_plan(["a"], content))
    async with asyncio.timeout(30):
        await orchestrator.wait(number)
    assert_cancelled(history.log.events(number), "a", Stage.DEPLOYING)
    await orchestrator.close()
    history.close()


async def test_cancelling_again_breaks_off_no_cleaning_up(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    begun, told = asyncio.Event(), asyncio.Event()
    cleaned: list[str] = []

    async def stand_still(environment: str, call: str) -> None:
        if call == "place":
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await told.wait()
                cleaned.append(environment)

    connector = hooked(machines, content, stand_still)
    async with rehearsal(tmp_path, machines, content, connector=connector) as run:
        number = await run.orchestrator.submit(whole_plan(["a"], content))
        await begun.wait()
        for _ in range(3):
            await run.orchestrator.cancel(number)
            await asyncio.sleep(0)
        ending = asyncio.ensure_future(run.orchestrator.wait(number))
        await asyncio.wait({ending}, timeout=0.3)
        assert not ending.done(), "a run that cleans up goes on"
        told.set()
        await ending

    assert cleaned == ["a"]


ERRORS: list[Callable[[], Exception]] = [
    lambda: NetworkError("E-LOST", "gone"),
    lambda: AuthError("E-AUTH", "no"),
    lambda: TargetError("E-NOSPC", "full"),
    lambda: ValueError("a mistake"),
    lambda: AssertionError(),
    lambda: TimeoutError(),
    lambda: ExceptionGroup("several", [OSError("x"), KeyError("y")]),
    lambda: RecursionError("deep"),
    lambda: StopAsyncIteration(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each()).__name__)
async def test_one_environment_that_fails_disturbs_no_other(tmp_path: Path, error: Callable[[], Exception]) -> None:
    content, machines = MemoryContent(), fleet("a", "b", "c")

    async def fail(environment: str, call: str) -> None:
        if environment == "b" and call == "place":
            raise error()

    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, fail)) as run:
        state, _ = await run.run(whole_plan(["a", "b", "c"], content))
    status = {name: each.status for name, each in state.environments.items()}
    assert status == {"a": Status.COMPLETED, "b": Status.FAILED, "c": Status.COMPLETED}
    assert state.outcome is Outcome.FAILED
    assert contents(machines["a"]) == contents(machines["c"]) == NEW
    failure = state.environments["b"].error
    assert failure is not None
    assert failure.where.stage == "deploying_scripts"
    if not isinstance(error(), KdeployError):
        assert (failure.code, failure.category) == ("E-BUG", Category.BUG)
        assert f"{type(error()).__name__}" in failure.evidence.stderr
        assert "in fail" in failure.evidence.stderr, "the traceback leads to the mistake"
        assert state.environments["b"].attempts == 4


@asynccontextmanager
async def flaky(
    tmp_path: Path, machines: dict[str, MemoryMachine], content: MemoryContent, hook: Standstill | None = None
) -> AsyncIterator[tuple[Orchestrator, FlakyLog]]:
    """An engine whose history can be broken."""
    history = open_history(tmp_path)
    log = FlakyLog(history.log)
    connector = hooked(machines, content, hook.call) if hook else MemoryConnector(machines, content)
    orchestrator = Orchestrator(replace(ports(history, tmp_path, connector, content), log=log))
    try:
        yield orchestrator, log
    finally:
        await orchestrator.close()
        history.close()


@pytest.mark.parametrize("stage", list(Stage)[1:])
@pytest.mark.parametrize("error", [FULL, ValueError("a mistake in the history")], ids=["full", "mistake"])
async def test_a_run_that_loses_its_history_ends_and_says_so(tmp_path: Path, stage: Stage, error: Exception) -> None:
    content, machines = MemoryContent(), fleet("a", "b")
    still = Standstill(stage, "a")
    heard: list[Event] = []
    async with flaky(tmp_path, machines, content, still) as (orchestrator, log):
        orchestrator.feed.subscribe(heard.extend)
        number = await orchestrator.submit(whole_plan(["a", "b"], content))
        await asyncio.wait_for(still.reached.wait(), 30)
        log.error = error
        still.release.set()
        async with asyncio.timeout(30):
            await orchestrator.wait(number)
        assert isinstance(heard[-1].body, RunFinished)
        stored = len(log.events(number))
        assert stored < len(heard), "the end could not be stored"
        # Whoever comes now hears all of it, too.
        assert orchestrator.runs_here(number)
        late = orchestrator.feed.follow(number)
        assert await asyncio.wait_for(anext(late), 30) == tuple(heard)
        log.error = None
        await orchestrator.feed.durable()
        assert log.events(number) == heard
    assert [each.seq for each in heard] == list(range(1, len(heard) + 1))
    state = fold(heard).environments["a"]
    if stage is not Stage.VALIDATING:
        assert state.status is Status.FAILED
        assert state.error is not None
        assert state.error.code == ("E-HISTORY-FULL" if error is FULL else "E-BUG")
    assert contents(machines["a"]) in (NEW, dict.fromkeys(NEW, OLD.data))


async def test_a_run_that_cannot_be_stored_is_not_begun(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    async with flaky(tmp_path, machines, content) as (orchestrator, log):
        log.error = FULL
        with pytest.raises(LocalError):
            await orchestrator.submit(whole_plan(["a"], content))
        assert machines["a"].calls == []
        log.error = None
        number = await orchestrator.submit(whole_plan(["a"], content))
        await orchestrator.wait(number)
        assert fold(log.events(number)).outcome is Outcome.SUCCEEDED


async def test_queued_environments_say_what_they_wait_for(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a", "b", "c", "d")
    still = Standstill(Stage.CONNECTING, "a")
    connector = hooked(machines, content, still.call)
    async with rehearsal(tmp_path, machines, content, limit=2, connector=connector) as run:
        narrow = replace(whole_plan(["a", "b"], content), policy=Policy(max_parallel=1))
        first = await run.orchestrator.submit(narrow)
        await still.reached.wait()
        second = await run.orchestrator.submit(whole_plan(["a", "c"], content))
        await until(lambda: bool(of(run.history.log.events(second), "environment_queued", "a")), "it waits")
        still.release.set()
        for number in (first, second):
            await end_of(run, number)
        said = [
            (each.run, each.environment, each.body.waiting_for)
            for number in (first, second)
            for each in run.history.log.events(number)
            if isinstance(each.body, EnvironmentQueued)
        ]
    assert (first, "b", f"run {first} works on 1 at once") in said
    assert (second, "a", f"a is in use by run {first}") in said


async def test_300_environments_fold_right_and_quickly(tmp_path: Path) -> None:
    content = MemoryContent()
    names = [f"board-{number:03}" for number in range(300)]
    machines = fleet(*names)
    for name in names[::3]:
        machines[name].failures["place"] = [TargetError("E-NOSPC", "full")]
    started = time.process_time()
    async with rehearsal(tmp_path, machines, content) as run:
        plan = replace(whole_plan(names, content), policy=Policy(max_parallel=300))
        state, events = await run.run(plan)
    seconds = time.process_time() - started
    assert list(state.environments) == names
    assert [each.status is Status.FAILED for each in state.environments.values()] == [True, False, False] * 100
    assert len(of(events, "environment_finished")) == 300
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    ended = events[-1].body
    assert isinstance(ended, RunFinished)
    assert [each.name for each in ended.environments] == names
    assert sum(each.ready for each in ended.environments) == 200
    assert seconds < 30


def big_plan(environment: Environment, content: MemoryContent, home: Path) -> Plan:
    """Four megabytes in four files."""
    files = [memory_file(content, f"{home}/t/{name}", name.encode() * (1 << 20)) for name in "abcd"]
    return replace(memory_plan([], files), environments=(environment,))


@pytest.mark.sshd
async def test_cancel_in_the_middle_of_a_transfer_leaves_the_old_files_and_nothing_else(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    content = MemoryContent()
    (sshd.home() / "t").mkdir()
    (sshd.home() / "t/a").write_bytes(b"old")
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        chaos.rate = 1_000_000
        plan = big_plan(chaos.environment(sshd.environment("a")), content, sshd.home())
        number = await run.orchestrator.submit(plan)
        await until(lambda: bool(list((sshd.home() / "t").glob(".kdeploy-*/new/a"))), "files arrive", 20)
        assert await run.orchestrator.cancel(number)
        _, events = await end_of(run, number, 15.0)
    assert_cancelled(events, "a", Stage.DEPLOYING)
    folder = sshd.home() / "t"
    await until(lambda: [each.name for each in folder.iterdir()] == ["a"], "the remains are removed")
    assert (folder / "a").read_bytes() == b"old"
    await until(lambda: not list((sshd.home() / ".cache/kdeploy").glob("*.staging")), "the record of them, too")


@pytest.mark.sshd
async def test_cancel_while_the_link_is_dead_ends_in_time(tmp_path: Path, sshd: Sshd, chaos: Chaos) -> None:
    content = MemoryContent()
    try:
        async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
            chaos.rate = 1_000_000
            plan = big_plan(chaos.environment(sshd.environment("a")), content, sshd.home())
            number = await run.orchestrator.submit(plan)
            await until(lambda: bool(list((sshd.home() / "t").glob(".kdeploy-*/new/a"))), "files arrive", 20)
            chaos.freeze()
            assert await run.orchestrator.cancel(number)
            _, events = await end_of(run, number, 15.0)
            chaos.thaw()
            chaos.rate = 0
            await until(lambda: not sshd.is_at_work(), "the machine ends what lost its connection")
            again, _ = await run.run(plan)
    finally:
        chaos.thaw()
    assert_cancelled(events, "a", Stage.DEPLOYING)
    assert again.outcome is Outcome.SUCCEEDED, "what was left behind is swept"
    assert sorted(each.name for each in (sshd.home() / "t").iterdir()) == ["a", "b", "c", "d"]


async def test_environments_that_have_ended_are_not_touched_by_a_late_cancel(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a", "b")
    still = Standstill(Stage.VALIDATING, "b")
    async with rehearsal(tmp_path, machines, content, connector=hooked(machines, content, still.call)) as run:
        number = await run.orchestrator.submit(whole_plan(["a", "b"], content))
        await until(lambda: bool(of(run.history.log.events(number), "environment_finished", "a")), "a has ended")
        await still.reached.wait()
        await run.orchestrator.cancel(number)
        state, _ = await end_of(run, number)
    assert state.environments["a"].status is Status.COMPLETED
    assert state.environments["a"].ready
    assert state.environments["b"].status is Status.CANCELLED


async def test_watching_a_run_of_another_process_brings_every_event(tmp_path: Path) -> None:
    content, machines = MemoryContent(), fleet("a")
    async with rehearsal(tmp_path, machines, content) as run:
        watcher = Orchestrator(ports(run.history, tmp_path, MemoryConnector(machines, content), content))
        number = await run.orchestrator.submit(whole_plan(["a"], content))
        assert not watcher.runs_here(number)
        heard: list[Event] = []
        async with asyncio.timeout(30):
            async for group in watcher.watch(number):
                heard += group
                if isinstance(heard[-1].body, RunFinished):
                    break
        assert heard == run.history.log.events(number)
        await watcher.close()
