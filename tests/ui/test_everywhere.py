"""What holds for every view: names for screen readers, foreign text as it is, and nothing left behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QCoreApplication,
    QEvent,
    QModelIndex,
    Qt,
    QThread,
    QTimer,
)
from PySide6.QtGui import QAccessible
from PySide6.QtGui import Qt as QtOfGui
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QScrollBar,
    QTabBar,
    QTextEdit,
    QWidget,
)
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    OutputAppended,
    ReadinessChanged,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.plan import PlanSource
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.splat import Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.application import add_shell_commands
from kdeploy_gui.ui.environment_form.guests import GuestsPage
from kdeploy_gui.ui.log.line_view import LineView
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.session import Session, Where
from kdeploy_gui.ui.wizard.page import WizardPage

H = "<b>bold</b> <img src='x'>\x1b[31m\u202elive\x00\u2066\x9b"
LONG = H + "z" * 1_000_000
Kind = TypeVar("Kind", QTimer, QThread)
ROWS = 300
"""Rows of a model that are looked at."""

LAB = r"""
[[environment]]
name = "x"
host = "127.0.0.1"
port = 1
host_key = "SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

[[environment]]
name = "y"
host = "<b>host</b>\u001b[31m\u202e"
group = "<b>group</b>\u001b\u202e"
tags = ["<b>tag</b>\u0000\u202e"]
"<b>\u001bkey\u202e" = 1
"""
NODE = (
    "<node><domain type='test'><name>&lt;b&gt;guest\u202e</name><memory>8192</memory>"
    "<os><type arch='x86_64'>hvm</type></os></domain></node>"
)
PLAN = """
name = "hostile"
environments = ["x"]
[[artifacts]]
source = "*"
type = "data"
target = "~/x/"
mode = "0644"
"""


def tell_run(session: Session, folder: Path) -> int:
    """A run that failed, with hostile text wherever the other side chooses it."""
    history = session.services.history
    run = history.begin(H, ["x"], PlanSource(PLAN, folder))
    error = Failure(
        "E-" + H, Category.TARGET, LONG, "error", Place("x", Stage.DEPLOYING.value, H), H, H, Evidence(H, 1, H + LONG)
    )
    output = f"{H}\n{LONG}\n[ 1.0] BUG: {H}\n".encode()
    offset = session.services.output.append(run, "x", output)
    bodies: list[tuple[Body, Stage | None]] = [
        (RunSubmitted(H, ("x",)), None),
        (RunStarted(), None),
        (StageStarted(), Stage.DEPENDENCIES),
        (FactFound(H, H), Stage.DEPENDENCIES),
        (TargetRebooted(H, H), Stage.DEPENDENCIES),
        (DependencyDone(H, H, H, H), Stage.DEPENDENCIES),
        (StageFinished(StageOutcome.SUCCEEDED, 1.0), Stage.DEPENDENCIES),
        (StageStarted(), Stage.DEPLOYING),
        (OutputAppended(offset, len(output)), Stage.DEPLOYING),
        (StageProgress(1, 2, H, H), Stage.DEPLOYING),
        (FileDone(H, "sent", 1, H), Stage.DEPLOYING),
        (InstrumentState(H, H, H, H, H, H, H), Stage.DEPLOYING),
        (CheckDone(H, False, H, H), Stage.DEPLOYING),
        (SplatSeen(Splat(kind=SplatClass.OOPS, title=H, severity=Severity.CRASH), True), Stage.DEPLOYING),
        (ReadinessChanged(False, H), Stage.DEPLOYING),
        (StageFinished(StageOutcome.FAILED, 1.0), Stage.DEPLOYING),
        (EnvironmentFinished(Status.FAILED, False, error), None),
    ]
    events: list[Event] = []

    def add(body: Body, stage: Stage | None) -> None:
        name = "" if isinstance(body, RunSubmitted | RunStarted | RunFinished) else "x"
        seq, attempt = len(events) + 1, 1 if stage else 0
        events.append(
            Event(seq=seq, time=datetime.now(UTC), run=run, body=body, environment=name, stage=stage, attempt=attempt)
        )

    for body, stage in bodies:
        add(body, stage)
    add(RunFinished(Outcome.FAILED, fold(events).summary()), None)
    history.append(events)
    history.release(run)
    return run


def settle(session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not session.bridge.busy, timeout=30_000)


def open_window(session: Session, qtbot: QtBot) -> MainWindow:
    add_shell_commands(session, lambda _: None, lambda: None)
    window = MainWindow(session)
    window.show()
    qtbot.waitUntil(lambda: session.machines.loaded)
    settle(session, qtbot)
    return window


def places(window: MainWindow, session: Session, folder: Path, run: int, qtbot: QtBot) -> Iterator[str]:
    """Go through the window, view by view; its name once it shows what it has."""
    go = session.navigator
    go.start()
    settle(session, qtbot)
    yield "start"
    go.fleet(run, "x")
    qtbot.waitUntil(lambda: (state := session.runs.state(run)) is not None and state.outcome is not None)
    detail = window.fleet.fleet.detail
    session.machines.select(["x"])
    session.commands.run("environment.tags")
    window.fleet.tree.filter.set_text(f"!{H}")
    window.fleet.tree.saved.model.put(H, H)
    yield "fleet, tree"
    window.fleet.tree.filter.set_text("")
    for number in range(detail.tabs.count()):
        detail.tabs.setCurrentIndex(number)
        settle(session, qtbot)
        qtbot.wait(50)
        yield f"fleet, {detail.tabs.tabText(number)}"
    session.commands.run("fleet.panes")
    settle(session, qtbot)
    yield "fleet, panes"
    session.commands.run("fleet.grid")
    go.error(run, "x")
    qtbot.waitUntil(lambda: window.errors.cause is not None)
    settle(session, qtbot)
    yield "errors"
    go.history(run)
    settle(session, qtbot)
    qtbot.wait(50)
    yield "history"
    go.environment_form("x")
    settle(session, qtbot)
    yield "form"
    go.environment_form()
    yield "new environment"
    go.trust("x")
    settle(session, qtbot)
    yield "trust"
    go.importing()
    settle(session, qtbot)
    yield "import"
    yield from guests(window, session, folder, qtbot)
    go.fleet(run, "x")
    detail.tabs.setCurrentIndex(0)
    window.palette_panel.open()
    yield "palette"
    window.cheat_sheet.open()
    yield "cheat sheet"
    yield from wizard(window, session, folder, qtbot)


def guests(window: MainWindow, session: Session, folder: Path, qtbot: QtBot) -> Iterator[str]:
    session.navigator.guests()
    yield "guests"
    page = window.current()
    assert isinstance(page, GuestsPage)
    page.uri.setEditText(f"test://{folder / 'node.xml'}")
    page.look.click()
    settle(session, qtbot)
    qtbot.wait(50)
    yield "guests of a hypervisor"


def wizard(window: MainWindow, session: Session, folder: Path, qtbot: QtBot) -> Iterator[str]:
    plan = folder / "plan.toml"
    plan.write_text(PLAN)
    window.drafts.from_file(plan)
    qtbot.waitUntil(lambda: isinstance(window.current(), WizardPage))
    page = window.current()
    assert isinstance(page, WizardPage)
    draft = window.drafts.open[0]
    window.drafts.update(replace(draft, draft=replace(draft.draft, name=H)))
    for number in range(6):
        page.go_to(number)
        qtbot.wait(50)
        settle(session, qtbot)
        yield f"wizard, step {number + 1}"


@pytest.fixture
def hostile(session: Session, tmp_path: Path) -> tuple[Path, int]:
    """A home full of hostile text: the plan's folder and the number of the run."""
    folder = tmp_path / "plan"
    folder.mkdir()
    (folder / "a<b>bold<!--\x1b[31m\u202e\n.sh").write_text("x")
    (folder / "node.xml").write_text(NODE)
    config = tmp_path / "ssh"
    config.write_text(f"Host <b>x</b>\u202e\n  HostName {H.replace(chr(0), '')}\nHost good\n  HostName <img>\x1b\n")
    session.services.inventory.ssh_config = config
    run = tell_run(session, folder)
    session.services.lab_file.write_text(LAB)
    session.machines.reload()
    return folder, run


