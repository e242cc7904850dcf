"""The charts over the list of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.history import FailedEnvironment, RunRecord, StageTime
from kdeploy_gui.model.stage import Outcome, Stage
from kdeploy_gui.ui.history.charts import ChartStrip
from kdeploy_gui.ui.history.trends import DAYS, Day, Trends, beginning, trends_of
from kdeploy_gui.ui.look import Look

NOW = datetime(2026, 11, 26, 14, 35, 20, tzinfo=UTC)
TODAY = NOW.astimezone().date()


def record(days_ago: int, outcome: Outcome | None, *codes: str) -> RunRecord:
    moment = NOW.astimezone() - timedelta(days=days_ago)
    failed = tuple(FailedEnvironment(f"board-{number}", code) for number, code in enumerate(codes))
    return RunRecord(
        run=1,
        plan="smoke",
        submitted=moment,
        finished=moment if outcome else None,
        outcome=outcome,
        environments=("board-0", "board-1"),
        ready=0,
        failed=failed,
    )


def test_runs_are_counted_by_day_and_failures_by_cause() -> None:
    records = [
        record(0, None, "E-AUTH"),
        record(0, Outcome.SUCCEEDED),
        record(1, Outcome.FAILED, "E-NOSPC", "E-NOSPC"),
        record(1, Outcome.CANCELLED),
        record(1, Outcome.INTERRUPTED),
        record(DAYS - 1, Outcome.SUCCEEDED),
    ]

    found = trends_of(records, (), NOW)

    assert len(found.days) == DAYS
    assert found.days[-1] == Day(TODAY, succeeded=1)
    assert found.days[-2] == Day(TODAY - timedelta(days=1), failed=1, unfinished=2)
    assert found.days[0] == Day(beginning(NOW).date(), succeeded=1)
    assert (found.succeeded, found.total) == (2, 5)
    assert found.causes == (("E-NOSPC", 2), ("E-AUTH", 1))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_charts_tell_their_numbers_and_leave_out_what_has_no_room(look: Look, theme: str, qtbot: QtBot) -> None:
    strip = ChartStrip(look)
    qtbot.addWidget(strip)
    look.set_theme(theme)
    strip.show()
    shown: list[list[bool]] = []
    stages = (StageTime(Stage.DEPLOYING, 41, 136),)
    for trends in (Trends(), trends_of([record(1, Outcome.FAILED, "E-" + "X" * 99, "E-\x1b")], stages, NOW)):
        strip.show_trends(trends)
        shown.clear()
        for width in (1400, 700, 400):
            strip.resize(width, strip.height())
            strip.grab()
            shown.append([each.isVisible() for each in (strip.days, strip.stages, strip.causes)])

    assert shown == [[True, True, True], [True, False, True], [True, False, False]]
    assert strip.days.accessibleName() == "Runs, last 30 days: 0 all ready, 1 some failed, 0 not finished"
    assert strip.stages.accessibleName().endswith("script deployment: half within 0:41, 95 % within 2:16")
    assert strip.causes.accessibleName().endswith(r"E-\x1b 1")
