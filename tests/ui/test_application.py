"""The program around the window."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import Home, home_from_environment, open_services
from kdeploy_gui.model.event import EnvironmentFinished, Event, RunFinished, RunSubmitted
from kdeploy_gui.model.stage import Outcome, Status
from kdeploy_gui.ui.application import Arguments, Program, _parse, has_display
from kdeploy_gui.ui.look import Look
from tests.ui.conftest import finish


@pytest.fixture
def home(kdeploy_home: Path) -> Home:
    return home_from_environment()


@pytest.fixture
def program(
    qapp: QApplication, look: Look, home: Home, ui_loop: asyncio.AbstractEventLoop, unexpected: list[BaseException]
) -> Iterator[Program]:
    program = Program(qapp, look, home, None)
    yield program
    if program.window is not None:
        program.window.session.close()
        finish(program.window.session)
    program.close()
    assert not unexpected


def title(program: Program) -> str:
    return program.window.windowTitle() if program.window is not None else ""


def test_into_the_demo_and_back(program: Program, qtbot: QtBot) -> None:
    program.start(demo=False)
    assert title(program) == "kdeploy"
    assert program.window is not None
    menus = {each.title(): each for each in program.window.menuBar().findChildren(QMenu)}
    assert "Desktop notifications" in [each.text() for each in menus["View"].actions()]

    program.window.session.commands.run("demo.start")
    qtbot.waitUntil(lambda: title(program) == "kdeploy - demo lab")
    demo = program.window.session
    qtbot.waitUntil(lambda: len(demo.machines.environments) == 6)
    root = demo.services.home.data

    demo.commands.run("demo.leave")
    qtbot.waitUntil(lambda: title(program) == "kdeploy")

    assert not root.exists()


def test_an_interrupted_run_is_told_with_what_to_do(program: Program, home: Home, qtbot: QtBot) -> None:
    with open_services(home) as services:
        run = services.history.begin("net-smoke", ["board-1"])
        body = RunSubmitted("net-smoke", ("board-1",))
        services.history.append([Event(seq=1, time=datetime.now(UTC), run=run, body=body)])
        services.history.release(run)

    program.start(demo=False)

    assert program.window is not None
    window = program.window
    qtbot.waitUntil(window.notice.isVisible)
    state = window.session.services.history.events(run)
    assert isinstance(state[-1].body, RunFinished)
    assert state[-1].body.outcome is Outcome.INTERRUPTED
    assert isinstance(state[-2].body, EnvironmentFinished)
    assert state[-2].body.status is Status.INTERRUPTED


def test_the_report_of_a_program_that_died_is_told(program: Program, home: Home, qtbot: QtBot) -> None:
    folder = home.data / "crashes"
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    (folder / f"{pid}.txt").write_text("Fatal Python error: Segmentation fault\n")

    program.start(demo=False)

    assert program.window is not None
    qtbot.waitUntil(program.window.notice.isVisible)


def test_arguments() -> None:
    assert _parse(["--demo", "--out", "x"]) == Arguments(demo=True, out=Path("x"))
    assert _parse(["--lab", "lab.toml"]) == Arguments(lab=Path("lab.toml"))


def test_without_a_display_there_is_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_display()
