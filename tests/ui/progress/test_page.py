"""The page of a run, on the embedded lab and on runs from the history."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage, Status
from kdeploy_gui.ui.progress.model import Order
from kdeploy_gui.ui.progress.page import FleetPage
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.states import Condition
from tests.ui.answers import Answers
from tests.ui.progress.pages import open_page
from tests.ui.progress.runs import Story, net_smoke


def stored(session: Session, story: Story) -> int:
    """Put a run into the history as another process would."""
    log = session.services.history
    names = tuple(story.state.environments)
    story.run = log.begin("net-smoke", names)
    log.append([replace(each, run=story.run) for each in story.events])
    log.release(story.run)
    return story.run


@pytest.fixture
def page(session: Session) -> Iterator[FleetPage]:
    with open_page(session) as opened:
        yield opened


def show(page: FleetPage, run: int, qtbot: QtBot) -> None:
    page.show_run(run)
    page.focus_first()
    qtbot.waitUntil(lambda: page.model.run.run == run and page.model.rowCount() > 0)
    qtbot.waitUntil(page.views.currentWidget().hasFocus)


def deploy(session: Session) -> int:
    sample = session.services.sample_plan
    assert sample is not None
    planned = session.services.plans.check(sample)
    assert planned.plan is not None
    return session.services.submit(planned.plan, planned.source)


def ended_story() -> Story:
    story = net_smoke()
    story.end(Outcome.INTERRUPTED)
    return story


def test_without_a_run_the_page_says_so(page: FleetPage, session: Session) -> None:

    assert page.run == 0
    page.show_run(0)
    assert session.commands.why_not("run.cancel") == "No run is shown"
    assert session.commands.why_not("run.report") == "No run is shown"
    assert not page.grab().isNull()


def test_a_run_of_the_history_with_an_environment_and_a_stage(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    run = stored(session, ended_story())

    page.show_run(run, "vm-gcov", Stage.DEPLOYING)
    qtbot.waitUntil(lambda: page.views.current == "vm-gcov")

    assert page.header.name.text() == f"Run {run}"
    assert page.header.left.text() == "Interrupted"
    assert (page.detail.run, page.detail.environment) == (run, "vm-gcov")
    page.show_run(0, "rpi5-net")
    assert page.views.current == page.detail.environment == "rpi5-net"
    assert page.tools.filter.count.text() == "12 of 12"


def test_another_run_of_the_same_environment_is_shown_in_the_detail_too(
    page: FleetPage, session: Session, qtbot: QtBot
) -> None:
    first, again = (stored(session, ended_story()) for _ in range(2))
    show(page, first, qtbot)
    name = page.views.current
    assert (page.detail.run, page.detail.environment) == (first, name)

    show(page, again, qtbot)

    assert (page.detail.run, page.detail.environment) == (again, name)


def test_the_newest_run_of_an_environment_is_found(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    run = stored(session, ended_story())
    other = Story(["elsewhere"])
    other.end(Outcome.FAILED)
    stored(session, other)

    page.show_run(0, "vm-kasan")
    qtbot.waitUntil(lambda: page.run == run and page.views.current == "vm-kasan")


def test_the_cursor_is_one_in_grid_cards_and_detail(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    show(page, stored(session, ended_story()), qtbot)
    QTest.keyClick(page.views.grid, Qt.Key.Key_Down)
    second = page.views.current
    assert page.detail.environment == second != ""
    assert session.machines.selected == (second,)

    session.commands.run("fleet.panes")
    assert page.views.shows_panes
    assert page.views.current == second
    qtbot.waitUntil(page.views.panes.hasFocus)
    QTest.keyClick(page.views.panes, Qt.Key.Key_Right)
    third = page.views.current
    assert page.detail.environment == page.views.grid.current == third != second
    assert session.machines.selected == (third,)
    qtbot.waitUntil(lambda: bool(page.views.panes._tails.get(third)))
    session.commands.run("fleet.grid")
    assert not page.views.shows_panes


def test_what_is_chosen_in_the_tree_is_chosen_here(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    show(page, stored(session, ended_story()), qtbot)

    session.machines.select(["vm-kcov", "rpi5-net", "not-in-this-run"])

    assert set(page.views.names()) == {"vm-kcov", "rpi5-net"}
    assert page.detail.environment == page.views.current
    assert session.machines.selected == ("vm-kcov", "rpi5-net", "not-in-this-run")


def test_problems_are_visited_in_both_directions(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    story = net_smoke()
    story.end(Outcome.FAILED)
    show(page, stored(session, story), qtbot)
    problems = [row.name for row in page.model.shown() if row.condition is not Condition.READY]
    visited = []

    for _ in problems:
        QTest.keyClick(page.views.grid, Qt.Key.Key_F8)
        visited.append(page.views.current)
    QTest.keyClick(page.views.grid, Qt.Key.Key_F8, Qt.KeyboardModifier.ShiftModifier)

    assert visited == [*problems[1:], problems[0]]
    assert page.views.current == problems[-1]


def test_rows_are_copied_as_text_and_errors_opened(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    run = stored(session, ended_story())
    show(page, run, qtbot)
    places: list[Place] = []
    session.navigator.moved.connect(places.append)

    page.views.go_to("vm-kasan")
    QTest.keyClick(page.views.grid, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    text = QGuiApplication.clipboard().text()
    session.commands.run("fleet.error")

    assert text.startswith("vm-kasan\tFailed\tDone, 0:01\t")
    assert places == [Place(Where.ERRORS, run, "vm-kasan")]
    page.views.go_to("rpi5-net")
    assert session.commands.why_not("fleet.error") == "No failed environment is selected"


def test_enter_opens_the_detail_and_the_menu_key_the_menu(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    show(page, stored(session, ended_story()), qtbot)
    QTest.keyClick(page.views.grid, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    assert page.detail.isHidden()

    QTest.keyClick(page.views.grid, Qt.Key.Key_Return)
    assert page.detail.isVisible()
    page.views.grid.customContextMenuRequested.emit(page.views.grid.rect().center())
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert menu.actions()[0].text() == "Open log"
    menu.close()


def test_a_report_is_saved_where_the_user_wants_it(
    page: FleetPage, session: Session, answers: Answers, qtbot: QtBot, tmp_path: Path
) -> None:
    show(page, stored(session, ended_story()), qtbot)
    answers.paths.extend([tmp_path / "run.html", None, tmp_path / "missing" / "run.html"])

    session.commands.run("run.report")
    qtbot.waitUntil(lambda: (tmp_path / "run.html").exists())
    session.commands.run("run.report")
    session.commands.run("run.report")
    qtbot.waitUntil(lambda: len(answers.failures) == 1)

    qtbot.waitUntil(lambda: "vm-kasan" in (tmp_path / "run.html").read_text())
    assert answers.failures[0].code == "E-WRITE"


def test_order_view_filter_and_splitter_are_remembered(page: FleetPage, session: Session, qtbot: QtBot) -> None:
    show(page, stored(session, ended_story()), qtbot)

    menu = page.tools.order.menu()
    menu.actions()[2].trigger()
    page.tools.filter.set_text("vm-")
    session.commands.run("fleet.panes")
    page.splitter.splitterMoved.emit(300, 1)

    assert [row.name for row in page.model.shown()][:2] == ["vm-gcov", "vm-kasan"]
    settings = session.settings
    assert settings.value("fleet/order") == Order.NAME.name
    assert settings.value("fleet/filter") == "vm-"
    assert settings.value("fleet/panes") in {True, "true"}
    assert settings.value("fleet/splitter") is not None


def test_what_happens_unseen_is_there_when_the_page_is_seen_again(
    page: FleetPage, session: Session, qtbot: QtBot
) -> None:
    story = net_smoke()
    run = stored(session, story)
    session.services.history.begin("keeps this run alive", ())
    show(page, run, qtbot)
    page.hide()

    before = len(story.events)
    story.end(Outcome.FAILED)
    with qtbot.waitSignal(session.runs.ended):  # told a moment after the state is there
        session.services.history.append([replace(each, run=run) for each in story.events[before:]])
    seen = [page.model.run.outcome]
    page.show()
    seen.append(page.model.run.outcome)

    assert seen == [None, Outcome.FAILED]
    assert all(row.final for row in page.model.shown())


def test_a_run_is_followed_cancelled_and_retried(demo: Session, answers: Answers, qtbot: QtBot) -> None:
    with open_page(demo) as page, socket.create_server(("127.0.0.1", 0)) as silent:
        # the run does not end before it is cancelled: one machine lets nobody in
        port, key = silent.getsockname()[1], "SHA256:" + "a" * 43
        demo.services.inventory.add(Environment(name="silent", host="127.0.0.1", port=port, host_keys=(key,)))
        run = deploy(demo)
        show(page, run, qtbot)
        answers.yes.extend([False, True, True])
        qtbot.waitUntil(lambda: any(row.condition is Condition.RUNNING for row in page.model.shown()))

        QTest.keyClick(
            page.views.grid, Qt.Key.Key_X, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        )
        qtbot.waitUntil(lambda: len(answers.asked) == 1)
        demo.commands.run("run.cancel")
        qtbot.waitUntil(lambda: page.model.run.outcome is not None, timeout=30_000)
        ended = page.model.run
        assert ended == fold(demo.services.history.events(run))
        assert ended.outcome is Outcome.CANCELLED
        assert answers.asked[0].danger
        assert answers.asked[0].title == f"Cancel run {run}"
        assert "stops in" in " ".join(answers.asked[0].details)
        silent.close()

        QTest.keyClick(page.views.grid, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: len(answers.asked) == 3)
        failed = [name for name, each in ended.environments.items() if each.status is not Status.COMPLETED]
        assert "silent" in failed
        assert len(answers.asked[2].details) == len(failed)
        places: list[Place] = []
        demo.navigator.moved.connect(places.append)
        qtbot.waitUntil(lambda: bool(places) or bool(answers.failures))
        assert not answers.failures
        again = places[0].run
        show(page, again, qtbot)
        assert set(page.model.run.environments) == set(failed)
        qtbot.waitUntil(lambda: page.model.run.outcome is not None, timeout=200_000)


def test_a_run_is_taken_back(demo: Session, answers: Answers, qtbot: QtBot) -> None:
    with open_page(demo) as page:
        page.show_run(deploy(demo))
        assert demo.commands.why_not("run.roll_back") in {
            "No run is shown",
            "The run goes on: cancel it, or roll back when it has ended",
        }
        qtbot.waitUntil(lambda: page.model.run.outcome is not None, timeout=30_000)
        page.views.go_to("board-4-reflashed")
        assert demo.commands.why_not("run.roll_back_selected") == "This run placed no file in what is selected"
        page.views.go_to("board-1")
        answers.yes.append(True)

        with qtbot.waitSignal(demo.navigator.moved):
            demo.commands.run("run.roll_back_selected")

        assert answers.asked[0].danger
        assert list(answers.asked[0].details) == ["board-1: 13 files of run 1"]
        demo.runs.open(2)
        qtbot.waitUntil(lambda: (state := demo.runs.state(2)) is not None and state.outcome is not None, timeout=30_000)
        state = demo.runs.state(2)
        assert state is not None
        assert state.outcome is Outcome.SUCCEEDED
        assert list(state.environments) == ["board-1"]


def test_what_is_selected_is_validated_again(demo: Session, answers: Answers, qtbot: QtBot) -> None:
    with open_page(demo) as page:
        page.show_run(deploy(demo))
        qtbot.waitUntil(lambda: page.model.run.outcome is not None, timeout=30_000)
        page.views.go_to("board-4-reflashed")
        assert "retry deploys them again" in demo.commands.why_not("run.validate_selected")
        page.views.go_to("board-1")

        with qtbot.waitSignal(demo.navigator.moved) as moved:
            demo.commands.run("run.validate_selected")

        assert moved.args == [Place(Where.FLEET, 2)]
        assert answers.asked == [], "it changes nothing"
        demo.runs.open(2)
        qtbot.waitUntil(lambda: (state := demo.runs.state(2)) is not None and state.outcome is not None, timeout=30_000)
        state = demo.runs.state(2)
        assert state is not None
        assert (state.validates, state.outcome, list(state.environments)) == (1, Outcome.SUCCEEDED, ["board-1"])
        assert state.environments["board-1"].ready
        show(page, 2, qtbot)
        assert next(iter(page.model.shown())).condition is Condition.READY
        assert "2 of 2 stages" in page.header.elapsed.text
