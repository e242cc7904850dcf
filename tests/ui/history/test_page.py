"""The history page, used as a user does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import Category
from kdeploy_gui.model.stage import Outcome, Stage
from kdeploy_gui.ui.history.page import HistoryPage
from kdeploy_gui.ui.history.table import PAGE, Column
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.widgets import Button, PlainLabel
from tests.ui.answers import Answers
from tests.ui.history.past import Past, failure


class Drafts:
    """Notes which runs were to be done again."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def from_run(self, run: int) -> None:
        self.runs.append(run)


@pytest.fixture
def drafts() -> Drafts:
    return Drafts()


@pytest.fixture
def past(session: Session) -> Past:
    return Past(session.services.history)


@pytest.fixture
def page(session: Session, past: Past, drafts: Drafts, qtbot: QtBot) -> HistoryPage:
    """The page on four runs: 4 interrupted, 3 with two failures, 2 flaky, 1 fine."""
    past.run(timedelta(days=3), plan="mm-stress")
    past.run(timedelta(days=2), retried={"board-3": 3})
    bad = {
        "board-1": failure("E-NOSPC", "board-1"),
        "board-2": failure("E-AUTH", "board-2", "root was <i>refused</i>", Category.AUTH),
    }
    past.run(timedelta(hours=20), failed=bad)
    past.run(timedelta(hours=10), outcome=Outcome.INTERRUPTED)
    return shown(session, drafts, qtbot)


def shown(session: Session, drafts: Drafts, qtbot: QtBot) -> HistoryPage:
    made = HistoryPage(session, drafts)
    qtbot.addWidget(made)
    made.resize(1200, 700)
    made.show()
    qtbot.waitUntil(lambda: bool(made.filter.count.text()) and not session.bridge.busy)
    return made


def choose(page: HistoryPage, session: Session, qtbot: QtBot, run: int) -> None:
    page.view.setCurrentIndex(page.table.index(page.table.row_of(run), Column.RUN))
    qtbot.waitUntil(lambda: session.runs.state(run) is not None and page.figure("retries") != "...")


def texts(widget: QWidget) -> list[str]:
    return [each.text() for each in widget.findChildren(PlainLabel) if each.isVisibleTo(widget)]


def links(page: HistoryPage, title: str) -> list[Button]:
    return [each for each in page.summary.findChildren(Button) if each.text() == title]


def test_the_newest_run_is_chosen_and_an_interrupted_one_says_what_to_do(page: HistoryPage) -> None:
    assert page.record is not None
    assert page.record.run == 4
    assert page.filter.count.text() == "4 runs"
    assert "The program ended during this run. Retry what failed, or check the machines." in texts(page.summary)
    assert page.summary.state.accessibleName() == "Interrupted"


def test_the_summary_tells_figures_and_failures_of_the_chosen_run(
    page: HistoryPage, session: Session, qtbot: QtBot
) -> None:
    choose(page, session, qtbot, 3)

    figures = {name: page.figure(name) for name in page.summary.figures}
    assert figures == {"ready": "10 of 12", "total time": "6:10", "files sent": "12", "retries": "0"}
    qtbot.waitUntil(lambda: "root was <i>refused</i>" in texts(page.summary))
    told = texts(page.summary)
    assert "board-2, script deployment, E-AUTH, Login" in told
    assert "Script deployment" not in told
    assert "script deployment 3:42" in page.summary.times.accessibleName()

    choose(page, session, qtbot, 2)
    assert page.figure("retries") == "2"
    qtbot.waitUntil(lambda: not links(page, "Open error"))


def test_failures_lead_to_the_error_and_to_the_log(page: HistoryPage, session: Session, qtbot: QtBot) -> None:
    choose(page, session, qtbot, 3)

    QTest.mouseClick(links(page, "Open error")[1], Qt.MouseButton.LeftButton)
    assert session.navigator.place == Place(Where.ERRORS, 3, "board-2")
    QTest.mouseClick(links(page, "Open log")[0], Qt.MouseButton.LeftButton)
    assert session.navigator.place == Place(Where.FLEET, 3, "board-1", Stage.DEPLOYING)


