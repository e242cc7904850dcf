"""Rows, cells and totals of a run as words and numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import EnvironmentFinished, StageProgress
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Stage, Status
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.progress.rows import Row, Totals, clock, row_of, time_of_day, totals_of
from kdeploy_gui.ui.states import Condition
from tests.strategies import Fleet, fleets
from tests.ui.progress.runs import MIB, NOW, SPLAT, STAGES, STALLED, START, Story, failure, net_smoke


def rows(run: RunState) -> dict[str, Row]:
    return {name: row_of(each, run, NOW) for name, each in run.environments.items()}


def one(story: Story, name: str = "a", at: float = 192) -> Row:
    run = story.state
    return row_of(run.environments[name], run, START + timedelta(seconds=at))


def words(row: Row) -> list[str]:
    return [each.said for each in row.stages]


def test_every_kind_of_row_reads_as_the_design_has_it() -> None:
    found = rows(net_smoke().state)

    assert words(found["vm-gcov"])[2:] == ["Done, 2:48", "71 %, 0:21", "Pending", "Pending"]
    assert words(found["imx8mp-evk-2"])[2:5] == ["Done, 0:26", "Retry 2, 2:42", "Pending"]
    assert words(found["s32g3-rdb"])[:2] == ["Queued", "Pending"]
    assert words(found["am62-sk"])[2] == "2 of 3, 3:07"
    assert words(found["vm-kasan"])[4:] == ["Failed, 0:28", "Not run"]
    assert {name: each.now for name, each in found.items()} == {
        "imx8mp-evk-1": f"Ready since {time_of_day(START + timedelta(seconds=90))}",
        "imx8mp-evk-2": "No reply for 20 s, trying again in 4 s",
        "rk3588-evb": f"Ready since {time_of_day(START + timedelta(seconds=82))}",
        "am62-sk": "Installing tcpdump, package 2 of 3",
        "rpi5-net": f"Ready since {time_of_day(START + timedelta(seconds=64))}",
        "s32g3-rdb": "In use by run 117 of process 4711",
        "zcu102-lab": "Ftrace, instrument 2 of 6, last news 12 s ago",
        "vm-kasan": SPLAT.message,
        "vm-kcov": "Kernel config, check 9 of 14, no news yet",
        "vm-lockdep": "Lockdep, instrument 3 of 6",
        "vm-gcov": "29.6 of 41.8 MiB",
        "vm-stock": f"Ready since {time_of_day(START + timedelta(seconds=46))}",
    }
    assert {name: each.elapsed for name, each in found.items() if each.final} == {
        "imx8mp-evk-1": "1:30",
        "rk3588-evb": "1:22",
        "rpi5-net": "1:04",
        "vm-kasan": "0:43",
        "vm-stock": "0:46",
    }
    assert {each.elapsed for each in found.values() if not each.final} == {"3:12"}


def test_what_needs_a_person_comes_first() -> None:
    found = sorted(rows(net_smoke().state).values(), key=lambda each: each.rank)

    assert [each.condition for each in found] == [
        Condition.FAILED,
        Condition.RETRYING,
        Condition.WAITING,
        *[Condition.RUNNING] * 5,
        *[Condition.READY] * 4,
    ]


def test_totals_are_those_of_the_rows() -> None:
    assert totals_of(net_smoke().state, NOW) == Totals(
        counts=(
            (Condition.READY, 4),
            (Condition.RUNNING, 5),
            (Condition.RETRYING, 1),
            (Condition.WAITING, 1),
            (Condition.FAILED, 1),
        ),
        environments=12,
        stages_done=49,
        stages=72,
        elapsed="3:12",
        left="",
        share=49 / 72,
    )


@pytest.mark.parametrize(
    ("position", "why", "text"),
    [
        (2, "", "Waiting, position 2"),
        (1, "locked by run 117 (pid 4711)", "In use by run 117 of process 4711"),
        (1, "board-1 is in use by run 117", "In use by run 117"),
        (3, "run 118 works on 8 at once", "Waiting: run 118 works on 8 at once"),
    ],
)
def test_waiting_says_for_whom(position: int, why: str, text: str) -> None:
    story = Story(["a"])
    story.queued("a", position, why)

    assert one(story).now == text
    assert one(story).condition is Condition.WAITING


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (101.9, "Environment connection"),
        (102.0, "Environment connection, no news yet"),
        (109.9, "Environment connection, no news yet"),
        (112.0, "Environment connection, last news 12 s ago"),
        (400.0, "Environment connection, last news 5:00 ago"),
    ],
)
def test_silence_is_told(at: float, text: str) -> None:
    story = Story(["a"])
    story.running("a", 100)

    assert one(story, at=at).now == text


@pytest.mark.parametrize(
    ("progress", "word", "text"),
    [
        (StageProgress(0, 0), "Running", "Script deployment"),
        (StageProgress(0, 0, "", "hashing"), "Running", "hashing"),
        (StageProgress(0, 3, "packages", "installing tcpdump"), "0 of 3", "Installing tcpdump, 3 packages"),
        (StageProgress(1, 2, "dependencies"), "1 of 2", "Dependency 1 of 2"),
        (StageProgress(3, 2), "3 of 2", "Step 3 of 2"),
        (StageProgress(MIB, 4 * MIB, "bytes"), "25 %", "1.0 of 4.0 MiB"),
        (StageProgress(MIB, 4 * MIB, "bytes", "sending files of x"), "25 %", "1.0 of 4.0 MiB"),
        (StageProgress(4 * MIB, 4 * MIB, "bytes", "checking"), "100 %", "4.0 of 4.0 MiB, checking"),
    ],
)
def test_progress_reads_well(progress: StageProgress, word: str, text: str) -> None:
    story = Story(["a"])
    story.running("a", 1, 1, 1, progress=progress)

    assert one(story).stages[3].word == word
    assert one(story).now == text


def test_a_wait_for_another_attempt_counts_down_and_the_attempt_is_counted() -> None:
    story = Story(["a"])
    story.retrying("a", 1, because=STALLED, attempts=1, wait=8)

    assert one(story, at=190).now == "No reply for 20 s, trying again in 6 s"
    assert one(story, at=197).now == "No reply for 20 s, trying again now"
    assert one(story).stages[1].word == "Retry 1"
    story.retrying("a", because=STALLED, attempts=3, wait=8)
    assert one(story).stages[0].word == "Retry 3"


@pytest.mark.parametrize(
    ("status", "condition", "text"),
    [
        (Status.CANCELLED, Condition.CANCELLED, "Cancelled"),
        (Status.INTERRUPTED, Condition.INTERRUPTED, "kdeploy ended while it went on"),
        (Status.COMPLETED, Condition.SUCCEEDED, "Succeeded"),
    ],
)
def test_every_end_has_a_word(status: Status, condition: Condition, text: str) -> None:
    story = Story(["a"])
    story.running("a", 1, 2)
    story.tell(EnvironmentFinished(status, False), "a")

    row = one(story, at=1000)

    assert (row.condition, row.now, row.elapsed) == (condition, text, "0:03")
    assert row.final


def test_an_estimate_is_made_only_where_it_can_be_known() -> None:
    story = Story(["a", "b"])
    story.ready("a", 10, 10, 10, 10, 10, 100)
    story.running("b", 10)
    assert totals_of(story.state, START + timedelta(seconds=12)).left == "About 2 min left"
    assert totals_of(story.state, START + timedelta(seconds=30)).left == "", "slower than the other one: nobody knows"
    story.at = 12
    story.running("b", 10, 10, 10, 10, 10)
    assert totals_of(story.state, START + timedelta(seconds=140)).left == "Less than 1 min left"
    story.end(Outcome.SUCCEEDED)
    assert totals_of(story.state, START + timedelta(seconds=140)).left == ""
    alone = Story(["a"])
    alone.running("a", 10)
    assert totals_of(alone.state, NOW).left == ""


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0:00"), (9.9, "0:09"), (750, "12:30"), (7500, "2:05:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_foreign_text_is_made_harmless_and_stays_one_line() -> None:
    story = Story(["a"])
    hostile = "<b>x</b>\x1b[31m\u202e\x00\n" + "y" * 1_000_000
    story.failed("a", 1, because=failure("E-X", Category.TARGET, hostile), took=3)

    assert is_visible(one(story).now)
    assert one(story).now.startswith("<b>x</b>\\x1b[31m")


@given(fleets(largest=12), st.integers(0, 2**32), st.booleans(), st.floats(0, 600))
def test_any_run_has_rows_and_totals(fleet: Fleet, seed: int, ended: bool, later: float) -> None:
    run = fold(fleet.interleaved(1, seed, ended=ended))
    moment = START + timedelta(seconds=later)

    found = [row_of(each, run, moment) for each in run.environments.values()]
    totals = totals_of(run, moment)

    assert sum(number for _, number in totals.counts) == len(found) == totals.environments
    assert all(is_visible(each.now) for each in found)
    assert all(cell.share is None or 0 <= cell.share <= 1 for each in found for cell in each.stages)
    assert all(each.stage is None or 0 <= each.stage < len(STAGES) for each in found)
    assert totals.stages == len(found) * len(Stage)