def is_part(widget: QWidget) -> bool:
    """Whether a widget is a part of another one that speaks for it."""
    parent = widget.parentWidget()
    own = isinstance(widget, QScrollBar | QHeaderView | QMenu) or widget.objectName().startswith("qt_")
    return own or isinstance(parent, QComboBox | QAbstractSpinBox | QTabBar)


def widgets(window: QWidget) -> list[QWidget]:
    return [each for each in window.findChildren(QWidget) if isValid(each) and each.isVisibleTo(window)]


def test_every_widget_that_takes_the_focus_has_a_name(
    session: Session, hostile: tuple[Path, int], qtbot: QtBot
) -> None:
    window = open_window(session, qtbot)
    qtbot.addWidget(window)
    nameless: set[str] = set()

    for _ in places(window, session, *hostile, qtbot):
        for each in widgets(window):
            if each.focusPolicy() == Qt.FocusPolicy.NoFocus or is_part(each):
                continue
            said = QAccessible.queryAccessibleInterface(each)
            if not each.accessibleName() and not said.text(QAccessible.Text.Name):
                nameless.add(type(each).__name__)

    assert not nameless


def test_no_button_is_cut_off_in_the_smallest_window(session: Session, hostile: tuple[Path, int], qtbot: QtBot) -> None:
    window = open_window(session, qtbot)
    qtbot.addWidget(window)
    window.resize(1024, 640)
    cut: set[str] = set()

    for place in places(window, session, *hostile, qtbot):
        for each in widgets(window) if place not in {"palette", "cheat sheet"} else ():  # they lie over others
            seen = each.visibleRegion().boundingRect().width()
            if isinstance(each, QAbstractButton) and 0 < seen < each.width():
                cut.add(f"{place}: {each.accessibleName()[:40]}, {seen} of {each.width()} px")

    assert sorted(cut) == []
    assert (window.width(), window.height()) == (1024, 640)


