"""The wizard as a whole: one draft through its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.wizard.drafts import Drafts
from kdeploy_gui.ui.wizard.page import REVIEW, WizardPage
from tests.ui.answers import Answers


def open_page(session: Session, qtbot: QtBot) -> WizardPage:
    drafts = Drafts(session)
    drafts.new()
    qtbot.waitUntil(lambda: len(drafts.open) == 1)
    page = WizardPage(session, drafts, drafts.open[0].id)
    qtbot.addWidget(page)
    page.resize(1440, 800)
    page.show()
    return page


@pytest.fixture
def page(session: Session, qtbot: QtBot) -> Iterator[WizardPage]:
    found = open_page(session, qtbot)
    yield found
    found.hide()


@pytest.fixture
def sample(demo: Session, qtbot: QtBot) -> Iterator[WizardPage]:
    found = open_page(demo, qtbot)
    qtbot.waitUntil(lambda: len(demo.machines.environments) == 6)
    yield found
    found.hide()


def test_an_empty_draft_says_what_is_missing(page: WizardPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.checked and bool(page.problems))
    page.go_to(REVIEW)

    assert not page.forward.isEnabled()
    assert "problem" in page.forward.toolTip()
    assert any(step.problems > 0 for step in page.bar.steps)


def test_steps_are_visited_by_keyboard_in_any_order(page: WizardPage, qtbot: QtBot) -> None:
    page.bar.setFocus()

    QTest.keyClick(page.bar, Qt.Key.Key_Right)
    QTest.keyClick(page.bar, Qt.Key.Key_Right)
    assert page.bar.current == 2
    QTest.keyClick(page.bar, Qt.Key.Key_Left)
    assert page.bar.current == 1

    page.go_to(4)
    page.back()
    page.next()
    assert page.bar.current == 4
    assert "Validation" in page.bar.accessibleName()


def test_going_on_step_by_step_never_deploys(sample: WizardPage, demo: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: sample.checked)
    for _ in range(REVIEW):
        demo.commands.run("wizard.forward")
    qtbot.waitUntil(lambda: sample.forward.isEnabled(), timeout=30_000)

    demo.commands.run("wizard.forward")

    assert sample.bar.current == REVIEW
    assert sample.review.grid.hasFocus()
    assert sample.forward.isEnabled()
    demo.commands.run("wizard.back")
    assert sample.bar.current == REVIEW - 1


def test_the_next_button_names_the_step(page: WizardPage) -> None:
    page.go_to(0)
    assert page.forward.text() == "Next: artifacts"
    assert not page.backward.isEnabled()


def test_what_is_left_out_can_be_taken_back(sample: WizardPage, demo: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: sample.checked)
    sample.go_to(REVIEW)
    qtbot.waitUntil(lambda: sample.forward.isEnabled(), timeout=30_000)
    assert sample.forward.text() == "Deploy to 6 environments"

    sample.review.leave_out.emit(("board-5-locked", "board-6-bare"))
    qtbot.waitUntil(lambda: sample.forward.text() == "Deploy to 4 environments")

    demo.undo.take_back()
    qtbot.waitUntil(lambda: sample.forward.text() == "Deploy to 6 environments")


def test_a_plan_is_saved_as_a_file_that_reads_the_same(
    sample: WizardPage, demo: Session, answers: Answers, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "mine.toml"
    answers.paths.append(path)
    qtbot.waitUntil(lambda: sample.checked)

    sample.save_as()
    qtbot.waitUntil(path.exists)
    qtbot.waitUntil(lambda: sample.checked and not demo.bridge.busy)

    planned = demo.services.plans.check(path)
    assert planned.problems == ()
    assert planned.plan is not None
    assert len(planned.plan.environments) == 6
    assert sample.problems == ()


def test_a_sample_deployment_goes_to_its_run(sample: WizardPage, demo: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: sample.checked)
    sample.go_to(REVIEW)
    qtbot.waitUntil(lambda: sample.forward.isEnabled(), timeout=30_000)

    with qtbot.waitSignal(demo.navigator.moved) as moved:
        QTest.mouseClick(sample.forward, Qt.MouseButton.LeftButton)

    assert moved.args is not None
    run = moved.args[0].run
    source = demo.services.plan_source(run)
    assert source is not None
    assert "sample-suite" in source.text