def test_typing_filters_and_the_empty_answer_offers_the_way_back(
    page: HistoryPage, session: Session, qtbot: QtBot
) -> None:
    QTest.keyClick(page.view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(page.filter.field, "code:E-NO")
    qtbot.waitUntil(lambda: page.filter.count.text() == "1 of 4 runs")
    assert page.record is not None
    assert page.record.run == 3

    QTest.keyClicks(page.filter.field, "T")
    qtbot.waitUntil(lambda: page.filter.count.text() == "0 of 4 runs")
    clear = next(each for each in page.findChildren(Button) if each.text() == "Clear filter")
    assert not page.view.isVisible()
    assert not page.summary.isVisible()
    QTest.mouseClick(clear, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.filter.count.text() == "4 runs")
    assert page.view.isVisible()


def test_a_filter_that_cannot_be_asked_says_why_and_the_list_stays(
    page: HistoryPage, session: Session, qtbot: QtBot
) -> None:
    page.filter.set_text("status:great")

    qtbot.waitUntil(lambda: any("no status 'great'" in each for each in texts(page)))
    assert page.table.rowCount() == 4
    page.filter.set_text("status:failed")
    qtbot.waitUntil(lambda: page.filter.count.text() == "1 of 4 runs")
    assert not any("great" in each for each in texts(page))


def test_an_old_run_is_found_although_a_filter_hides_it_and_its_page_is_not_read(
    session: Session, past: Past, drafts: Drafts, qtbot: QtBot
) -> None:
    for _ in range(PAGE + 20):
        past.run(environments=("board-1",))
    page = shown(session, drafts, qtbot)
    page.filter.set_text("status:failed")
    qtbot.waitUntil(lambda: page.table.rowCount() == 0)

    page.show_run(5)

    qtbot.waitUntil(lambda: page.record is not None and page.record.run == 5)
    assert page.filter.text == ""
    page.show_run(7)
    assert page.record is not None
    assert page.record.run == 7


def test_commands_act_on_the_chosen_run(
    page: HistoryPage, session: Session, drafts: Drafts, answers: Answers, tmp_path: Path, qtbot: QtBot
) -> None:
    choose(page, session, qtbot, 3)
    QTest.keyClick(page.view, Qt.Key.Key_Return)
    assert session.navigator.place == Place(Where.FLEET, 3)

    session.commands.run("history.again")
    assert drafts.runs == [3]

    QTest.keyClick(page.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().startswith("3\tnet-smoke\t")

    report = tmp_path / "report.html"
    saved: list[tuple[str, Path]] = []
    session.asking.saved.connect(lambda what, path: saved.append((what, path)))
    answers.paths.extend([report, None, tmp_path / "no" / "folder.html"])
    QTest.keyClick(page.view, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert "root was &lt;i&gt;refused" in report.read_text()
    assert saved == [("Report of run 3", report)]
    session.commands.run("history.report")
    session.commands.run("history.report")
    qtbot.waitUntil(lambda: bool(answers.failures))
    assert answers.failures[0].code == "E-WRITE"


def test_retry_says_why_it_cannot_be_done(page: HistoryPage, session: Session, qtbot: QtBot) -> None:
    choose(page, session, qtbot, 1)
    assert session.commands.why_not("history.retry") == "Every environment of this run became ready"
    assert not session.commands.action("history.retry").isEnabled()

    choose(page, session, qtbot, 3)
    assert session.commands.why_not("history.retry") == ""
    page.view.setCurrentIndex(QModelIndex())
    assert session.commands.why_not("history.retry") == "Choose a run first"
    assert session.commands.why_not("history.report") == "Choose a run first"
    page.hide()
    assert session.commands.action("history.retry").toolTip() == "Go to the history first"


def test_retry_asks_with_the_names_and_does_nothing_when_refused(
    page: HistoryPage, session: Session, answers: Answers, qtbot: QtBot
) -> None:
    choose(page, session, qtbot, 3)
    answers.yes.append(False)

    QTest.keyClick(page.view, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: bool(answers.asked) and not session.bridge.busy)
    assert answers.asked[0].title == "Retry 2 environments of run 3"
    assert answers.asked[0].details == ("board-1", "board-2")
    assert session.navigator.place is None


def test_what_failed_runs_again_on_its_machines_only(
    demo: Session, drafts: Drafts, answers: Answers, qtbot: QtBot
) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    planned = demo.services.plans.check(sample)
    assert planned.plan is not None
    run = demo.services.submit(planned.plan, planned.source)
    for _ in demo.services.follow(run):
        pass
    page = HistoryPage(demo, drafts)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: demo.commands.why_not("history.retry") == "")
    answers.yes.append(True)

    demo.commands.run("history.retry")

    qtbot.waitUntil(lambda: demo.navigator.place is not None)
    assert demo.navigator.place == Place(Where.FLEET, run + 1)
    demo.runs.open(run + 1)
    qtbot.waitUntil(lambda: page.table.row_of(run + 1) == 0)
    failed = ("board-4-reflashed", "board-5-locked", "board-6-bare")
    assert answers.asked[0].details == failed
    again = page.table.record(0)
    assert again is not None
    assert again.environments == failed
    qtbot.waitUntil(lambda: demo.runs.active == ())
    page.hide()


def test_an_empty_history_says_so(session: Session, drafts: Drafts, qtbot: QtBot) -> None:
    page = shown(session, drafts, qtbot)

    assert "No runs yet" in texts(page)
    assert page.filter.count.text() == "0 runs"
    assert page.record is None


def test_many_failures_are_cut_short(session: Session, past: Past, drafts: Drafts, qtbot: QtBot) -> None:
    names = [f"board-{number}" for number in range(20)]
    past.run(environments=names, failed={each: failure("E-NOSPC", each) for each in names})
    page = shown(session, drafts, qtbot)
    choose(page, session, qtbot, 1)

    assert len(links(page, "Open error")) == 12
    qtbot.waitUntil(lambda: "and 8 more; the error inbox has all of them" in texts(page.summary))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_is_drawn_in_both_themes_at_any_width(
    page: HistoryPage, session: Session, look: Look, theme: str, qtbot: QtBot
) -> None:
    choose(page, session, qtbot, 3)
    look.set_theme(theme)
    for width in (1024, 1600):
        page.resize(width, 600)
        assert page.grab().width() == width * page.devicePixelRatioF()
        outcome = page.view.columnWidth(Column.OUTCOME)
        assert outcome >= 160, "what matters most has no room"
    assert [each.isVisible() for each in page.regions()] == [True] * 3
    page.focus_first()
    assert page.view.hasFocus()


def test_charts_show_what_the_list_does_where_there_is_room(page: HistoryPage, session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.charts.days.trends.total == 4)
    assert page.charts.isVisible()
    assert dict(page.charts.causes.trends.causes) == {"E-NOSPC": 1, "E-AUTH": 1}
    assert {each.stage for each in page.charts.stages.trends.stages} >= {Stage.CONNECTING, Stage.DEPLOYING}

    page.filter.set_text("plan:mm*")
    qtbot.waitUntil(lambda: page.charts.days.trends.total == 1)
    assert page.charts.causes.accessibleName().endswith("none")
    page.resize(1200, 400)
    assert not page.charts.isVisible()
