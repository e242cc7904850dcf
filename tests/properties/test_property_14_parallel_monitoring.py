"""Property 14: parallel deployment monitoring

For any number of environments (1..300), all are shown, each with its own state, and any interleaving of their events
folds to the same view.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import Category
from kdeploy_gui.history import open_history
from kdeploy_gui.model.event import EnvironmentFinished, Event, FileDone, StageFinished, StageStarted
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from tests.strategies import Fleet, Step, bodies, fleets

seeds = st.integers(0, 2**32)


def expected_status(events: list[Event]) -> Status:
    """What a person reading one environment's events would say; knows nothing of the fold."""
    ends = [each.body.status for each in events if isinstance(each.body, EnvironmentFinished)]
    stages = [each.stage for each in events if isinstance(each.body, StageStarted) and each.stage]
    return ends[-1] if ends else Status(stages[-1].value) if stages else Status.PENDING


def expected_sent(events: list[Event]) -> int:
    """Files sent since the deployment last began."""
    sent = 0
    for event in events:
        if isinstance(event.body, StageStarted) and event.stage is Stage.DEPLOYING:
            sent = 0
        sent += isinstance(event.body, FileDone) and event.body.action == "sent"
    return sent


@settings(max_examples=100)
@given(fleets(), seeds, seeds)
def test_any_interleaving_folds_to_the_same_view(fleet: Fleet, one: int, other: int) -> None:
    first, second = fold(fleet.interleaved(1, one)), fold(fleet.interleaved(1, other))

    assert list(first.environments) == list(fleet.steps)
    assert first.environments == second.environments


@settings(max_examples=100)
@given(fleets(), seeds)
def test_each_environment_shows_its_own_state(fleet: Fleet, seed: int) -> None:
    events = fleet.interleaved(1, seed)

    state = fold(events)

    by_environment: dict[str, list[Event]] = {name: [] for name in ("", *fleet.steps)}
    for event in events:
        by_environment[event.environment].append(event)
    for name, shown in state.environments.items():
        own = by_environment[name]
        assert shown.name == name
        assert shown.status is expected_status(own)
        assert shown.files.sent == expected_sent(own)
        assert shown == fold(own).environments.get(name, shown)


@settings(max_examples=100)
@given(fleets(largest=40), seeds, st.integers(1, 50))
def test_folding_in_groups_is_folding_one_by_one(fleet: Fleet, seed: int, size: int) -> None:
    events = fleet.interleaved(1, seed)
    one_by_one = in_groups = RunState()

    for event in events:
        one_by_one = one_by_one.after(event)
    for start in range(0, len(events), size):
        in_groups = in_groups.after_all(events[start : start + size])

    assert in_groups == one_by_one
    assert list(in_groups.environments) == list(one_by_one.environments)


@settings(max_examples=100)
@given(fleets(largest=40), seeds, st.booleans())
def test_every_prefix_of_a_run_folds(fleet: Fleet, seed: int, ended: bool) -> None:
    state = RunState()

    for event in fleet.interleaved(1, seed, ended=ended):
        state = state.after(event)
        assert state.last_seq == event.seq
        assert len(state.summary()) == len(fleet.steps)
    assert (state.outcome is not None) == ended
    if ended:
        assert all(each.status.is_final for each in state.environments.values())


@settings(max_examples=200)
@given(st.data())
def test_every_prefix_of_any_events_folds(data: st.DataObject) -> None:
    names = ["", "board-a", "board-b"]
    drawn = data.draw(st.lists(st.tuples(bodies, st.sampled_from(names), st.none() | st.sampled_from(Stage))))
    state = RunState()

    for seq, (body, name, stage) in enumerate(drawn, start=1):
        event = Event(seq=seq, time=data.draw(st.datetimes()), run=1, body=body, environment=name, stage=stage)
        state = state.after(event)

    assert state.last_seq == len(drawn)
    assert {each for _, each, _ in drawn} - {""} <= set(state.environments)


@settings(max_examples=100)
@given(fleet=fleets(largest=20), seed=seeds, ended=st.booleans())
def test_stored_events_fold_to_the_live_view(
    tmp_path_factory: pytest.TempPathFactory, fleet: Fleet, seed: int, ended: bool
) -> None:
    with closing(open_history(tmp_path_factory.getbasetemp() / "property-14")) as history:
        run = history.log.begin("", list(fleet.steps))
        live = fleet.interleaved(run, seed, ended=ended)
        for start in range(0, len(live), 7):
            history.log.append(live[start : start + 7])

        assert fold(history.log.events(run)) == fold(live)


def steps_of_board(number: int) -> tuple[Step, ...]:
    """Every third board fails in its deployment, the others become ready."""
    deploying = [Step(FileDone(f"/opt/t/{each}", "sent", 10, "ab"), Stage.DEPLOYING, 1) for each in range(number % 4)]
    before = [
        Step(StageStarted(), Stage.CONNECTING, 1),
        Step(StageFinished(StageOutcome.SUCCEEDED, 1.5), Stage.CONNECTING, 1),
    ]
    started = Step(StageStarted(), Stage.DEPLOYING, 1)
    if number % 3 == 0:
        failure = Failure("E-NOSPC", Category.TARGET, f"no space left on board-{number:03}")
        return (*before, started, *deploying, Step(EnvironmentFinished(Status.FAILED, False, failure)))
    return (*before, started, *deploying, Step(EnvironmentFinished(Status.COMPLETED, True)))


def test_300_environments_come_back_from_a_real_history_file(tmp_path: Path) -> None:
    fleet = Fleet({f"board-{number:03}": steps_of_board(number) for number in range(1, 301)})
    with closing(open_history(tmp_path / "data")) as history:
        run = history.log.begin("nightly", list(fleet.steps))
        history.log.append(fleet.interleaved(run, seed=14))

    with closing(open_history(tmp_path / "data", read_only=True)) as history:
        state = fold(history.log.events(run))
        record = history.log.runs(RunQuery())[0]

    assert state.environments == fold(fleet.interleaved(run, seed=41)).environments
    assert [each.status for each in state.environments.values()].count(Status.FAILED) == 100
    assert state.environments["board-007"].files.sent == 3
    assert state.environments["board-300"].note == "no space left on board-300"
    assert (record.ready, len(record.environments)) == (200, 300)
