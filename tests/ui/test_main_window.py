"""The whole window on an empty home and on the embedded lab."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.application import add_shell_commands
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.wizard.page import REVIEW, WizardPage
from tests.ui.answers import Answers
from tests.ui.console.test_page import Machine


def open_window(session: Session, qtbot: QtBot) -> MainWindow:
    add_shell_commands(session, lambda _: None, lambda: None)
    window = MainWindow(session)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    session.navigator.fleet()
    return window


@pytest.fixture
def window(session: Session, qtbot: QtBot) -> Iterator[MainWindow]:
    found = open_window(session, qtbot)
    yield found
    found.hide()


@pytest.fixture
def demo_window(demo: Session, qtbot: QtBot) -> Iterator[MainWindow]:
    found = open_window(demo, qtbot)
    qtbot.waitUntil(lambda: len(demo.machines.environments) == 6)
    yield found
    found.hide()


def test_the_console_of_a_machine_that_no_run_has_worked_on(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    with closing(Machine()) as machine:
        session.services.inventory.add(machine.environment)
        session.machines.reload()
        qtbot.waitUntil(lambda: session.machines.get("board-a") is not None)
        session.machines.select(["board-a"])
        session.navigator.history()
        session.commands.run("view.console")
        detail = window.fleet.fleet.detail
        qtbot.waitUntil(lambda: detail.console.view.isVisible() and len(detail.console.view.document) == 2)
    assert detail.title.name.text() == "board-a"
    assert session.navigator.place == Place(Where.FLEET)


def test_an_empty_home_shows_the_start_page(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: session.machines.loaded)
    qtbot.waitUntil(window.fleet.start.isVisible)
    focus = QApplication.focusWidget()
    assert focus is not None
    assert focus.accessibleName() == "Start demo lab"

    session.services.inventory.add(Environment(name="board-1", host="127.0.0.1", port=1))
    session.machines.reload()

    qtbot.waitUntil(window.fleet.fleet.isVisible)


def test_keys_go_to_views_and_back(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.current() is window.errors
    QTest.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    assert window.current() is window.history

    QTest.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert window.current() is window.errors
    QTest.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert window.current() is window.history


def test_f6_goes_round_the_regions(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    session.navigator.error()
    seen: set[QWidget] = set()
    for _ in range(2):
        QTest.keyClick(window, Qt.Key.Key_F6)
        focus = QApplication.focusWidget()
        assert focus is not None
        seen.add(focus)

    assert len(seen) == 2


def test_a_failure_outside_a_run_is_told_and_can_be_dismissed(
    window: MainWindow, session: Session, answers: Answers, qtbot: QtBot
) -> None:
    session.bridge.failed.emit(LocalError("E-WRITE", "the disk is full"))

    qtbot.waitUntil(window.notice.isVisible)
    assert answers.failures[0].code == "E-WRITE"


def test_size_and_look_are_remembered(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    session.commands.run("theme.light")
    session.commands.run("text.larger")
    window.save_state()

    assert session.settings.value("window/theme") == "light"
    assert int(str(session.settings.value("window/text"))) == 110


def test_every_command_has_a_key_or_a_reason_for_none(window: MainWindow, session: Session) -> None:
    without = [each.id for each in session.commands.all() if not each.shortcut and not each.no_key]
    assert without == []


def test_no_two_commands_of_one_scope_share_a_key(window: MainWindow, session: Session) -> None:
    taken: dict[tuple[str, str], str] = {}
    for each in session.commands.all():
        for key in (each.shortcut, *each.also):
            for scope in {each.scope, ""} if key else set():
                clash = taken.get((scope, key))
                if scope == each.scope or clash is not None:
                    assert clash is None or clash == each.id, f"{key}: {clash} and {each.id}"
            if key:
                taken[each.scope, key] = each.id


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[int]:
    """The port of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def start_long_run(session: Session, port: int, folder: Path) -> int:
    key = "SHA256:" + "a" * 43
    session.services.inventory.add(Environment(name="silent", host="127.0.0.1", port=port, host_keys=(key,)))
    (folder / "run.sh").write_text("#!/bin/sh\n")
    plan = folder / "plan.toml"
    plan.write_text(
        'name = "long"\nenvironments = ["silent"]\n[[artifacts]]\nsource = "run.sh"\ntype = "script"\n'
        'target = "~/run.sh"\nmode = "0755"\n'
    )
    planned = session.services.plans.check(plan)
    assert planned.plan is not None
    run = session.services.submit(planned.plan, planned.source)
    session.runs.open(run)
    return run


