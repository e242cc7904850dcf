"""Passphrases are asked for in the window, when the user starts something: against a real OpenSSH server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import asyncssh
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import Category
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.asking import Asking, SecretPanel
from kdeploy_gui.ui.environment_form import commands as environment_commands
from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.progress import verbs
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.unlocking import WindowAsker
from kdeploy_gui.ui.wizard.drafts import Drafts
from tests.lab.sshd import Sshd
from tests.ui.answers import Answers

WORDS = "open sesame"


@pytest.fixture
def locked(session: Session, sshd: Sshd, qtbot: QtBot) -> Session:
    """A session on one machine whose key is encrypted; it was looked at, and nobody was asked anything."""
    key = asyncssh.read_private_key(sshd.identity_file)
    sshd.identity_file.write_bytes(key.export_private_key(passphrase=WORDS))
    environment_commands.add_commands(session)
    Drafts(session)
    qtbot.addWidget(EnvironmentPanel(session))
    assert session.services.inventory.add(sshd.environment("board-a")) == ()
    session.machines.reload()
    qtbot.waitUntil(lambda: session.machines.result("board-a") is not None)
    return session


def failed_with(session: Session) -> Category | None:
    check = session.machines.result("board-a")
    assert check is not None
    return check.failure.category if check.failure is not None else None


@pytest.mark.sshd
def test_a_check_that_the_user_wants_asks_until_it_is_right(locked: Session, answers: Answers, qtbot: QtBot) -> None:
    assert failed_with(locked) is Category.AUTH
    assert answers.secrets_asked == []
    answers.secrets.extend(["wrong", WORDS])

    locked.commands.run("environment.check_all")

    qtbot.waitUntil(lambda: failed_with(locked) is None)
    assert [again for _, again in answers.secrets_asked] == [False, True]
    assert "Passphrase of " in answers.secrets_asked[0][0]
    locked.commands.run("environment.check_all")
    qtbot.waitUntil(lambda: not locked.bridge.busy)
    assert len(answers.secrets_asked) == 2


@pytest.mark.sshd
def test_a_retry_asks_before_it_starts(locked: Session, answers: Answers, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'name = "one"\nenvironments = ["board-a"]\n[[artifacts]]\nsource = "run.sh"\ntype = "script"\n'
        'target = "~/run.sh"\nmode = "0755"\n'
    )
    planned = locked.services.plans.check(plan)
    assert planned.plan is not None
    run = locked.services.submit(planned.plan, planned.source)
    locked.runs.open(run)
    qtbot.waitUntil(lambda: outcome(locked, run) is Outcome.FAILED)
    answers.yes.append(True)
    answers.secrets.append(WORDS)
    state = locked.runs.state(run)
    assert state is not None

    locked.bridge.spawn(verbs.retry(locked, state), name="retry")

    qtbot.waitUntil(lambda: len(answers.secrets_asked) == 1)
    locked.runs.open(run + 1)
    qtbot.waitUntil(lambda: outcome(locked, run + 1) is Outcome.SUCCEEDED, timeout=30_000)


def outcome(session: Session, run: int) -> Outcome | None:
    state = session.runs.state(run)
    return state.outcome if state is not None else None


def test_the_panel_hides_what_is_typed(look: Look, ui_loop: asyncio.AbstractEventLoop, qtbot: QtBot) -> None:
    asked = ui_loop.create_task(Asking(look).secret("Passphrase of ~/.ssh/<b>key</b>", again=True))

    def panels() -> list[SecretPanel]:
        return [each for each in QApplication.topLevelWidgets() if isinstance(each, SecretPanel) and each.isVisible()]

    qtbot.waitUntil(lambda: len(panels()) == 1)
    field = panels()[0].field
    assert field.echoMode() is QLineEdit.EchoMode.Password
    QTest.keyClicks(field, WORDS)
    QTest.keyClick(field, Qt.Key.Key_Return)

    qtbot.waitUntil(asked.done)
    assert asked.result() == WORDS


def test_who_waits_for_an_answer_goes_on_when_the_window_closes(
    look: Look, ui_loop: asyncio.AbstractEventLoop, qtbot: QtBot
) -> None:
    begun = threading.Event()

    class Silent(Asking):
        async def secret(self, what: str, *, again: bool = False) -> str:
            begun.set()
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            return await never

    asker = WindowAsker(Silent(look), ui_loop)
    said: list[str] = []
    questions = (asker.passphrase("key", number) for number in (1, 2))
    thread = threading.Thread(target=lambda: said.extend(questions), daemon=True)
    thread.start()
    qtbot.waitUntil(begun.is_set)

    asker.close()

    thread.join(30)
    assert said == ["", ""]
