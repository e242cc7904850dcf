"""The window's surroundings, real ones: Qt offscreen, services on a fresh home, the embedded lab."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import Services, home_from_environment, open_demo, open_services
from kdeploy_gui.ui.bridge import event_loop
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.session import Session, open_session
from tests.ui.answers import Answers

PATIENCE_MS = 30_000
"""How long a condition may take to come true where a test says nothing else: other tests and disks are slow, too."""


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QtBot:
    """pytest-qt's, with more patience than its 5 s."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitActive"):
        monkeypatch.setattr(qtbot, name, partial(getattr(qtbot, name), timeout=PATIENCE_MS))
    return qtbot


@pytest.fixture(scope="session")
def _loop(qapp: QApplication) -> Iterator[asyncio.AbstractEventLoop]:
    loop = event_loop(qapp, running=True)
    asyncio.events._set_running_loop(None)
    yield loop
    # Not loop.stop(): it would leave the application in a state in which no event loop runs any more.
    setattr(loop, "_QEventLoop__is_running", False)  # noqa: B010 - the attribute's name is mangled
    loop.close()


@pytest.fixture
def ui_loop(_loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """The loop of UI coroutines, running whenever the test lets Qt run."""
    asyncio.events._set_running_loop(_loop)
    yield _loop
    asyncio.events._set_running_loop(None)


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test tells the desktop of whoever runs it; one with a session bus of its own says so."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/dev/null")


@cache
def _only_look(application: QApplication) -> Look:
    """One for the whole process: tests/properties has these fixtures, too, and the style draws with the last look."""
    look = Look(application)
    look.apply(application)
    return look


@pytest.fixture(scope="session")
def _look(qapp: QApplication) -> Look:
    return _only_look(qapp)


@pytest.fixture
def look(_look: Look) -> Iterator[Look]:
    """The dark look at 100 %."""
    _look.set_theme("dark")
    yield _look
    _look.set_theme("dark")
    _look.set_text_size(100)
    _look.set_density("comfortable")


@pytest.fixture
def answers(look: Look) -> Answers:
    """What the user will answer to questions."""
    return Answers(look)


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    """Window settings that start empty."""
    return QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def services(kdeploy_home: Path) -> Iterator[Services]:
    """Services on an empty home."""
    with open_services(home_from_environment()) as opened:
        yield opened


@pytest.fixture
def session(
    ui_loop: asyncio.AbstractEventLoop,
    services: Services,
    look: Look,
    settings: QSettings,
    answers: Answers,
    unexpected: list[BaseException],
) -> Iterator[Session]:
    """A session on an empty home."""
    opened = open_session(services, look, settings, answers)
    yield opened
    _close(opened, unexpected)


@pytest.fixture
def demo(
    ui_loop: asyncio.AbstractEventLoop,
    tmp_path: Path,
    look: Look,
    settings: QSettings,
    answers: Answers,
    unexpected: list[BaseException],
) -> Iterator[Session]:
    """A session on the embedded lab of six boards, four of them with a fault; its machines are being checked."""
    with open_demo(6, tmp_path / "demo") as (opened, _plan):
        session = open_session(opened, look, settings, answers)
        yield session
        _close(session, unexpected)


@pytest.fixture
def unexpected(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Exceptions of UI coroutines that nobody expected; a test that has any fails."""
    found: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: found.append(error))
    return found


def finish(session: Session) -> None:
    """Let the coroutines of a closed session end."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while session.bridge.busy and time.monotonic() < deadline:
        QTest.qWait(1)


def _close(session: Session, unexpected: list[BaseException]) -> None:
    session.close()
    finish(session)
    assert not session.bridge.busy, "UI coroutines go on although the session is closed"
    assert not unexpected, unexpected


@pytest.fixture(autouse=True)
def nothing_left_open(qapp: QApplication) -> Iterator[None]:
    """A window that a test leaves open takes the pointer and the focus from the next one."""
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [each for each in QApplication.topLevelWidgets() if each.isVisible()]
    names = [f"{type(each).__name__} {each.windowTitle()}" for each in left]
    for each in left:
        each.close()
    assert not names, f"still open: {names}"
