"""The suites of the ports EventLog, RunControl, ReadinessLog and OutputStore, on the file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from kdeploy_gui.history import open_history
from kdeploy_gui.history.memory import MemoryEventLog, MemoryOutputStore, MemoryReadinessLog, MemoryRunControl
from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    Event,
    OutputAppended,
    ReadinessChanged,
    RunFinished,
    RunSubmitted,
)
from kdeploy_gui.model.history import OutputChunk, RunQuery
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.stage import Outcome, Stage, Status
from kdeploy_gui.ports import EventLog, OutputStore, ReadinessLog, RunControl
from tests.strategies import START, ready_marks


@dataclass(frozen=True)
class Ports:
    log: EventLog
    control: RunControl
    readiness: ReadinessLog
    output: OutputStore


@pytest.fixture(params=["file", "memory"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ports]:
    if request.param == "memory":
        log = MemoryEventLog()
        yield Ports(log, MemoryRunControl(log), MemoryReadinessLog(), MemoryOutputStore(log))
        return
    with closing(open_history(tmp_path / "data")) as history:
        yield Ports(history.log, history.control, history.readiness, history.output)


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


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
