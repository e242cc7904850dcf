"""Where drafts come from and go to: plan files, runs of before, and the next start of the program."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.session import Session, open_session
from kdeploy_gui.ui.wizard.page import REVIEW, WizardPage
from tests.ui.answers import Answers
from tests.ui.test_main_window import open_window

PLAN = """\
# What the network lab runs every night.
name = "net-smoke"  # known to the dashboards
environments = ["*"]

[policy]
retries = 1  # the switch is flaky

[[artifacts]]
source = "run.sh"  # the runner
type = "script"
target = "~/net/run.sh"
mode = "0755"

# Clocks drift on the boards without a battery.
[validation]
clock_skew = "5s"
"""


def wizard(window: object, qtbot: QtBot) -> WizardPage:
    qtbot.waitUntil(lambda: isinstance(window.current(), WizardPage))  # type: ignore[attr-defined]
    page = window.current()  # type: ignore[attr-defined]
    assert isinstance(page, WizardPage)
    return page


def test_comments_of_a_plan_file_stay_when_it_is_saved_again(
    demo: Session, answers: Answers, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window(demo, qtbot)
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    plan = tmp_path / "net-smoke.toml"
    plan.write_text(PLAN)
    answers.paths.extend([plan, plan])
    demo.commands.run("plan.open")
    page = wizard(window, qtbot)
    qtbot.waitUntil(lambda: page.checked)

    page.environments.name.setFocus()
    page.environments.name.selectAll()
    QTest.keyClicks(page.environments.name, "net-nightly")
    QTest.keyClick(page, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: "net-nightly" in plan.read_text())
    assert plan.read_text() == PLAN.replace('"net-smoke"', '"net-nightly"')
    window.hide()


def test_a_run_is_made_again_with_changes(demo: Session, qtbot: QtBot) -> None:
    window = open_window(demo, qtbot)
    assert demo.services.sample_plan is not None
    planned = demo.services.plans.check(demo.services.sample_plan)
    assert planned.plan is not None
    first = demo.services.submit(planned.plan, planned.source)
    demo.runs.open(first)
    qtbot.waitUntil(lambda: (state := demo.runs.state(first)) is not None and state.outcome is not None, timeout=30_000)

    demo.navigator.history(first)
    qtbot.waitUntil(lambda: window.history.record is not None)
    demo.commands.run("history.again")
    page = wizard(window, qtbot)
    qtbot.waitUntil(lambda: page.checked)
    assert window.drafts.open[0].origin == f"Started from run {first} with changes"
    assert [each.source for each in window.drafts.open[0].draft.artifacts][:2] == ["conf/*", "lib/*.sh"]

    page.environments.model.choose(["board-1"])
    page.environments.model.ticked.emit()
    page.go_to(REVIEW)
    qtbot.waitUntil(lambda: page.forward.isEnabled(), timeout=30_000)
    assert page.forward.text() == "Deploy to 1 environment"
    QTest.mouseClick(page.forward, Qt.MouseButton.LeftButton)

    second = first + 1
    qtbot.waitUntil(
        lambda: (state := demo.runs.state(second)) is not None and state.outcome is not None, timeout=30_000
    )
    state = demo.runs.state(second)
    assert state is not None
    assert list(state.environments) == ["board-1"]
    assert state.environments["board-1"].ready
    window.hide()


def test_the_next_start_opens_the_drafts_where_they_were_left(
    session: Session, look: Look, settings: QSettings, answers: Answers, qtbot: QtBot
) -> None:
    first = open_window(session, qtbot)
    session.commands.run("deployment.new")
    page = wizard(first, qtbot)
    page.go_to(3)
    with qtbot.waitSignal(first.closing):
        first.close()
    session.bridge.close()
    qtbot.waitUntil(lambda: not session.bridge.busy)
    first.hide()

    later = open_session(session.services, look, settings, answers)
    try:
        second = open_window(later, qtbot)
        qtbot.waitUntil(lambda: len(second.drafts.open) == 1)
        draft = second.drafts.open[0]
        assert draft.id in second.top.tabs()
        later.commands.run("view.draft1")
        assert wizard(second, qtbot).bar.current == 3
        second.hide()
    finally:
        later.close()
        qtbot.waitUntil(lambda: not later.bridge.busy)