def test_every_model_is_sound_and_every_place_was_seen(
    session: Session, hostile: tuple[Path, int], qtbot: QtBot, qtmodeltester: ModelTester
) -> None:
    window = open_window(session, qtbot)
    qtbot.addWidget(window)
    seen: dict[int, QAbstractItemModel] = {}
    been: set[Where] = set()

    for _ in places(window, session, *hostile, qtbot):
        place = session.navigator.place
        been |= {place.where} if place is not None else set()
        for view in window.findChildren(QAbstractItemView):
            model = view.model()
            if type(model).__module__.startswith("kdeploy_gui.") and id(model) not in seen:
                seen[id(model)] = model
                qtmodeltester.check(model)  # type: ignore[no-untyped-call]

    made = {each for each in _below(QAbstractItemModel) if each.__module__.startswith("kdeploy_gui.")}
    assert {type(each) for each in seen.values()} == {each for each in made if not each.__subclasses__()}
    assert been == set(Where)


def _below(kind: type[QAbstractItemModel]) -> Iterator[type[QAbstractItemModel]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def test_foreign_text_is_plain_everywhere(session: Session, hostile: tuple[Path, int], qtbot: QtBot) -> None:
    window = open_window(session, qtbot)
    qtbot.addWidget(window)
    wrong: set[str] = set()
    seen: set[str] = set()

    for place in places(window, session, *hostile, qtbot):
        for each in widgets(window):
            for what, text in texts_of(each):
                if "<b>" in text or "&lt;b&gt;" in text:
                    seen.add(place.partition(",")[0])
                if not is_plain(what, text):
                    wrong.add(f"{place}: {what} of {type(each).__name__}: {text[:80]!r}")

    assert sorted(wrong) == []
    assert {"fleet", "errors", "history", "import", "wizard"} <= seen


def is_plain(what: str, text: str) -> bool:
    """Nothing that steers, and nothing that Qt would take for markup: a tooltip is either escaped or no rich text."""
    if what.endswith("tooltip") and QtOfGui.mightBeRichText(text) and not is_escaped(text):
        return False
    return what != "markup" and is_visible(text.replace("\n", "").replace("\t", ""))


def is_escaped(tip: str) -> bool:
    """Whether a tooltip is the rich text that shows a plain one."""
    return tip.startswith("<qt>") and "<" not in tip.removeprefix("<qt>").removesuffix("</qt>").replace("<br>", "")


def texts_of(widget: QWidget) -> Iterator[tuple[str, str]]:
    """All texts that a widget shows or says."""
    yield "tooltip", widget.toolTip()
    yield "accessible name", widget.accessibleName()
    yield "accessible description", widget.accessibleDescription()
    if isinstance(widget, QLabel):
        is_text = widget.textFormat() == Qt.TextFormat.PlainText or not widget.text()
        yield "text" if is_text else "markup", widget.text()
    elif isinstance(widget, QAbstractButton):
        yield "text", widget.text()
    elif isinstance(widget, QPlainTextEdit):
        yield "text", widget.toPlainText()
    elif isinstance(widget, QTextEdit):
        yield "markup", "no view is made of rich text"
    elif isinstance(widget, QComboBox):
        yield "text", widget.currentText()
    elif isinstance(widget, QLineEdit):
        yield "placeholder", widget.placeholderText()
    elif isinstance(widget, QTabBar):
        for number in range(widget.count()):
            yield "text", widget.tabText(number)
    elif isinstance(widget, LineView):
        for row in range(min(widget.count(), ROWS)):
            yield "line", widget.text_of(row)
    elif isinstance(widget, QHeaderView):
        return  # its model is the one of its view
    elif isinstance(widget, QAbstractItemView) and widget.model() is not None:
        yield from cells(widget.model(), QModelIndex())


def cells(model: QAbstractItemModel, parent: QModelIndex) -> Iterator[tuple[str, str]]:
    for row in range(min(model.rowCount(parent), ROWS)):
        for column in range(1 if isinstance(model, QAbstractListModel) else model.columnCount(parent)):
            index = model.index(row, column, parent)
            yield "cell", str(index.data(Qt.ItemDataRole.DisplayRole) or "")
            yield "cell's accessible text", str(index.data(Qt.ItemDataRole.AccessibleTextRole) or "")
            yield "cell's tooltip", str(index.data(Qt.ItemDataRole.ToolTipRole) or "")
        yield from cells(model, model.index(row, 0, parent))


def test_a_closed_window_leaves_nothing_behind(session: Session, hostile: tuple[Path, int], qtbot: QtBot) -> None:
    gc.collect()
    before = {id(each) for each in QApplication.topLevelWidgets()}
    timers = {id(each) for each in alive(QTimer)}
    window = open_window(session, qtbot)
    for _ in places(window, session, *hostile, qtbot):
        pass

    with qtbot.waitSignal(window.closing):
        window.close()
    session.close()
    settle(session, qtbot)
    window.deleteLater()
    del window
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    left = [each for each in QApplication.topLevelWidgets() if id(each) not in before]
    assert not left
    running = [each for each in alive(QTimer) if id(each) not in timers and each.isActive()]
    assert not [(type(each.parent()).__name__, each.interval()) for each in running]
    assert not [each for each in alive(QThread) if each.isRunning() and each is not QThread.currentThread()]


def alive(kind: type[Kind]) -> list[Kind]:
    return [each for each in gc.get_objects() if isinstance(each, kind) and isValid(each)]
