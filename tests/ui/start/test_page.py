"""The start page: ways to begin that exist, and the doctor's findings with their remedies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.check import Finding
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.start.page import StartPage

NO_MODIFIER = Qt.KeyboardModifier.NoModifier
HOSTILE = "<b>bold</b>\x1b[31m\u202egnp.exe\0" + "x" * 5000
FINDINGS = (
    Finding("keyring", True, "Secret Service, unlocked, test entry written and removed"),
    Finding("ssh agent", None, "none in this session: `identity_file` is needed", "eval $(ssh-agent); ssh-add"),
    Finding("libvirt", False, "Cannot open qemu:///system", 'sudo usermod -aG libvirt "$USER" # then log in again'),
    Finding("disk", True, "212 GB free at /home"),
)


def page_of(session: Session, qtbot: QtBot, findings: Sequence[Finding] = FINDINGS) -> StartPage:
    """A shown start page that has examined."""
    page = StartPage(session, examine=lambda: findings)
    qtbot.addWidget(page)
    page.resize(1176, 800)
    page.show()
    qtbot.waitUntil(lambda: page.list.findings.rowCount() == len(findings))
    return page


def button(page: StartPage, text: str) -> QPushButton:
    """The button of that text."""
    return next(each for each in page.findChildren(QPushButton) if each.text() == text)


def test_findings_are_counted_told_to_readers_and_copied(session: Session, qtbot: QtBot) -> None:
    page = page_of(session, qtbot)
    assert page.summary.text().startswith("2 of 3 OK, checked at ")
    assert not page.checking.isVisible()
    QAbstractItemModelTester(page.list.findings, QAbstractItemModelTester.FailureReportingMode.Fatal)
    index = page.list.findings.index(2)
    told = index.data(Qt.ItemDataRole.AccessibleTextRole)
    assert told.startswith("libvirt: Needs attention. Cannot open qemu:///system. Remedy: sudo usermod")
    row = page.list.visualRect(index)
    assert row.height() > page.list.visualRect(page.list.findings.index(0)).height()
    QTest.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=page.list.drawing.copy_rect(row).center())
    assert QGuiApplication.clipboard().text() == FINDINGS[2].remedy
    page.list.setCurrentIndex(page.list.findings.index(1))
    QTest.keyClick(page.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == FINDINGS[1].remedy


def test_only_commands_that_exist_are_offered_and_the_disabled_say_why(session: Session, qtbot: QtBot) -> None:
    done: list[str] = []
    session.commands.add(
        Command("environment.add", "Add environment...", "Environment", lambda: done.append("add")),
        Command("demo.start", "Start demo lab", "File", lambda: done.append("demo"), enabled=lambda: "It runs already"),
    )
    page = page_of(session, qtbot)
    QTest.mouseClick(button(page, "Add environment..."), Qt.MouseButton.LeftButton)
    assert done == ["add"]
    demo = button(page, "Start demo lab")
    assert not demo.isEnabled()
    assert demo.toolTip() == "It runs already"
    lab = button(page, "Open a lab file...")
    assert not lab.isVisible()
    session.commands.add(Command("lab.open", "Open lab file...", "File", lambda: done.append("lab")))
    assert lab.isVisible()
    page.focus_first()
    first = button(page, "Add environment...")
    assert page.focusWidget() is first
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        QTest.keyClick(first, key)
    QTest.keyClick(first, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    QApplication.sendEvent(first, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, NO_MODIFIER, "\r", True))
    assert done == ["add"] * 4, "each key alone presses what has the focus, once however long it is held"


def test_check_again_shows_new_findings_and_failure_leaves_the_old_ones(session: Session, qtbot: QtBot) -> None:
    answers = iter([FINDINGS, FINDINGS[:1]])

    def examine() -> Sequence[Finding]:
        found = next(answers, None)
        if found is None:
            raise LocalError("E-HOME", "the home cannot be read")
        return found

    page = StartPage(session, examine=examine)
    qtbot.addWidget(page)
    page.show()
    assert not page.again.isEnabled()
    assert page.again.toolTip()
    assert page.checking.isVisible()
    qtbot.waitUntil(lambda: page.list.findings.rowCount() == 4)
    QTest.mouseClick(page.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.list.findings.rowCount() == 1)
    with qtbot.waitSignal(session.bridge.failed):
        QTest.mouseClick(page.again, Qt.MouseButton.LeftButton)
    assert page.list.findings.rowCount() == 1
    assert page.summary.text() == "Not checked"
    qtbot.waitUntil(page.again.isEnabled)


@pytest.mark.parametrize("width", [500, 760, 2560])
def test_nothing_is_clipped_at_any_width_and_hostile_text_stays_text(
    session: Session, qtbot: QtBot, width: int
) -> None:
    page = page_of(session, qtbot, (Finding(HOSTILE, False, HOSTILE, HOSTILE),))
    page.resize(width, 700)
    qtbot.waitUntil(lambda: page.widget().width() == page.viewport().width())
    page.grab()
    assert page.horizontalScrollBar().maximum() == 0
    told = page.list.findings.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert page.list.verticalScrollBar().maximum() == 0
