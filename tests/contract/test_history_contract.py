"""The suites of the ports EventLog, RunControl, ReadinessLog, OutputStore, ScanLog and
SourceLog, on the file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from kdeploy_gui.errors import Category
from kdeploy_gui.history import open_history
from kdeploy_gui.history.memory import (
    MemoryEventLog,
    MemoryOutputStore,
    MemoryReadinessLog,
    MemoryRunControl,
    MemoryScanLog,
)
from kdeploy_gui.history.source_log import MemorySourceLog
from kdeploy_gui.model.event import (
    Body,
    Channel,
    EnvironmentFinished,
    EnvironmentSummary,
    Event,
    OutputAppended,
    ReadinessChanged,
    RunFinished,
    RunSubmitted,
    StageStarted,
    StageSummary,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.history import (
    FailedEnvironment,
    OutputChunk,
    RetriedEnvironment,
    RunCount,
    RunField,
    RunQuery,
    RunTerm,
    StageTime,
)
from kdeploy_gui.model.plan import PlanSource
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.scan import Scan, ScanFinding
from kdeploy_gui.model.source_check import Mode, PatchFound, PatchResult, SourceFinding
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.ports import EventLog, OutputStore, ReadinessLog, RunControl, ScanLog, SourceLog
from tests.strategies import START, ready_marks


@dataclass(frozen=True)
class Ports:
    log: EventLog
    control: RunControl
    readiness: ReadinessLog
    output: OutputStore
    scans: ScanLog
    sources: SourceLog


@pytest.fixture(params=["file", "memory"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ports]:
    if request.param == "memory":
        log = MemoryEventLog()
        yield Ports(
            log,
            MemoryRunControl(log),
            MemoryReadinessLog(),
            MemoryOutputStore(log),
            MemoryScanLog(),
            MemorySourceLog(),
        )
        return
    with closing(open_history(tmp_path / "data")) as history:
        yield Ports(history.log, history.control, history.readiness, history.output, history.scans, history.sources)


def run_of(log: EventLog, *names: str) -> int:
    run = log.begin("smoke", names)
    log.append([Event(seq=1, time=START, run=run, body=RunSubmitted("smoke", names))])
    return run


def test_runs_are_numbered_from_one(ports: Ports) -> None:
    assert [ports.log.begin("smoke", ["board-a"]) for _ in range(3)] == [1, 2, 3]


def test_events_come_back_in_order(ports: Ports) -> None:
    run, other = run_of(ports.log, "board-a"), run_of(ports.log, "board-a")
    ended = Event(seq=2, time=START, run=run, body=RunFinished(Outcome.SUCCEEDED))
    ports.log.append([ended])

    assert [each.type for each in ports.log.events(run)] == ["run_submitted", "run_finished"]
    assert ports.log.events(run, after=1) == [ended]
    assert ports.log.events(run, after=2) == []
    assert len(ports.log.events(other)) == 1
    assert ports.log.events(99) == []


def test_appending_nothing_is_fine(ports: Ports) -> None:
    ports.log.append([])


def test_a_list_of_runs_shows_how_they_are(ports: Ports) -> None:
    run = run_of(ports.log, "board-a", "board-b")
    later = START + timedelta(seconds=9)
    bodies: list[Body] = [ReadinessChanged(True, ""), EnvironmentFinished(Status.COMPLETED, True)]
    ports.log.append(
        [Event(seq=seq, time=later, run=run, body=body, environment="board-b") for seq, body in enumerate(bodies, 2)]
    )
    going = ports.log.runs(RunQuery())[0]
    ports.log.append([Event(seq=4, time=later, run=run, body=RunFinished(Outcome.FAILED))])
    ended = ports.log.runs(RunQuery())[0]

    assert (going.run, going.plan, going.submitted, going.ready) == (run, "smoke", START, 1)
    assert (going.outcome, going.finished) == (None, None)
    assert going.environments == ("board-a", "board-b")
    assert ended == replace(going, outcome=Outcome.FAILED, finished=later)


def test_runs_are_listed_newest_first_in_pages(ports: Ports) -> None:
    for _ in range(5):
        run_of(ports.log, "board-a")

    assert [each.run for each in ports.log.runs(RunQuery(limit=2))] == [5, 4]
    assert [each.run for each in ports.log.runs(RunQuery(limit=2, before=4))] == [3, 2]
    assert [each.run for each in ports.log.runs(RunQuery(before=1))] == []


def test_runs_are_chosen_by_environment_status_and_text(ports: Ports) -> None:
    one, two = run_of(ports.log, "board-a"), run_of(ports.log, "board-b", "vm-debug")
    ports.log.append([Event(seq=2, time=START, run=one, body=RunFinished(Outcome.CANCELLED))])

    def found(query: RunQuery) -> list[int]:
        return [each.run for each in ports.log.runs(query)]

    assert found(RunQuery(environment="vm-debug")) == [two]
    assert found(RunQuery(environment="board-*")) == [two, one]
    assert found(RunQuery(status="running")) == [two]
    assert found(RunQuery(status="cancelled")) == [one]
    assert found(RunQuery(search="DEBUG")) == [two]
    assert found(RunQuery(search="smo")) == [two, one]
    assert found(RunQuery(search="%")) == []


def failure(code: str, environment: str) -> Failure:
    return Failure(code, Category.TARGET, f"{code} happened on {environment}", where=Place(environment))


def ended_run(log: EventLog, *ends: tuple[str, Status, Failure | None], at: timedelta = timedelta()) -> int:
    """A run in which each environment ended so, an hour after it was submitted."""
    names = tuple(name for name, _, _ in ends)
    run = log.begin("smoke", names)
    found = [Event(seq=1, time=START + at, run=run, body=RunSubmitted("smoke", names))]
    later = START + at + timedelta(hours=1)
    for name, status, error in ends:
        body = EnvironmentFinished(status, status is Status.COMPLETED, error)
        found.append(Event(seq=len(found) + 1, time=later, run=run, body=body, environment=name))
    succeeded = all(status is Status.COMPLETED for _, status, _ in ends)
    outcome = Outcome.SUCCEEDED if succeeded else Outcome.FAILED
    log.append([*found, Event(seq=len(found) + 1, time=later, run=run, body=RunFinished(outcome))])
    log.release(run)
    return run


def test_a_list_of_runs_names_what_failed_and_what_was_retried(ports: Ports) -> None:
    failed = ("board-b", Status.FAILED, failure("E-NOSPC", "board-b"))
    cancelled = ("board-c", Status.CANCELLED, failure("E-CANCELLED", "board-c"))
    run = ended_run(ports.log, ("board-a", Status.COMPLETED, None), failed, cancelled)
    flaky = run_of(ports.log, "board-a", "board-b")
    tries = [
        Event(
            seq=seq, time=START, run=flaky, body=StageStarted(), environment=name, stage=Stage.CONNECTING, attempt=tries
        )
        for seq, (name, tries) in enumerate([("board-a", 1), ("board-b", 1), ("board-b", 2), ("board-b", 3)], start=2)
    ]
    ports.log.append(tries)

    found = {each.run: each for each in ports.log.runs(RunQuery())}

    assert found[run].failed == (FailedEnvironment("board-b", "E-NOSPC"),)
    assert found[run].retried == ()
    assert found[flaky].failed == ()
    assert found[flaky].retried == (RetriedEnvironment("board-b", 3),)


TERMS: list[tuple[RunTerm, set[int]]] = [
    (RunTerm(RunField.TEXT, "E-NO"), {1}),
    (RunTerm(RunField.TEXT, "happened"), {1, 2}),
    (RunTerm(RunField.TEXT, "vm-1", negated=True), {1, 2}),
    (RunTerm(RunField.TEXT, "^board-[ab]$", is_regex=True), {1, 3}),
    (RunTerm(RunField.TEXT, "NOSPC|stalled", is_regex=True), {1, 2}),
    (RunTerm(RunField.TEXT, "nospc", negated=True, is_regex=True), {2, 3}),
    (RunTerm(RunField.ENVIRONMENT, "vm-*"), {3}),
    (RunTerm(RunField.ENVIRONMENT, "board-a", negated=True), {2}),
    (RunTerm(RunField.PLAN, "sm*"), {1, 2, 3}),
    (RunTerm(RunField.PLAN, "*MOK*"), {1, 2, 3}),
    (RunTerm(RunField.PLAN, "smok"), set()),
    (RunTerm(RunField.PLAN, "sm?k_", negated=True), {1, 2, 3}),
    (RunTerm(RunField.ENVIRONMENT, "board%"), set()),
    (RunTerm(RunField.STATUS, "failed"), {1, 2}),
    (RunTerm(RunField.STATUS, "failed", negated=True), {3}),
    (RunTerm(RunField.CODE, "E-*"), {1, 2}),
    (RunTerm(RunField.CODE, "E-STALLED"), {2}),
    (RunTerm(RunField.CODE, "*", negated=True), {3}),
]


@pytest.mark.parametrize(("term", "expected"), TERMS)
def test_runs_are_chosen_by_terms(ports: Ports, term: RunTerm, expected: set[int]) -> None:
    ended_run(ports.log, ("board-a", Status.FAILED, failure("E-NOSPC", "board-a")))
    ended_run(ports.log, ("board-c", Status.FAILED, failure("E-STALLED", "board-c")))
    ended_run(ports.log, ("vm-1", Status.COMPLETED, None), ("board-a", Status.COMPLETED, None))
    query = RunQuery(terms=(term,))

    assert {each.run for each in ports.log.runs(query)} == expected
    assert ports.log.count(replace(query, limit=1, before=2)) == RunCount(len(expected), 3)


def test_all_terms_must_hold(ports: Ports) -> None:
    ended_run(ports.log, ("board-a", Status.FAILED, failure("E-NOSPC", "board-a")))
    two = ended_run(ports.log, ("board-a", Status.COMPLETED, None))
    terms = (RunTerm(RunField.ENVIRONMENT, "board-a"), RunTerm(RunField.CODE, "E-NO*", negated=True))

    assert [each.run for each in ports.log.runs(RunQuery(terms=terms))] == [two]
    assert ports.log.count(RunQuery(terms=terms, since=START + timedelta(days=1))) == RunCount(0, 2)


def test_failures_say_whether_a_later_run_solved_them(ports: Ports) -> None:
    nospc, stalled = failure("E-NOSPC", "board-a"), failure("E-STALLED", "board-b")
    old = ended_run(ports.log, ("board-c", Status.FAILED, nospc), at=timedelta(days=-9))
    one = ended_run(ports.log, ("board-a", Status.FAILED, nospc), ("board-b", Status.INTERRUPTED, stalled))
    two = ended_run(ports.log, ("board-a", Status.FAILED, nospc), at=timedelta(days=1))
    ended_run(ports.log, ("board-b", Status.CANCELLED, failure("E-CANCELLED", "board-b")), at=timedelta(days=2))
    green = ended_run(ports.log, ("board-a", Status.COMPLETED, None), at=timedelta(days=3))
    ended_run(ports.log, ("board-a", Status.COMPLETED, None), at=timedelta(days=4))

    found = ports.log.failures(START)

    assert [(each.run, each.environment, each.solved_by) for each in found] == [
        (two, "board-a", green),
        (one, "board-a", green),
        (one, "board-b", 0),
    ]
    assert found[0].solved == START + timedelta(days=3, hours=1)
    assert found[0].time == START + timedelta(days=1, hours=1)
    assert (found[2].failure, found[2].solved, found[2].attempts, found[2].plan) == (stalled, None, 1, "smoke")
    assert [each.run for each in ports.log.failures(START - timedelta(days=30))][-1] == old
    assert ports.log.failures(START, limit=1) == found[:1]


def test_stage_times_are_those_of_successful_stages(ports: Ports) -> None:
    def summary(name: str, *stages: tuple[Stage, StageOutcome, float]) -> EnvironmentSummary:
        told = tuple(StageSummary(stage, outcome, 1, seconds) for stage, outcome, seconds in stages)
        return EnvironmentSummary(name, Status.COMPLETED, True, 0.0, told)

    done, failed = StageOutcome.SUCCEEDED, StageOutcome.FAILED
    going, ended = run_of(ports.log, "board-a"), run_of(ports.log, "board-a")
    environments = [summary(f"board-{n}", (Stage.DEPLOYING, done, float(n))) for n in range(40)]
    environments += [summary("x", (Stage.CONNECTING, done, 0.5), (Stage.DEPLOYING, failed, 999.0))]
    finished = RunFinished(Outcome.FAILED, tuple(environments))
    ports.log.append([Event(seq=2, time=START, run=ended, body=finished)])

    expected = (StageTime(Stage.CONNECTING, 0.5, 0.5), StageTime(Stage.DEPLOYING, 20.0, 37.0))
    assert ports.log.stage_times([going, ended, 99]) == expected
    assert ports.log.stage_times([going]) == ()


def test_many_threads_append_at_once(ports: Ports) -> None:
    runs = [run_of(ports.log, "board-a") for _ in range(4)]

    def work(run: int) -> None:
        for seq in range(2, 40):
            body = ReadinessChanged(False, str(seq))
            ports.log.append([Event(seq=seq, time=START, run=run, body=body, environment="board-a")])
            assert len(ports.log.events(run)) == seq

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, runs))

    assert [len(ports.log.events(run)) for run in runs] == [39] * 4


def test_only_a_living_run_can_be_asked_to_cancel(ports: Ports) -> None:
    run = run_of(ports.log, "board-a", "board-b", "board-c")

    assert ports.control.cancel_requested(run) is None
    assert not ports.control.request_cancel(run + 1, ["board-a"])
    assert ports.control.request_cancel(run, ["board-a"])
    assert ports.control.cancel_requested(run) == frozenset({"board-a"})
    assert ports.control.request_cancel(run, ["board-b", "board-a"])
    assert ports.control.cancel_requested(run) == frozenset({"board-a", "board-b"})
    assert ports.control.request_cancel(run)
    assert ports.control.cancel_requested(run) == frozenset()
    assert ports.control.request_cancel(run, ["board-c"])
    assert ports.control.cancel_requested(run) == frozenset()

    ports.log.release(run)
    assert not ports.control.request_cancel(run)
    assert ports.control.cancel_requested(run) is None
    ports.log.release(run)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ready_marks, ready_marks)
def test_the_newest_mark_of_an_environment_counts(ports: Ports, first: ReadyMark, second: ReadyMark) -> None:
    second = replace(second, environment=first.environment)

    for mark in (first, second):
        ports.readiness.mark(mark)
        assert ports.readiness.latest(mark.environment) == mark
    assert ports.readiness.latest("nobody!") is None


def test_output_is_found_by_offset_and_by_event(ports: Ports) -> None:
    run = run_of(ports.log, "board-a")
    offsets = [ports.output.append(run, "board-a", data) for data in (b"one\n", b"two\n")]
    bodies = [OutputAppended(offset, 4) for offset in offsets]
    stages = [Stage.DEPLOYING, Stage.VALIDATING]
    ports.log.append(
        [
            Event(seq=seq, time=START, run=run, body=body, environment="board-a", stage=stage, attempt=1)
            for seq, (body, stage) in enumerate(zip(bodies, stages, strict=True), start=2)
        ]
    )

    assert offsets == [0, 4]
    assert ports.output.read(run, "board-a") == b"one\ntwo\n"
    assert ports.output.read(run, "board-a", 4) == b"two\n"
    assert ports.output.read(run, "board-a", 2, 3) == b"e\nt"
    assert ports.output.read(run, "board-a", 99) == b""
    assert ports.output.read(run, "board-b") == b""
    assert list(ports.output.chunks(run, stage=Stage.VALIDATING)) == [
        OutputChunk(run, "board-a", Stage.VALIDATING, 4, b"two\n")
    ]
    assert [each.data for each in ports.output.chunks(run, "board-a")] == [b"one\n", b"two\n"]
    assert list(ports.output.chunks(run, "board-b")) == []


def test_what_a_console_printed_is_kept_apart(ports: Ports) -> None:
    run = run_of(ports.log, "board-a")
    assert ports.output.append(run, "board-a", b"command\n") == 0
    assert ports.output.append(run, "board-a", b"console\n", Channel.CONSOLE) == 0
    bodies = [OutputAppended(0, 8), OutputAppended(0, 8, Channel.CONSOLE)]
    ports.log.append(
        [
            Event(seq=seq, time=START, run=run, body=body, environment="board-a", stage=Stage.CONNECTING, attempt=1)
            for seq, body in enumerate(bodies, start=2)
        ]
    )
    assert ports.output.read(run, "board-a", 3, 2, Channel.CONSOLE) == b"so"
    assert [each.data for each in ports.output.chunks(run)] == [b"command\n"]
    assert [each.data for each in ports.output.chunks(run, channel=Channel.CONSOLE)] == [b"console\n"]


def test_a_run_keeps_what_it_was_planned_from(ports: Ports) -> None:
    source = PlanSource('name = "smoke" # \u4e2d "quoted"\r\n', Path("/plans/net \udcff"))
    run = ports.log.begin("smoke", ["board-a"], source)
    assert ports.log.source(run) == source
    assert ports.log.source(ports.log.begin("smoke", ["board-a"])) is None
    assert ports.log.source(run + 9) is None


def test_only_changes_between_ready_and_not_are_listed(ports: Ports) -> None:
    marks = [
        ReadyMark(
            environment="board-a",
            ready=ready,
            because=f"mark {number}",
            time=START + timedelta(minutes=number),
            run=number,
        )
        for number, ready in enumerate([True, True, False, False, True, False])
    ]
    assert ports.readiness.changes("board-a", 9) == ()
    for each in marks:
        ports.readiness.mark(replace(each, manifest=(ManifestEntry("/a", "0" * 64, 0o644),)))
        ports.readiness.mark(replace(each, environment="board-b"))

    assert ports.readiness.changes("board-a", 9) == tuple(marks[number] for number in (5, 4, 2, 0))
    assert ports.readiness.changes("board-a", 2) == (marks[5], marks[4])


def test_the_newest_scan_of_a_scanner_comes_back(ports: Ports) -> None:
    first = Scan(environment="board-a", scanner="lynis", time=START, kernel="6.12", findings=(ScanFinding("a", "A"),))
    newer = replace(
        first, time=START + timedelta(days=1), findings=(ScanFinding("b", "\x1b[31m\u202eB", "suggestion"),)
    )
    other = replace(first, scanner="hardening")
    assert ports.scans.latest("board-a", "lynis") is None
    for each in (first, newer, other, replace(first, environment="board-b")):
        ports.scans.add(each)

    assert ports.scans.latest("board-a", "lynis") == newer
    assert ports.scans.latest("board-a", "hardening") == other
    assert ports.scans.latest("board-c", "lynis") is None


def test_the_newest_baseline_of_a_semantic_patch_comes_back(ports: Ports) -> None:
    first = PatchResult(
        source="/src/\udcff linux",
        mode=Mode.REPORT,
        patch="a.cocci",
        time=START,
        found=PatchFound((SourceFinding("x/\u202e.c", 3, 0, "\x1b[31m\n"),), ("y.c",), ("noise",)),
    )
    later = replace(first, time=START + timedelta(days=1), found=PatchFound())
    other = replace(first, mode=Mode.PATCH)
    assert ports.sources.baseline(first.source, first.mode, first.patch) is None
    for each, is_baseline in ((first, True), (later, False), (other, True), (replace(later, patch="b.cocci"), True)):
        ports.sources.add(each, baseline=is_baseline)

    assert ports.sources.baseline(first.source, Mode.REPORT, "a.cocci") == first
    assert ports.sources.baseline(first.source, Mode.PATCH, "a.cocci") == other
    ports.sources.add(later, baseline=True)
    assert ports.sources.baseline(first.source, Mode.REPORT, "a.cocci") == later
    assert ports.sources.baseline("/src", Mode.REPORT, "a.cocci") is None
