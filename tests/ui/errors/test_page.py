"""The error inbox on real failures of the embedded lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.errors.page import ErrorsPage
from kdeploy_gui.ui.errors.problem_list import Entry, Group
from kdeploy_gui.ui.session import Place, Session, Where


@pytest.fixture
def page(demo: Session, qtbot: QtBot) -> Iterator[ErrorsPage]:
    """The inbox after one run of the sample suite, in which three boards fail."""
    sample = demo.services.sample_plan
    assert sample is not None
    plan = demo.services.plans.check(sample).plan
    assert plan is not None
    run = demo.services.submit(plan)
    for _ in demo.services.follow(run):
        pass
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
        assert failure.message in text
        assert failure.remedy in text
        assert failure.on_target in text
        assert cause.newest.environment in text


def test_the_first_way_out_of_a_changed_key_is_to_compare(page: ErrorsPage, demo: Session, qtbot: QtBot) -> None:
    go_to(page, "E-HOSTKEY-CHANGED")
    page.list.setFocus()

    with qtbot.waitSignal(demo.navigator.moved) as moved:
        qtbot.keyClick(page.list, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)

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
    qtbot.keyClick(page.list, "/")
    qtbot.keyClicks(page.filter.field, "code:E-AUTH")

    assert rows(page)[0] == Group("Needs you", 1, folded=False)
    assert page.filter.count.text() == "1 of 3"

    qtbot.keyClick(page.filter.field, Qt.Key.Key_Escape)
    assert rows(page)[0] == Group("Needs you", 3, folded=False)


def test_groups_fold_by_keyboard(page: ErrorsPage, qtbot: QtBot) -> None:
    page.list.setCurrentIndex(page.list.problems.index(0))

    qtbot.keyClick(page.list, Qt.Key.Key_Return)
    assert rows(page) == [Group("Needs you", 3, folded=True)]

    qtbot.keyClick(page.list, Qt.Key.Key_Return)
    assert len(rows(page)) == 4


def test_the_model_is_sound(page: ErrorsPage, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(page.list.problems)


def test_an_empty_inbox_says_so(session: Session, qtbot: QtBot) -> None:
    page = ErrorsPage(session)
    qtbot.addWidget(page)
    page.show()

    qtbot.waitUntil(lambda: page.inbox.loaded)
    labels = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    assert "No open problems" in labels
