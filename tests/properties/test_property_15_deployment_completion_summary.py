"""Property 15: deployment completion summary

For any finished run, its counts, durations, files and failures by category add up to its events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import Category
from kdeploy_gui.history import open_history
from kdeploy_gui.model.event import EnvironmentFinished, Event, FileDone, RunFinished, StageFinished, StageStarted
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.plan import Artifact, ArtifactType
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.ui.progress.rows import totals_of
from kdeploy_gui.ui.states import Condition
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, plan_of, write_files
from tests.rehearsal import quick_folder
from tests.strategies import Fleet, fleets

seeds = st.integers(0, 2**32)
LATER = datetime(2300, 1, 1, tzinfo=UTC)


def summed(events: list[Event]) -> RunState:
    """A finished run: its end carries the summary that the engine would have made."""
    before = fold(events)
    moment = events[-1].time + timedelta(seconds=1)
    statuses = {each.status for each in before.environments.values()}
    outcome = Outcome.SUCCEEDED if statuses == {Status.COMPLETED} else Outcome.FAILED
    end = RunFinished(outcome, before.summary())
    events.append(Event(seq=len(events) + 1, time=moment, run=1, body=end))
    return fold(events)


def counted(events: list[Event], name: str) -> tuple[int, int, int]:
    """Files sent, files that were the same, and bytes, since the deployment last began."""
    sent = same = length = 0
    for event in (each for each in events if each.environment == name):
        if isinstance(event.body, StageStarted) and event.stage is Stage.DEPLOYING:
            sent = same = length = 0
        if isinstance(event.body, FileDone):
            sent += event.body.action == "sent"
            same += event.body.action == "same"
            length += event.body.bytes * (event.body.action == "sent")
    return sent, same, length


def took(events: list[Event], name: str, stage: Stage) -> float:
    found = [
        each.body.seconds
        for each in events
        if isinstance(each.body, StageFinished) and (each.environment, each.stage) == (name, stage)
    ]
    return found[-1] if found else 0.0


def failures(events: list[Event]) -> Counter[Category]:
    """The last failure of each environment, by category."""
    last = {each.environment: each.body.error for each in events if isinstance(each.body, EnvironmentFinished)}
    return Counter(error.category for error in last.values() if error is not None)


@settings(max_examples=100)
@given(fleets(largest=40), seeds)
def test_the_summary_adds_up_to_the_events(fleet: Fleet, seed: int) -> None:
    events = fleet.interleaved(1, seed)

    state = summed(events)

    end = events[-1].body
    assert isinstance(end, RunFinished)
    assert [each.name for each in end.environments] == list(fleet.steps)
    assert Counter(each.error.category for each in end.environments if each.error) == failures(events)
    for each in end.environments:
        assert (each.files.sent, each.files.same, each.files.bytes) == counted(events, each.name)
        for stage in each.stages:
            assert stage.seconds == took(events, each.name, stage.stage)
            starts = [
                event.attempt
                for event in events
                if isinstance(event.body, StageStarted) and (event.environment, event.stage) == (each.name, stage.stage)
            ]
            assert stage.attempts == (starts[-1] if starts else 0)
    assert all(each.status.is_final for each in state.environments.values())


@settings(max_examples=100)
@given(fleets(largest=40), seeds)
def test_the_head_of_the_run_counts_what_the_events_say(fleet: Fleet, seed: int) -> None:
    events = fleet.interleaved(1, seed)
    state = summed(events)

    totals = totals_of(state, LATER)

    ends = {each.environment: each.body for each in events if isinstance(each.body, EnvironmentFinished)}
    interrupted = [name for name in fleet.steps if name not in ends]
    counts = dict(totals.counts)
    by_status = Counter(each.status for each in ends.values())
    assert sum(counts.values()) == totals.environments == len(fleet.steps)
    assert counts.get(Condition.FAILED, 0) == by_status[Status.FAILED]
    assert counts.get(Condition.CANCELLED, 0) == by_status[Status.CANCELLED]
    assert counts.get(Condition.INTERRUPTED, 0) == by_status[Status.INTERRUPTED] + len(interrupted)
    ready = sum(each.ready and each.status is Status.COMPLETED for each in ends.values())
    assert counts.get(Condition.READY, 0) == ready
    passed = {
        (each.environment, each.stage): each.body.outcome for each in events if isinstance(each.body, StageFinished)
    }
    running_again = {(each.environment, each.stage) for each in events if isinstance(each.body, StageStarted)}
    assert totals.stages_done == sum(
        outcome is StageOutcome.SUCCEEDED for place, outcome in passed.items() if place in running_again
    )
    seconds = (events[-1].time - events[0].time).total_seconds()
    assert totals.elapsed == f"{int(seconds) // 60}:{int(seconds) % 60:02}"
    assert totals.left == ""


@settings(max_examples=25)
@given(fleets(largest=10), seeds)
def test_the_history_keeps_the_same_numbers(fleet: Fleet, seed: int) -> None:
    events = fleet.interleaved(1, seed)
    state = summed(events)
    with quick_folder() as folder:
        history = open_history(Path(folder))
        try:
            number = history.log.begin("plan", tuple(fleet.steps))
            history.log.append([replace(each, run=number) for each in events])
            history.log.release(number)

            stored = fold(history.log.events(number))
            (record,) = history.log.runs(RunQuery())
        finally:
            history.close()

    assert stored.summary() == state.summary()
    assert totals_of(stored, LATER) == totals_of(state, LATER)
    assert record.ready == sum(each.ready for each in state.environments.values())
    assert {each.name for each in record.failed} == {
        name for name, each in state.environments.items() if each.status is Status.FAILED
    }
    assert record.outcome is state.outcome


@pytest.mark.sshd
async def test_a_real_run_adds_up(tmp_path: Path, sshd: Sshd) -> None:
    files = {f"case-{number}": bytes(number * 1000) for number in range(5)}
    write_files(tmp_path / "source", files)
    artifact = Artifact(source="source", type=ArtifactType.SCRIPT, target=f"{sshd.home()}/suite/", mode=0o755)
    good = sshd.environment("board-a")
    closed = replace(sshd.environment("board-b"), port=1)
    plan = plan_of([good, closed], [artifact], tmp_path)

    state, events = await deploy(tmp_path / "history", plan)

    end = events[-1].body
    assert isinstance(end, RunFinished)
    ready, failed = end.environments
    assert (ready.files.sent, ready.files.bytes) == (5, sum(map(len, files.values())))
    assert failed.error is not None
    assert failures(events) == Counter([failed.error.category])
    assert dict(totals_of(state, LATER).counts) == {Condition.READY: 1, Condition.FAILED: 1}
