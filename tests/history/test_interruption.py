"""Runs of programs that died, seen from the next start."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import Category, KdeployError, LocalError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.history.recovery import ending_events
from kdeploy_gui.model.event import EnvironmentFinished, Event, RunFinished
from kdeploy_gui.model.history import RunQuery, RunRecord
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage, Status
from tests.history.peer import under_way
from tests.history.processes import peer
from tests.strategies import Fleet, fleets


def remedy(error: KdeployError, environment: str) -> str:
    return f"{error.code}: deploy to {environment} again"


def record(history: History, run: int) -> RunRecord:
    return history.log.runs(RunQuery(before=run + 1, limit=1))[0]


def test_a_killed_program_leaves_an_interrupted_run(folder: Path) -> None:
    with peer("own", folder) as owner:
        run = int(owner.line())
        owner.kill()

    with closing(open_history(folder, remedy=remedy)) as history:
        events = history.log.events(run)
        assert record(history, run).outcome is Outcome.INTERRUPTED
    state = fold(events)
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    assert [each.status for each in state.environments.values()] == [Status.INTERRUPTED] * 2
    working, waiting = (each.error for each in state.environments.values())
    assert working is not None
    assert (working.code, working.category) == ("E-INTERRUPTED", Category.LOCAL)
    assert "during script deployment" in working.message
    assert "stage_started (number 2, 2026-03-01T12:00:00.000Z)" in working.message
    assert working.where.stage == Stage.DEPLOYING
    assert working.remedy == "E-INTERRUPTED: deploy to board-a again"
    assert waiting is not None
    assert "before its turn came" in waiting.message
    assert waiting.on_target == "nothing was changed"
    assert events[-1].body == RunFinished(Outcome.INTERRUPTED, state.summary())
    assert not list((folder / "runs").iterdir())


def test_a_run_is_interrupted_only_once(folder: Path) -> None:
    with peer("own", folder) as owner:
        run = int(owner.line())
        owner.kill()
    with closing(open_history(folder)) as history:
        first = history.log.events(run)

    with closing(open_history(folder)) as history:
        assert history.log.events(run) == first


def test_a_living_run_is_left_alone(folder: Path) -> None:
    with peer("own", folder) as owner:
        run = int(owner.line())
        with closing(open_history(folder)) as history:
            assert record(history, run).outcome is None
            assert len(history.log.events(run)) == 2


def test_a_program_killed_before_its_first_event_leaves_an_interrupted_run(folder: Path) -> None:
    with peer("begin", folder, 1) as owner:
        assert owner.line() == "ready"
        owner.tell()
        run = int(owner.line())
        owner.kill()

    with closing(open_history(folder)) as history:
        assert [each.type for each in history.log.events(run)] == [
            "run_submitted",
            "environment_finished",
            "run_finished",
        ]
        assert record(history, run).environments == ("board-a",)


def test_just_begun_runs_are_never_taken_for_abandoned_ones(folder: Path) -> None:
    with peer("begin", folder, 1000) as owner:
        assert owner.line() == "ready"
        owner.tell()
        begun = 0
        while begun < 1000:
            begun = int(owner.line())
            with closing(open_history(folder)) as history:
                known = history.log.runs(RunQuery(limit=2000))
            assert {each.outcome for each in known} == {None}
            assert known[0].run >= begun
            while begun < known[0].run:
                begun = int(owner.line())


def test_two_programs_get_different_run_numbers(folder: Path) -> None:
    with peer("begin", folder, 50) as one, peer("begin", folder, 50) as other:
        for each in (one, other):
            assert each.line() == "ready"
        for each in (one, other):
            each.tell()
        runs = [int(each.line()) for each in (one, other) for _ in range(50)]

        assert sorted(runs) == list(range(1, 101))


def test_a_closed_history_frees_its_runs(folder: Path) -> None:
    with closing(open_history(folder)) as history:
        run = history.log.begin("smoke", ["board-a"])

    with closing(open_history(folder)) as history:
        assert record(history, run).outcome is Outcome.INTERRUPTED


def test_a_second_history_of_the_same_program_respects_its_runs(history: History, folder: Path) -> None:
    run = history.log.begin("smoke", ["board-a"])

    with closing(open_history(folder)) as second:
        assert record(second, run).outcome is None
        assert second.control.request_cancel(run)


def test_a_run_whose_start_cannot_be_stored_is_not_held(history: History, folder: Path) -> None:
    (folder / "kdeploy.db").rename(folder / "elsewhere.db")
    with pytest.raises(LocalError):
        history.log.begin("smoke", ["board-a"])
    (folder / "elsewhere.db").rename(folder / "kdeploy.db")

    assert history.log.begin("smoke", ["board-a"]) == 1


def test_a_number_that_another_program_still_holds_is_not_given_away(history: History, folder: Path) -> None:
    """As after a backup was put back while a program went on."""
    with peer("own", folder) as owner:
        assert owner.line() == "1"
        with history.database.writing() as db:
            for table in ("events", "run_environments", "runs", "sqlite_sequence"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608

        with pytest.raises(LocalError) as caught:
            history.log.begin("smoke", ["board-a"])
        assert caught.value.code == "E-HISTORY-LOCKED"
        assert history.log.runs(RunQuery()) == []


def test_an_abandoned_run_that_cannot_be_read_is_named(folder: Path) -> None:
    with closing(open_history(folder)) as history:
        run = history.log.begin("smoke", ["board-a"])
        history.log.append(under_way(run))
        with history.database.writing() as db:
            db.execute("UPDATE events SET body = '{' WHERE seq = 2")

    with pytest.raises(LocalError, match=f"event 2 of run {run}") as caught:
        open_history(folder)
    assert caught.value.code == "E-HISTORY-DAMAGED"


@settings(max_examples=100)
@given(fleets(largest=30), st.integers(0, 1000), st.data())
def test_a_run_cut_anywhere_is_ended_whole(fleet: Fleet, seed: int, data: st.DataObject) -> None:
    events = fleet.interleaved(1, seed)
    cut = events[: data.draw(st.integers(1, len(events)))]

    ending = ending_events(cut, remedy)

    check_ending(cut, ending)


def check_ending(cut: list[Event], ending: list[Event]) -> None:
    before, after = fold(cut), fold([*cut, *ending])
    assert [each.seq for each in ending] == list(range(len(cut) + 1, len(cut) + len(ending) + 1))
    assert after.outcome is Outcome.INTERRUPTED
    assert ending[-1].body == RunFinished(Outcome.INTERRUPTED, after.summary())
    unfinished = [name for name, each in before.environments.items() if not each.status.is_final]
    assert [each.environment for each in ending[:-1]] == unfinished
    for name, state in after.environments.items():
        if name not in unfinished:
            assert state == before.environments[name]
    for event in ending[:-1]:
        assert isinstance(event.body, EnvironmentFinished)
        assert event.body.status is Status.INTERRUPTED
        assert event.body.error is not None
        assert event.body.error.where.environment == event.environment
