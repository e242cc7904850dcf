"""Times and outcomes of runs in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import tzset

import pytest

from kdeploy_gui.model.event import EnvironmentFinished, Event, RetryScheduled, RunSubmitted, StageStarted
from kdeploy_gui.model.history import FailedEnvironment, RetriedEnvironment, RunRecord
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage, Status
from kdeploy_gui.ui.history.words import (
    length_text,
    moment_text,
    outcome_pieces,
    ready_text,
    record_of,
    run_length,
    span_text,
)
from tests.ui.history.past import failure

NOW = datetime(2026, 11, 26, 14, 35, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        tzset()
        yield
    tzset()


def record(
    outcome: Outcome | None,
    failed: tuple[FailedEnvironment, ...] = (),
    retried: tuple[RetriedEnvironment, ...] = (),
) -> RunRecord:
    finished = None if outcome is None else NOW
    begin = NOW - timedelta(minutes=7, seconds=21)
    return RunRecord(
        run=7,
        plan="smoke",
        submitted=begin,
        finished=finished,
        outcome=outcome,
        environments=("a", "b", "c"),
        ready=2,
        failed=failed,
        retried=retried,
    )


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(minutes=3), "Today 14:32"),
        (timedelta(hours=14, minutes=35), "Today 00:00"),
        (timedelta(hours=14, minutes=36), "Yesterday 23:59"),
        (timedelta(days=3), "Mon 23 Nov 14:35"),
        (timedelta(days=360), "Mon 1 Dec 2025 14:35"),
        (timedelta(days=-1), "Fri 27 Nov 14:35"),
    ],
)
def test_a_moment_says_its_day_as_people_do(ago: timedelta, text: str) -> None:
    assert moment_text(NOW - ago, NOW) == text


def test_a_span_names_the_second_day_where_it_is_another_one() -> None:
    assert span_text(NOW - timedelta(minutes=7), NOW, NOW) == "Today 14:28:20 to 14:35:20"
    assert span_text(NOW - timedelta(days=1), NOW, NOW) == "Yesterday 14:35:20 to Today 14:35:20"
    assert span_text(NOW, None, NOW) == "Since today 14:35:20"
    assert span_text(NOW - timedelta(days=3), None, NOW) == "Since Mon 23 Nov 14:35:20"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (28.4, "0:28"), (441, "7:21"), (8400, "2 h 20 min"), (-3, "0:00")]
)
def test_a_length_reads_as_a_clock(seconds: float, text: str) -> None:
    assert length_text(seconds) == text


def test_readiness_and_time_of_a_run_that_goes_on_are_so_far() -> None:
    assert ready_text(record(Outcome.FAILED)) == "2 of 3 ready"
    assert ready_text(record(None)) == "2 ready so far"
    assert run_length(record(None), NOW) == "7:21"


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        (record(Outcome.SUCCEEDED), "Succeeded"),
        (
            record(Outcome.SUCCEEDED, retried=(RetriedEnvironment("a", 2), RetriedEnvironment("b", 3))),
            "Succeeded flaky, b at try 3 and 1 more",
        ),
        (record(Outcome.FAILED, failed=(FailedEnvironment("a", "E-X"),)), "Failed E-X a"),
        (
            record(Outcome.FAILED, failed=tuple(FailedEnvironment(each, f"E-{each}") for each in "abc")),
            "Failed E-a, E-b and 1 more a and 2 more",
        ),
        (record(Outcome.INTERRUPTED), "Interrupted the program ended during this run"),
        (record(Outcome.CANCELLED), "Cancelled"),
        (record(None), "Running"),
    ],
)
def test_an_outcome_is_a_word_with_what_one_wants_to_know_next(listed: RunRecord, text: str) -> None:
    pieces = outcome_pieces(listed)

    assert " ".join(each.text for each in pieces) == text
    assert pieces[0].icon


def test_a_run_that_goes_on_counts_what_is_in_trouble() -> None:
    because = failure("E-STALLED", "b")
    state = fold(
        [
            Event(seq=1, time=NOW, run=7, body=RunSubmitted("smoke", ("a", "b", "c"))),
            Event(seq=2, time=NOW, run=7, environment="a", body=EnvironmentFinished(Status.FAILED, False, because)),
            Event(seq=3, time=NOW, run=7, environment="b", stage=Stage.DEPLOYING, attempt=2, body=StageStarted()),
            Event(
                seq=4,
                time=NOW,
                run=7,
                environment="b",
                stage=Stage.DEPLOYING,
                attempt=2,
                body=RetryScheduled(4.0, because),
            ),
        ]
    )

    listed = record_of(state)

    assert [each.text for each in outcome_pieces(listed, state)] == ["Running", "1 failed, 1 retrying"]
    assert (listed.failed, listed.retried) == ((FailedEnvironment("a", "E-STALLED"),), (RetriedEnvironment("b", 2),))
