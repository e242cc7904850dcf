"""Coverage from the window: only where gcov was seen, asked for, followed, cancelled and opened."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import TargetError
from kdeploy_gui.model.coverage import Coverage, CoverageData, CoverageProgress, CoverageReport, CoverageRequest
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.detail.coverage import CoveragePanel
from kdeploy_gui.ui.detail.instrument_commands import COLLECT
from kdeploy_gui.ui.detail.pane import DetailPane
from kdeploy_gui.ui.session import Session
from tests.instruments.test_coverage import ORIGIN
from tests.ui.answers import Answers
from tests.ui.detail.matrix import FTRACE, look

Key = Qt.Key
SEEN = replace(FTRACE, instrument="gcov", state="active")


@dataclass
class Collecting:
    """The engine's side: what was asked for, and when it ends."""

    future: Future[Coverage] = field(default_factory=Future)
    asked: list[CoverageRequest] = field(default_factory=list)
    tell: Callable[[CoverageProgress], None] = lambda told: None

    def start(
        self, environment: Environment, request: CoverageRequest, tell: Callable[[CoverageProgress], None]
    ) -> Future[Coverage]:
        self.asked.append(request)
        self.tell = tell
        return self.future


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was given to the programs of this desktop."""
    made: list[str] = []

    def open_url(url: QUrl) -> bool:
        made.append(url.toLocalFile())
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    return made


@pytest.fixture
def collecting(pane: DetailPane, demo: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Collecting:
    """board-1 is selected, and gcov was seen there."""
    made = Collecting()
    monkeypatch.setattr(demo.services.coverage, "start", made.start)
    monkeypatch.setattr(demo.instruments, "result", lambda environment: look(SEEN))
    qtbot.waitUntil(lambda: demo.machines.loaded)
    demo.machines.select(["board-1"])
    return made


def panel() -> CoveragePanel | None:
    shown = [each for each in QApplication.topLevelWidgets() if isinstance(each, CoveragePanel) and each.isVisible()]
    return shown[0] if shown else None


def the_panel(qtbot: QtBot) -> CoveragePanel:
    qtbot.waitUntil(lambda: panel() is not None)
    found = panel()
    assert found is not None
    return found


def coverage(folder: Path, *, report: bool = True) -> Coverage:
    data = CoverageData(folder=folder, origin=ORIGIN, files=2431, bytes=7 << 20)
    page = folder / "report" / "html" / "index.html"
    made = CoverageReport(page=page, sources=812, lines=120_000, lines_run=40_000, without_notes=3)
    return Coverage(data=data, report=made if report else None)


def test_a_report_is_asked_for_followed_and_opened(
    collecting: Collecting, demo: Session, answers: Answers, qtbot: QtBot, tmp_path: Path, opened: list[str]
) -> None:
    answers.paths += [tmp_path, tmp_path / "linux"]
    answers.yes.append(True)
    demo.commands.run(COLLECT)
    shown = the_panel(qtbot)
    assert collecting.asked == [CoverageRequest(out=tmp_path, build_tree=tmp_path / "linux")]
    assert demo.commands.why_not(COLLECT) == "Its coverage is being collected"

    collecting.tell(CoverageProgress("storing", 100, 2431))
    qtbot.waitUntil(lambda: shown.what.text() == "Storing: 100 of 2431 files")
    collecting.future.set_result(coverage(tmp_path))
    qtbot.waitUntil(shown.open_button.isVisible)
    assert shown.what.text().startswith("40000 of 120000 lines (33.3 %) in 812 source files ran.")
    assert shown.open_button.hasFocus() or shown.open_button.isDefault()
    QTest.keyClick(shown, Key.Key_Return)

    assert opened == [str(tmp_path / "report" / "html" / "index.html")]
    QTest.keyClick(shown, Key.Key_Escape)
    qtbot.waitUntil(lambda: panel() is None)
    assert demo.commands.why_not(COLLECT) == ""


def test_without_a_build_tree_the_folder_is_opened(
    collecting: Collecting, demo: Session, answers: Answers, qtbot: QtBot, tmp_path: Path, opened: list[str]
) -> None:
    answers.paths.append(tmp_path)
    answers.yes.append(False)
    demo.commands.run(COLLECT)
    shown = the_panel(qtbot)
    assert collecting.asked == [CoverageRequest(out=tmp_path)]
    collecting.future.set_result(coverage(tmp_path, report=False))
    qtbot.waitUntil(shown.open_button.isVisible)
    assert shown.open_button.text() == "Open the folder"
    QTest.mouseClick(shown.open_button, Qt.MouseButton.LeftButton)
    assert opened == [str(tmp_path)]
    shown.close()
    qtbot.waitUntil(lambda: panel() is None)


def test_escape_ends_the_collection(
    collecting: Collecting, demo: Session, answers: Answers, qtbot: QtBot, tmp_path: Path
) -> None:
    answers.paths.append(tmp_path)
    answers.yes.append(False)
    demo.commands.run(COLLECT)
    QTest.keyClick(the_panel(qtbot), Key.Key_Escape)
    qtbot.waitUntil(lambda: panel() is None and not demo.commands.why_not(COLLECT))
    assert collecting.future.cancelled()
    assert answers.failures == []


def test_a_failure_is_told_with_its_remedy(
    collecting: Collecting, demo: Session, answers: Answers, qtbot: QtBot, tmp_path: Path
) -> None:
    answers.paths.append(tmp_path)
    answers.yes.append(False)
    demo.commands.run(COLLECT)
    the_panel(qtbot)
    collecting.future.set_exception(TargetError("E-COVERAGE-EMPTY", "not one file of it is instrumented"))
    qtbot.waitUntil(lambda: bool(answers.failures))
    assert panel() is None
    assert (answers.failures[0].code, answers.failures[0].where.environment) == ("E-COVERAGE-EMPTY", "board-1")


def test_it_is_only_there_where_gcov_was_seen(
    collecting: Collecting, demo: Session, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo.commands.why_not(COLLECT) == ""
    monkeypatch.setattr(demo.machines, "run_of", lambda name: 7)
    assert demo.commands.why_not(COLLECT) == "Run 7 works on it"
    for found in (None, look(FTRACE), look(replace(SEEN, state="off"))):
        monkeypatch.setattr(demo.instruments, "result", lambda environment, found=found: found)
        assert demo.commands.why_not(COLLECT).startswith("gcov was not seen there")
    demo.machines.select([])
    assert demo.commands.why_not(COLLECT) == "Select an environment first"


def test_nothing_is_collected_without_a_folder(
    collecting: Collecting, demo: Session, answers: Answers, qtbot: QtBot, tmp_path: Path
) -> None:
    answers.paths += [None, tmp_path, None]
    answers.yes.append(True)
    for _ in range(2):
        demo.commands.run(COLLECT)
        qtbot.waitUntil(lambda: not demo.bridge.busy)
    assert collecting.asked == []
