"""The error inbox on real failures of the embedded lab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import DeployOptions
from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.failure import Place as FailurePlace
from kdeploy_gui.model.history import FailureRecord
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.errors.actions import Way
from kdeploy_gui.ui.errors.causes import Cause
from kdeploy_gui.ui.errors.detail import ErrorDetail, WrappedText
from kdeploy_gui.ui.errors.page import ErrorsPage
from kdeploy_gui.ui.errors.problem_list import Entry, Group
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.widgets import Button
from tests.ui.answers import Answers


def deploy(demo: Session) -> int:
    """Run the sample suite, in which three boards fail."""
    sample = demo.services.sample_plan
    assert sample is not None
    planned = demo.services.plans.check(sample)
    assert planned.plan is not None
    run = demo.services.submit(planned.plan, planned.source)
    for _ in demo.services.follow(run):
        pass
    return run


@pytest.fixture
def page(demo: Session, qtbot: QtBot) -> Iterator[ErrorsPage]:
    """The inbox after one run of the sample suite."""
    deploy(demo)
    page = ErrorsPage(demo)
    qtbot.addWidget(page)
    page.resize(1440, 800)
    page.show()
    qtbot.waitUntil(lambda: page.inbox.open_count == 3)
    yield page
    page.hide()


def rows(page: ErrorsPage) -> list[Group | Entry | None]:
    model = page.list.problems
    return [model.item(model.index(number)) for number in range(model.rowCount())]


def shown(page: ErrorsPage) -> str:
    return "\n".join(label.text() for label in page.detail.findChildren(QLabel))


def go_to(page: ErrorsPage, code: str) -> None:
    cause = next(each for each in page.inbox.open if each.newest.failure.code == code)
    assert page.list.choose(("cause", cause.key))


def test_each_cause_is_told_whole(page: ErrorsPage) -> None:
    codes = {each.newest.failure.code for each in page.inbox.open}
    assert codes == {"E-HOSTKEY-CHANGED", "E-AUTH", "E-TOOL-MISSING"}

    for cause in page.inbox.open:
        assert page.list.choose(("cause", cause.key))
        text = shown(page)
        failure = cause.newest.failure
        assert sentence(failure.message) in text
        assert failure.remedy in text
        assert failure.on_target in text
        assert cause.newest.environment in text


def test_the_first_way_out_of_a_changed_key_is_to_compare(page: ErrorsPage, demo: Session, qtbot: QtBot) -> None:
    go_to(page, "E-HOSTKEY-CHANGED")
    page.list.setFocus()

    with qtbot.waitSignal(demo.navigator.moved) as moved:
        QTest.keyClick(page.list, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)

    assert moved.args == [Place(Where.TRUST, name="board-4-reflashed")]


def test_a_report_is_copied(page: ErrorsPage, demo: Session) -> None:
    go_to(page, "E-AUTH")

    demo.commands.run("error.copy")

    text = QGuiApplication.clipboard().text()
    assert "E-AUTH" in text
    assert "board-5-locked" in text
    assert "kdeploy" in text


def test_muting_can_be_taken_back(page: ErrorsPage, demo: Session) -> None:
    go_to(page, "E-TOOL-MISSING")

    demo.commands.run("error.mute")
    assert page.inbox.open_count == 2
    assert Group("Muted", 1, folded=True) in rows(page)

    demo.undo.take_back()
    assert page.inbox.open_count == 3


def test_the_filter_leaves_what_matches(page: ErrorsPage, qtbot: QtBot) -> None:
    QTest.keyClick(page.list, Qt.Key.Key_Slash)
    QTest.keyClicks(page.filter.field, "code:E-AUTH")

    assert rows(page)[0] == Group("Needs you", 1, folded=False)
    assert page.filter.count.text() == "1 of 3"

    QTest.keyClick(page.filter.field, Qt.Key.Key_Escape)
    assert rows(page)[0] == Group("Needs you", 3, folded=False)


def test_groups_fold_by_keyboard(page: ErrorsPage, qtbot: QtBot) -> None:
    page.list.setCurrentIndex(page.list.problems.index(0))

    QTest.keyClick(page.list, Qt.Key.Key_Return)
    assert rows(page) == [Group("Needs you", 3, folded=True)]

    QTest.keyClick(page.list, Qt.Key.Key_Return)
    assert len(rows(page)) == 4


def test_the_model_is_sound(page: ErrorsPage, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(page.list.problems)  # type: ignore[no-untyped-call]


def test_an_empty_inbox_says_so(session: Session, qtbot: QtBot) -> None:
    page = ErrorsPage(session)
    qtbot.addWidget(page)
    page.show()

    qtbot.waitUntil(lambda: page.inbox.loaded)
    labels = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    assert "No open problems" in labels


def test_an_error_keeps_its_buttons_when_the_look_changes(page: ErrorsPage, look: Look) -> None:
    def buttons() -> list[str]:
        return [each.text() for each in page.detail.widget().findChildren(Button)]

    go_to(page, "E-AUTH")
    before = buttons()
    assert {"Mute", "Copy report", "Edit login..."} <= set(before)

    look.set_theme("light")

    assert buttons() == before


def test_every_way_out_does_what_it_says(page: ErrorsPage, demo: Session, answers: Answers, qtbot: QtBot) -> None:
    def press(button: str) -> None:
        shown_buttons = page.detail.widget().findChildren(Button)
        QTest.mouseClick(next(each for each in shown_buttons if each.text() == button), Qt.MouseButton.LeftButton)

    go_to(page, "E-AUTH")
    press("Edit login...")
    assert demo.navigator.place == Place(Where.FORM, name="board-5-locked")
    press("Open log")
    assert demo.navigator.place == Place(Where.FLEET, 1, "board-5-locked", Stage.CONNECTING)
    qtbot.waitUntil(lambda: demo.machines.checked_at("board-5-locked") is not None)
    qtbot.waitUntil(lambda: not demo.machines.is_checking("board-5-locked"))
    with qtbot.waitSignal(demo.machines.checked):
        press("Check")

    answers.yes.append(True)
    press("Retry...")
    qtbot.waitUntil(lambda: demo.navigator.place == Place(Where.FLEET, 2))
    assert answers.asked[0].details == ("board-5-locked",)
    demo.runs.open(2)
    qtbot.waitUntil(lambda: page.inbox.open[0].runs == (2, 1))


def test_a_failure_is_found_behind_a_filter_in_a_folded_group_and_before_the_inbox_is_read(
    page: ErrorsPage, demo: Session, qtbot: QtBot
) -> None:
    go_to(page, "E-AUTH")
    demo.commands.run("error.mute")
    page.filter.set_text("code:E-HOSTKEY")
    page.show_failure(1, "board-5-locked")
    assert page.cause is not None
    assert page.cause.newest.failure.code == "E-AUTH"

    page.show_failure(1, "board-4-reflashed")
    assert page.cause.newest.environment == "board-4-reflashed"


def test_an_inbox_that_is_still_being_read_goes_there_when_it_can(demo: Session, qtbot: QtBot) -> None:
    run = deploy(demo)
    page = ErrorsPage(demo)
    qtbot.addWidget(page)

    page.show_failure(run, "board-6-bare")
    assert page.cause is None

    qtbot.waitUntil(lambda: page.cause is not None and page.cause.newest.environment == "board-6-bare")


def test_each_machine_can_have_an_entry_of_its_own(page: ErrorsPage, qtbot: QtBot) -> None:
    QTest.mouseClick(page._by_environment, Qt.MouseButton.LeftButton)

    assert page.inbox.by_environment
    assert page.inbox.open_count == 3
    QTest.mouseClick(page._by_cause, Qt.MouseButton.LeftButton)
    assert not page.inbox.by_environment


def test_a_missing_tool_leads_to_the_plan_and_a_foreign_key_does_not(page: ErrorsPage, qtbot: QtBot) -> None:
    go_to(page, "E-HOSTKEY-CHANGED")
    assert "Change plan..." not in [each.button for each in page.detail.actions_shown]
    go_to(page, "E-TOOL-MISSING")
    place = [each.button for each in page.detail.actions_shown].index("Change plan...")

    with qtbot.waitSignal(page.plan_wanted) as wanted:
        page.list.setFocus()
        QTest.keyClick(page.list, Qt.Key(Qt.Key.Key_1 + place), Qt.KeyboardModifier.AltModifier)

    assert wanted.args == [1]


def test_long_words_of_a_target_leave_the_buttons_where_they_are(look: Look, qtbot: QtBot) -> None:
    evidence = Evidence("ld --verbose", 1, "w" * 2000 + "\n" + "short\n" * 19)
    failure = Failure(
        "E-LD",
        Category.TARGET,
        "m" * 500,
        "error",
        FailurePlace("board-1", "", "/opt/" + "p" * 300),
        "t" * 300,
        "r" * 300,
        evidence,
    )
    record = FailureRecord(run=1, plan="p", time=datetime.now(UTC), environment="e" * 60, failure=failure)
    detail = ErrorDetail(look)
    qtbot.addWidget(detail)
    detail.resize(660, 500)
    detail.show()

    detail.show_entry(Entry(Cause("key", (record,)), open=True))

    qtbot.waitUntil(lambda: detail.widget().width() == detail.viewport().width())
    for button in detail.findChildren(Button):
        right = button.mapTo(detail.widget(), button.rect().topRight()).x()
        assert 0 < right < detail.viewport().width()
    text = detail.findChild(WrappedText)
    assert text is not None
    line = text.fontMetrics().lineSpacing()
    qtbot.waitUntil(lambda: text.height() >= text.document().size().height() * line > 40 * line)


def test_evidence_is_as_high_as_its_lines(look: Look, qtbot: QtBot) -> None:
    evidence = Evidence("", 1, "Permission denied for user root")
    failure = Failure("E-AUTH", Category.AUTH, "m", "error", FailurePlace("board-1", "", ""), "t", "r", evidence)
    record = FailureRecord(run=1, plan="p", time=datetime.now(UTC), environment="board-1", failure=failure)
    detail = ErrorDetail(look)
    qtbot.addWidget(detail)
    detail.resize(900, 900)
    detail.show()

    detail.show_entry(Entry(Cause("key", (record,)), open=True))

    text = detail.findChild(WrappedText)
    assert text is not None
    block = text.parentWidget()
    assert block is not None
    qtbot.waitUntil(lambda: 0 < block.height() <= text.fontMetrics().lineSpacing() + look.px(28))


def test_failed_checks_are_told_with_what_would_help_and_made_again(demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    planned = demo.services.plans.check(sample, DeployOptions(("board-1",), rollback=False))
    assert planned.plan is not None
    plan = replace(planned.plan, validation=Validation(tools=("no-such-tool",), load=0.0, memory=1 << 60))
    run = demo.services.submit(plan, planned.source)
    for _ in demo.services.follow(run):
        pass
    page = ErrorsPage(demo)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: page.inbox.open_count == 1)
    go_to(page, "E-CHECK")
    text = shown(page)
    assert "memory: End what uses the memory on board-1" in text
    assert "tool no-such-tool: Name the package that brings no-such-tool" in text
    assert page.detail.actions_shown[0].way is Way.VALIDATE
    page.list.setFocus()

    with qtbot.waitSignal(demo.navigator.moved) as moved:
        QTest.keyClick(page.list, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)

    assert moved.args == [Place(Where.FLEET, run + 1)]
    demo.runs.open(run + 1)
    qtbot.waitUntil(lambda: (state := demo.runs.state(run + 1)) is not None and state.outcome is not None)
    state = demo.runs.state(run + 1)
    assert state is not None
    assert state.environments["board-1"].ready, "the limits of the plan that is stored with the run"
    page.hide()
