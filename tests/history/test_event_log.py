"""What was stored comes back equal, and the lists of runs agree with the events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import LocalError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.history.codec import event_from_row, event_to_row
from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.model.event import BODY_TYPES, Event, RunSubmitted, StageProgress
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome
from tests.history.peer import progress, submitted
from tests.strategies import START, Fleet, bodies, events, fleets, values


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """One history for all examples of a property: each begins its own run."""
    with closing(open_history(tmp_path_factory.mktemp("shared") / "data")) as opened:
        yield opened


@settings(max_examples=200)
@given(st.data())
def test_any_events_come_back_equal_from_the_file(shared: History, data: st.DataObject) -> None:
    run = shared.log.begin("any", ["board-a"])
    stored = [data.draw(events(run, seq)) for seq in range(1, data.draw(st.integers(1, 6)) + 1)]

    shared.log.append(stored)

    assert shared.log.events(run) == stored
    assert fold(shared.log.events(run)) == fold(stored)


@pytest.mark.parametrize("name", BODY_TYPES)
def test_every_body_type_comes_back_equal(name: str) -> None:
    @settings(max_examples=100)
    @given(values(BODY_TYPES[name]))
    def comes_back_equal(body: object) -> None:
        event = Event(seq=1, time=START, run=1, body=body)  # type: ignore[arg-type]
        assert event.type == name
        assert event_from_row(event_to_row(event), Path("kdeploy.db")) == event

    comes_back_equal()


@settings(max_examples=100)
@given(st.lists(st.tuples(fleets(largest=5), st.booleans()), min_size=1, max_size=4), st.data())
def test_lists_of_runs_equal_those_folded_from_the_events(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[Fleet, bool]], data: st.DataObject
) -> None:
    memory = MemoryEventLog()
    with closing(open_history(tmp_path_factory.mktemp("lists") / "data")) as history:
        for seed, (fleet, ended) in enumerate(runs):
            for log in (memory, history.log):
                run = log.begin("", list(fleet.steps))
                log.append(fleet.interleaved(run, seed, ended=ended))
        query = RunQuery(
            environment=data.draw(st.sampled_from(["", "board-001", "board-00[23]", "board-*", "board"])),
            status=data.draw(st.sampled_from(["", "running", *Outcome])),
            since=data.draw(st.sampled_from([None, START, START + timedelta(microseconds=1)])),
            search=data.draw(st.sampled_from(["", "plan-0", "PLAN", "board-003", "%", "_", "e"])),
            before=data.draw(st.integers(0, 5)),
            limit=data.draw(st.integers(0, 5)),
        )

        assert history.log.runs(query) == memory.runs(query)


def test_events_are_stored_all_or_none(history: History) -> None:
    run = history.log.begin("smoke", ["board-a"])
    history.log.append([submitted(run), progress(run, 2)])

    with pytest.raises(sqlite3.IntegrityError):
        history.log.append([progress(run, 3), progress(run, 2)])

    assert [each.seq for each in history.log.events(run)] == [1, 2]
    history.log.append([progress(run, 3)])
    assert [each.seq for each in history.log.events(run, after=2)] == [3]


def test_a_time_keeps_its_microseconds_and_its_moment(history: History) -> None:
    run = history.log.begin("smoke", [])
    moment = START + timedelta(microseconds=123_457)

    history.log.append([Event(seq=1, time=moment, run=run, body=RunSubmitted("smoke", ()))])

    assert history.log.events(run)[0].time == moment
    assert history.log.runs(RunQuery(since=moment))[0].submitted == moment
    assert history.log.runs(RunQuery(since=moment + timedelta(microseconds=1))) == []


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=5), st.text(max_size=5))
def test_a_search_finds_its_text_and_nothing_else(shared: History, needle: str, around: str) -> None:
    if "\0" in needle + around:
        return
    run = shared.log.begin(f"{around}{needle}{around}", [])

    found = shared.log.runs(RunQuery(search=needle, limit=1000))

    assert run in {each.run for each in found}
    assert all(needle.lower() in f"{each.plan} {each.environments}".lower() for each in found)


def test_plan_names_that_are_not_unicode_can_be_listed(history: History) -> None:
    history.log.begin("plan-\udcff", ["board-a"])

    assert history.log.runs(RunQuery(search="plan-"))[0].plan == "plan-\\udcff"


def test_an_event_type_of_a_newer_program_is_named(history: History) -> None:
    run = history.log.begin("smoke", [])
    history.log.append([submitted(run)])
    with history.database.writing() as db:
        db.execute("UPDATE events SET type = 'splat_seen_twice'")

    with pytest.raises(LocalError, match="splat_seen_twice") as caught:
        history.log.events(run)
    assert caught.value.code == "E-HISTORY-NEWER"
    assert caught.value.path == str(history.database.path)


@pytest.mark.parametrize("body", ["{", '{"plan": 7}', "[]", '{"plan": "x", "environments": [1]}'])
def test_a_body_that_does_not_parse_is_damage_with_its_place(history: History, body: str) -> None:
    run = history.log.begin("smoke", [])
    history.log.append([submitted(run)])
    with history.database.writing() as db:
        db.execute("UPDATE events SET body = ?", (body,))

    with pytest.raises(LocalError, match=f"event 1 of run {run}") as caught:
        history.log.events(run)
    assert caught.value.code == "E-HISTORY-DAMAGED"
    assert caught.value.path == str(history.database.path)


def test_unknown_fields_of_a_body_do_not_matter(history: History) -> None:
    run = history.log.begin("smoke", [])
    history.log.append([Event(seq=1, time=START, run=run, body=StageProgress(1, 2))])
    with history.database.writing() as db:
        db.execute("""UPDATE events SET body = '{"done": 1, "total": 2, "later": true}'""")

    assert history.log.events(run)[0].body == StageProgress(1, 2)


@settings(max_examples=20)
@given(bodies)
def test_stored_bodies_are_plain_ascii_json(body: object) -> None:
    row = event_to_row(Event(seq=1, time=START, run=1, body=body))  # type: ignore[arg-type]

    assert row[-1].isascii()
