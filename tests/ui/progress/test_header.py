"""The head of a run."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.progress.header import BUTTONS, RunHeader, SegmentBar, ShortLabel
from kdeploy_gui.ui.progress.rows import time_of_day, totals_of
from kdeploy_gui.ui.session import Session
from tests.ui.progress.runs import NOW, START, Story, net_smoke


@pytest.fixture
def header(session: Session, qtbot: QtBot) -> RunHeader:
    done: list[str] = []
    session.commands.add(*(Command(each, each, "Run", lambda: done.append("x")) for each in BUTTONS))
    widget = RunHeader(session)
    qtbot.addWidget(widget)
    widget.resize(1176, 64)
    widget.show()
    return widget


def buttons(header: RunHeader) -> list[str]:
    return [name for name, button in header.buttons.items() if button.isVisible()]


def test_a_run_that_goes_on(header: RunHeader) -> None:
    header.show_run(net_smoke().state, NOW)

    assert (header.name.text(), header.plan.text) == ("Run 118", "net-smoke")
    assert header.started.text == f"12 environments, started {time_of_day(START)}"
    assert header.left.text() == "Running"
    assert header.elapsed.text == "3:12 elapsed, 49 of 72 stages"
    assert header.segments.accessibleDescription() == "4 ready, 5 running, 1 retrying, 1 waiting, 1 failed"
    assert buttons(header) == ["run.cancel", "run.report"]


def test_a_run_that_has_ended(header: RunHeader) -> None:
    story = net_smoke()
    story.end(Outcome.FAILED)
    header.show_run(story.state, NOW)

    assert header.left.text() == "Failed"
    assert header.elapsed.text == "took 6:40, 49 of 72 stages"
    assert buttons(header) == ["run.retry", "run.report"]
    header.resize(760, 64)
    assert buttons(header) == ["run.retry"]
    assert header.more.isVisible()


def test_before_anything_is_known(header: RunHeader) -> None:
    header.show_run(RunState(run=3), NOW)
    header.show_run(Story(["<b>one</b>"], plan="<i>" + "long " * 300).state, NOW)

    assert header.started.text.startswith("1 environment, started")
    assert not header.grab().isNull()
    assert header.minimumSizeHint().width() < 760


def test_buttons_without_room_are_in_the_menu(header: RunHeader, qtbot: QtBot) -> None:
    header.show_run(net_smoke().state, NOW)
    header.resize(760, 64)

    header.more.click()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert [each.text() for each in menu.actions()] == ["run.retry", "run.report"]
    menu.close()


def test_the_arrow_lists_runs(header: RunHeader, session: Session, qtbot: QtBot) -> None:
    gone: list[object] = []
    session.navigator.moved.connect(gone.append)
    run = session.services.history.begin("a & b", ("x",))

    header.chooser.click()
    qtbot.waitUntil(lambda: header.findChild(QMenu, "runs") is not None)
    menu = header.findChild(QMenu, "runs")
    assert isinstance(menu, QMenu)
    assert menu.actions()[0].text().startswith(f"Run {run}  a && b  Running, ")
    menu.actions()[0].trigger()
    menu.close()

    assert getattr(gone[0], "run", 0) == run


def test_numbers_stay_where_words_have_no_room(look: Look, qtbot: QtBot) -> None:
    bar = SegmentBar(look)
    qtbot.addWidget(bar)
    bar.show_counts(totals_of(net_smoke().state, NOW).counts)

    bar.resize(420, 40)
    assert bar._texts()[0] == "4 ready"
    bar.resize(bar.minimumSizeHint())
    assert bar._texts() == ["4", "5", "1", "1", "1"]
    look.set_text_size(150)
    assert not bar.grab().isNull()
    bar.show_counts(())
    assert not bar.grab().isNull()


def test_a_short_label_gives_way(look: Look, qtbot: QtBot) -> None:
    label = ShortLabel("Name", look, Text.CELL, 40)
    qtbot.addWidget(label)
    label.set_text("a\x1bb " + "c" * 500)

    assert label.text.startswith("a\\x1bb")
    assert label.minimumSizeHint().width() == 40
    assert label.sizeHint().width() > 1000
