"""The page of a host key: both keys beside each other, pinned only on a deliberate answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_form.trust import TrustPage
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.ui.answers import Answers

Board = Callable[[str], Environment]
Show = Callable[[QWidget], None]


def page_of(session: Session, qtbot: QtBot, show: Show, name: str) -> TrustPage:
    page = TrustPage(session, name)
    show(page)
    return page


def wait_for(page: TrustPage, qtbot: QtBot, words: str) -> None:
    qtbot.waitUntil(
        lambda: not page.test.is_running and page.key.isVisible() and page.key.state.accessibleName() == words,
    )


def test_a_changed_key_is_replaced_after_the_question_only(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers
) -> None:
    changed = board("reflashed")
    page = page_of(demo, qtbot, show, changed.name)
    wait_for(page, qtbot, "Host key is not the pinned one")
    assert page.address.text() == changed.address
    page.focus_first()
    assert page.close_button.hasFocus(), "Enter must not pin"
    answers.yes.extend([False, True])
    QTest.mouseClick(page.key.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    assert demo.services.inventory.get(changed.name).host_keys == changed.host_keys
    assert page.key.offered is not None
    offered = page.key.offered.fingerprint
    QTest.mouseClick(page.key.button, Qt.MouseButton.LeftButton)
    wait_for(page, qtbot, "Host key is pinned")
    assert demo.services.inventory.get(changed.name).host_keys == (offered,)
    assert all(line.condition is Condition.OK for line in page.test.lines.values())
    assert all(each.isVisible() for each in page.regions() if each is not page.key.button)


def test_a_first_key_is_pinned_with_one_click(demo: Session, qtbot: QtBot, board: Board, show: Show) -> None:
    good = board("board-1")
    assert demo.services.inventory.update(good.name, replace(good, host_keys=())) == ()
    page = page_of(demo, qtbot, show, good.name)
    wait_for(page, qtbot, "No host key is pinned")
    QTest.mouseClick(page.key.button, Qt.MouseButton.LeftButton)
    wait_for(page, qtbot, "Host key is pinned")
    assert demo.services.inventory.get(good.name).host_keys == good.host_keys
    with qtbot.waitSignal(page.done):
        QTest.mouseClick(page.close_button, Qt.MouseButton.LeftButton)


def test_a_key_that_was_exchanged_meanwhile_is_not_pinned(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers
) -> None:
    good = board("board-1")
    page = page_of(demo, qtbot, show, good.name)
    wait_for(page, qtbot, "Host key is pinned")
    page.key.accepted.emit("SHA256:" + "A" * 43)
    qtbot.waitUntil(lambda: [each.code for each in answers.failures] == ["E-HOSTKEY-OTHER"])
    assert demo.services.inventory.get(good.name).host_keys == good.host_keys
    assert page.key.button.isEnabled()


def test_an_environment_that_is_gone_is_told(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers
) -> None:
    board("board-1")
    page = page_of(demo, qtbot, show, "gone")
    qtbot.waitUntil(lambda: [each.code for each in answers.failures] == ["E-LAB-UNKNOWN"])
    assert page.key.isHidden()
