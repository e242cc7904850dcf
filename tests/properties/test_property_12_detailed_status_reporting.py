"""Property 12: detailed status reporting

For any step of any environment the window shows its status, its start, how long it takes or took, its attempt and what
is being done.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.event import Event, StageFinished, StageProgress, StageStarted
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.progress.model import Column, FleetModel
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.session import Session
from tests.strategies import START, Fleet, Step, fleets
from tests.ui.progress.pages import open_page

TOOLTIP = Qt.ItemDataRole.ToolTipRole
DISPLAY = Qt.ItemDataRole.DisplayRole
WORDS = {
    StageOutcome.SUCCEEDED: "Done",
    StageOutcome.FAILED: "Failed",
    StageOutcome.CANCELLED: "Cancelled",
}


def local(event: Event) -> str:
    return event.time.astimezone().strftime("%H:%M:%S")


def minutes(seconds: float) -> str:
    """An oracle of its own for `m:ss`."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def shown(model: FleetModel, name: str, stage: Stage, role: int) -> str:
    column = Column.STAGES + list(Stage).index(stage)
    return str(model.data(model.index(model.place(name), column), role))


@settings(max_examples=100)
@given(fleets(largest=6), st.integers(0, 2**32), st.integers(0, 7200))
def test_every_step_says_status_start_duration_and_attempt(fleet: Fleet, seed: int, later: int) -> None:
    events = fleet.interleaved(1, seed)
    moment = START + timedelta(seconds=later)
    model = FleetModel()

    model.show(fold(events), moment)

    for name in fleet.steps:
        for stage in Stage:
            own = [each for each in events if (each.environment, each.stage) == (name, stage)]
            starts = [each for each in own if isinstance(each.body, StageStarted)]
            ends = [each.body for each in own if isinstance(each.body, StageFinished)]
            text, tip = shown(model, name, stage, DISPLAY), shown(model, name, stage, TOOLTIP)
            assert tip.startswith(f"{stage.label.capitalize()}: {text}")
            if not starts:
                assert text in {"Pending", "Queued", "Not run"}
                continue
            assert f"Started {local(starts[0])}, attempt {starts[-1].attempt}" in tip
            if ends and ends[-1].outcome in WORDS:
                assert text.startswith(WORDS[ends[-1].outcome])
                if int(ends[-1].seconds):
                    assert text.endswith(f", {minutes(ends[-1].seconds)}")


@settings(max_examples=100)
@given(st.sampled_from(Stage), st.integers(1, 5), st.integers(0, 3000), st.text(min_size=1, max_size=30))
def test_the_current_action_is_said_where_the_work_is(stage: Stage, attempt: int, seconds: int, note: str) -> None:
    steps = (Step(StageStarted(), stage, attempt), Step(StageProgress(0, 0, "", note), stage, attempt))
    model = FleetModel()
    began = START  # the first step of an environment happens then

    model.show(fold(Fleet({"board": steps}).interleaved(1, 0)), began + timedelta(seconds=seconds))

    row = model.at(0)
    assert row.now.startswith(visible(note))
    assert row.now in shown(model, "board", stage, TOOLTIP)
    word = "Running" if attempt == 1 else f"Retry {attempt - 1}"
    assert shown(model, "board", stage, DISPLAY) == f"{word}, {minutes(seconds)}"
    assert ("last news" in row.now) is (seconds - 1 >= 10), "what is said gets an age"


@pytest.mark.sshd
def test_steps_of_a_real_run_are_told_in_detail(demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    plan = demo.services.plans.check(sample).plan
    assert plan is not None
    with open_page(demo) as page:
        run = demo.services.submit(plan)
        page.show_run(run)
        actions: set[str] = set()

        def look() -> bool:
            actions.update(row.now for row in page.model.shown() if not row.final)
            return page.model.run.outcome is not None

        qtbot.waitUntil(look, timeout=60_000)

        assert len(actions) > 3, "what goes on was said while it went on"
        for name, state in page.model.run.environments.items():
            for each in state.stages:
                tip = shown(page.model, name, each.stage, TOOLTIP)
                if each.started is not None:
                    assert f"attempt {each.attempts}" in tip
                    assert each.started.astimezone().strftime("%H:%M:%S") in tip
            if state.status is Status.FAILED and state.error is not None:
                assert page.model.at(page.model.place(name)).now == visible(sentence(state.error.message))