def test_closing_during_a_run_asks_and_does_what_it_says(
    session: Session, answers: Answers, silent: int, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window(session, qtbot)
    run = start_long_run(session, silent, tmp_path)
    qtbot.waitUntil(lambda: run in session.runs.active)
    answers.yes.extend([False, True])

    window.close()
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    assert window.isVisible()
    with qtbot.waitSignal(window.closing):
        window.close()

    assert len(answers.asked) == 2
    state = session.runs.state(run)
    assert state is not None
    assert state.outcome is Outcome.CANCELLED
    window.hide()


def test_closing_twice_asks_once(session: Session, answers: Answers, silent: int, tmp_path: Path, qtbot: QtBot) -> None:
    window = open_window(session, qtbot)
    run = start_long_run(session, silent, tmp_path)
    qtbot.waitUntil(lambda: run in session.runs.active)
    answers.yes.extend([False, True])

    window.close()
    window.close()
    qtbot.waitUntil(lambda: bool(answers.asked) and not window._asks_to_close)
    QApplication.processEvents()
    assert len(answers.asked) == 1
    assert session.runs.active == (run,)

    with qtbot.waitSignal(window.closing):
        window.close()
    assert len(answers.asked) == 2
    window.hide()


def test_from_the_wizard_to_a_run_mended_and_retried(
    demo_window: MainWindow, demo: Session, answers: Answers, qtbot: QtBot
) -> None:
    window = demo_window
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: isinstance(window.current(), WizardPage))
    page = window.current()
    assert isinstance(page, WizardPage)
    for _ in range(REVIEW):
        QTest.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.checked and page.forward.isEnabled())
    assert page.forward.text() == "Deploy to 6 environments"

    QTest.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: window.errors.inbox.open_count == 3, timeout=30_000)
    assert window.drafts.open == ()
    answers.yes.append(True)
    offered = demo.services.inventory.offered("board-4-reflashed")
    demo.services.inventory.trust("board-4-reflashed", offered.fingerprint)
    demo.navigator.error(1, "board-4-reflashed")
    qtbot.waitUntil(lambda: window.errors.cause is not None)
    assert window.errors.cause is not None
    assert window.errors.cause.newest.environment == "board-4-reflashed"
    ways = [each.button for each in window.errors.detail.actions_shown]
    window.errors.detail.wanted.emit(window.errors.detail.actions_shown[ways.index("Retry...")])

    qtbot.waitUntil(lambda: (state := demo.runs.state(2)) is not None and state.outcome is not None, timeout=30_000)
    state = demo.runs.state(2)
    assert state is not None
    assert state.outcome is Outcome.SUCCEEDED
    assert state.environments["board-4-reflashed"].ready
    qtbot.waitUntil(lambda: window.errors.inbox.open_count == 2)


def test_a_draft_survives_a_restart(session: Session, qtbot: QtBot) -> None:
    first = open_window(session, qtbot)
    session.commands.run("deployment.new")
    qtbot.waitUntil(lambda: len(first.drafts.open) == 1)
    page = first.current()
    assert isinstance(page, WizardPage)
    page.go_to(3)
    page.environments.name.setText("")
    QTest.keyClicks(page.environments.name, "late")
    with qtbot.waitSignal(first.closing):
        first.close()

    stored = session.services.drafts.all().drafts

    assert [(each.step, each.draft.name) for each in stored] == [(3, "late")]


def test_a_place_that_is_left_is_forgotten(window: MainWindow, session: Session, qtbot: QtBot) -> None:
    session.navigator.environment_form()
    form = window.current()

    session.navigator.leave()

    assert window.current() is window.fleet
    assert session.navigator.place == Place(Where.FLEET)
    assert form is not window.current()
