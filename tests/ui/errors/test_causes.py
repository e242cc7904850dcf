"""Failures grouped by cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kdeploy_gui.errors import Category
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.history import FailureRecord
from kdeploy_gui.ui.errors.causes import headline, sort_out

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def failed(run: int, environment: str, message: str, code: str = "E-NOSPC", solved_by: int = 0) -> FailureRecord:
    return FailureRecord(
        run=run,
        plan="net-smoke",
        time=NOW + timedelta(minutes=run),
        environment=environment,
        failure=Failure(code, Category.TARGET, message),
        solved_by=solved_by,
    )


def test_one_cause_on_two_machines_is_one_entry() -> None:
    records = [
        failed(7, "board-b", "no space on /opt of board-b: 61 MiB free"),
        failed(7, "board-a", "no space on /opt of board-a: 58 MiB free"),
    ]

    (cause,) = sort_out(records).open

    assert cause.environments == ("board-b", "board-a")
    assert cause.runs == (7,)
    assert len(sort_out(records, by_environment=True).open) == 2


def test_a_cause_counts_every_time_it_was_seen() -> None:
    records = [failed(run, "board-a", "host key changed", "E-HOSTKEY-CHANGED") for run in (9, 8, 3)]

    (cause,) = sort_out(records).open

    assert cause.runs == (9, 8, 3)
    assert cause.newest.run == 9


def test_what_completed_later_is_solved() -> None:
    found = sort_out([failed(7, "board-a", "no space", solved_by=8)])

    assert found.open == ()
    assert found.solved[0].newest.solved_by == 8


def test_only_the_newest_failure_of_a_machine_is_open() -> None:
    found = sort_out([failed(8, "board-a", "login refused", "E-AUTH"), failed(7, "board-a", "no space")])

    assert [each.newest.failure.code for each in found.open] == ["E-AUTH"]


def test_other_codes_are_other_causes() -> None:
    found = sort_out([failed(7, "board-a", "it failed", "E-AUTH"), failed(7, "board-b", "it failed", "E-LOST")])

    assert len(found.open) == 2


def test_a_headline_has_no_details() -> None:
    assert headline("the host key is not the pinned one: pinned SHA256:a, offered SHA256:b") == (
        "The host key is not the pinned one"
    )
    assert headline("") == ""
    assert headline("x" * 1_000_000) == "x" * 300 + "..."
    assert headline("awk is missing") == "awk is missing"
