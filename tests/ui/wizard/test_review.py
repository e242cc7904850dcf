"""The review: what was found is shown as it is; what is refused is told; nothing is looked at twice."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import Planned
from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import RunFinished
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Want
from kdeploy_gui.model.preview import (
    DependencyChange,
    DependencyPreview,
    EnvironmentPreview,
    FileChange,
    InstrumentPresence,
    InstrumentPreview,
)
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.wizard.review import ReviewPage
from kdeploy_gui.ui.wizard.review_files import FilesPane
from kdeploy_gui.ui.wizard.review_grid import PlanGrid
from kdeploy_gui.ui.wizard.review_model import PlanModel
from kdeploy_gui.ui.wizard.review_problems import ProblemsPane
from kdeploy_gui.ui.wizard.review_remarks import Act, remarks_of, tally
from kdeploy_gui.ui.wizard.review_rows import (
    Column,
    Kind,
    columns_of,
    footer,
    group_title,
    headline,
    row_of,
)
from tests.ui.wizard.plans import INSTRUMENTS, NAMES, REFUSED, plan, preview

HOSTILE = "<b>x</b>\x1b[2J\u202e\x00"


def columns() -> tuple[Column, ...]:
    return columns_of(plan(), lambda name: INSTRUMENTS[name])


def said(found: EnvironmentPreview | None, name: str = "a") -> dict[str, str]:
    """What each column says of an environment."""
    row = row_of(name, found, columns())
    return {column.title: cell.spoken for column, cell in zip(columns(), row.cells, strict=True)}


@pytest.fixture
def page(demo: Session, qtbot: QtBot) -> ReviewPage:
    shown = ReviewPage(demo)
    qtbot.addWidget(shown)
    shown.resize(1440, 700)
    shown.show()
    return shown


@pytest.fixture
def planned(demo: Session) -> Planned:
    assert demo.services.sample_plan is not None
    return demo.services.plans.check(demo.services.sample_plan)


def whole(page: ReviewPage) -> Callable[[], bool]:
    return lambda: page.planning == 0


def verdicts(page: ReviewPage) -> dict[str, str]:
    return {row.name: row.cells[-1].spoken for row in page.model.rows}


def test_real_boards_are_planned_and_what_would_fail_is_told(page: ReviewPage, planned: Planned, qtbot: QtBot) -> None:
    page.plan(planned)
    assert set(verdicts(page).values()) == {"Planning"}
    assert page.why_not() == "6 of 6 environments are still being planned"
    assert page.summary() == "Planning: 0 of 6 environments done."
    qtbot.waitUntil(whole(page), timeout=30_000)
    found = verdicts(page)
    refused = {name for name, verdict in found.items() if verdict == "Refused, will fail"}
    assert {"board-4-reflashed", "board-5-locked"} <= refused
    assert "board-1" in page.chosen
    assert set(page.chosen) == found.keys() - refused
    assert page.why_not() == ""
    assert page.strong.text() == f"{len(page.chosen)} environments"
    assert page.summary().startswith("Sends ")
    titles = [row.remark.title for row in page.remarks.rows]
    assert "board-4-reflashed is refused" in titles


def test_what_was_found_stays_when_environments_are_left_out(page: ReviewPage, planned: Planned, qtbot: QtBot) -> None:
    assert planned.plan is not None
    page.plan(planned)
    qtbot.waitUntil(whole(page), timeout=30_000)
    before = verdicts(page)
    del before["board-5-locked"]
    fewer = tuple(each for each in planned.plan.environments if each.name != "board-5-locked")
    page.plan(replace(planned, plan=replace(planned.plan, environments=fewer)))
    assert verdicts(page) == before
    pinned = tuple(replace(each, host_keys=("SHA256:other",)) if each.name == "board-1" else each for each in fewer)
    page.plan(replace(planned, plan=replace(planned.plan, environments=pinned)))
    assert {name for name, verdict in verdicts(page).items() if verdict == "Planning"} == {"board-1"}
    qtbot.waitUntil(whole(page), timeout=30_000)
    assert verdicts(page)["board-1"] == "Refused, will fail"
    page.plan_again()
    assert set(verdicts(page).values()) == {"Planning"}
    qtbot.waitUntil(whole(page), timeout=30_000)


def test_after_a_run_there_is_nothing_to_send(page: ReviewPage, demo: Session, planned: Planned, qtbot: QtBot) -> None:
    assert planned.plan is not None
    only = replace(planned.plan, environments=planned.plan.environments[:2])
    run = demo.services.submit(only, planned.source)
    assert any(isinstance(event.body, RunFinished) for group in demo.services.follow(run) for event in group)
    page.plan(replace(planned, plan=only))
    qtbot.waitUntil(whole(page), timeout=30_000)
    assert (page.strong.text(), page.summary()) == (
        "Everything is the same",
        "Sends nothing: one check for each environment.",
    )
    page.differences.click()
    assert all(page.grid.isRowHidden(row) for row in range(2))
    page.differences.click()
    assert not page.grid.isRowHidden(0)


def test_a_plan_with_problems_shows_all_of_them(page: ReviewPage, planned: Planned, qtbot: QtBot) -> None:
    problems = (Problem(HOSTILE, "artifacts[0].mode"), Problem("name is missing", "name"))
    page.plan(Planned(None, problems))
    assert page.problems() == problems
    assert page.remarks.count.text() == "2 to solve"
    with qtbot.waitSignal(page.go_to) as told:
        page.remarks.rows[0].links[Act.FIELD].click()
    assert told.args == ["artifacts[0].mode"]
    assert not page.again.isEnabled()
    assert page.files.empty.isVisible()


def test_environments_are_left_out_by_key_and_by_link(page: ReviewPage, planned: Planned, qtbot: QtBot) -> None:
    page.plan(planned)
    qtbot.waitUntil(whole(page), timeout=30_000)
    page.activateWindow()
    page.focus_first()
    qtbot.waitUntil(page.grid.hasFocus)
    page.grid.choose(("board-1", "board-2"))
    with qtbot.waitSignal(page.leave_out) as told:
        qtbot.keyClick(page.grid, Qt.Key.Key_Delete)  # type: ignore[no-untyped-call]
    assert told.args == [("board-1", "board-2")]
    row = next(row for row in page.remarks.rows if row.remark.names == ("board-4-reflashed",))
    with qtbot.waitSignal(page.leave_out) as told:
        row.links[Act.LEAVE_OUT].click()
    assert told.args == [("board-4-reflashed",)]
    with qtbot.waitSignal(page._session.navigator.moved) as told:
        row.links[Act.TRUST].click()
    assert told.args == [Place(Where.TRUST, name="board-4-reflashed")]
    assert "SHA256:" in row.toolTip()
    page.copy()
    assert QApplication.clipboard().text().startswith("board-1\t")


def test_changes_are_stepped_through_with_keys(page: ReviewPage, planned: Planned, qtbot: QtBot) -> None:
    page.plan(planned)
    qtbot.waitUntil(whole(page), timeout=30_000)
    page.activateWindow()
    page.focus_first()
    qtbot.waitUntil(page.grid.hasFocus)
    assert page.grid.current == "board-1"
    total = page.files.changes
    assert (page.files.change, page.files.place.text()) == (1, f"Change 1 of {total}")
    qtbot.keyClick(page.grid, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)  # type: ignore[no-untyped-call]
    assert page.files.place.text() == f"Change 2 of {total}"
    qtbot.keyClick(page.grid, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)  # type: ignore[no-untyped-call]
    assert page.files.change == 1


def test_a_page_that_is_thrown_away_stops_looking(demo: Session, planned: Planned, qtbot: QtBot) -> None:
    page = ReviewPage(demo)
    page.plan(planned)
    page.deleteLater()
    del page
    gc.collect()
    qtbot.waitUntil(lambda: not any("plan" in each.get_name() for each in demo.bridge._tasks))
    another = ReviewPage(demo)
    qtbot.addWidget(another)
    assert another.chosen == ()


def test_every_cell_says_what_will_be_done() -> None:
    assert said(None)["Verdict"] == "Planning"
    assert said(preview("rk3588-evb"), "rk3588-evb") == {
        "Environment": "rk3588-evb",
        "scripts/*.sh": "1 changed, 8 same",
        "conf/*": "1 changed, 1 same",
        "bin/netload": "1 changed",
        "corpus/*": "2 same",
        **dict.fromkeys(("iperf3", "ethtool", "tcpdump"), "same"),
        "linux-perf": "install",
        "ftrace": "off",
        "KASAN": "not checked",
        "lockdep": "not checked",
        "KCOV": "absent",
        "perf events": "on",
        "To send": "5.2 MiB to send",
        "Verdict": "Deploy",
    }
    refused = said(preview(REFUSED))
    assert (refused["bin/netload"], refused["conf/*"], refused["iperf3"]) == ("refused", "not sent", "not reached")
    assert (refused["To send"], refused["Verdict"]) == ("0 to send", "Refused, will fail")
    unreachable = EnvironmentPreview(environment="a", refusals=preview(REFUSED).refusals)
    assert said(unreachable)["conf/*"] == "not known"


def test_what_is_missing_is_told_as_required_or_optional() -> None:
    found = replace(
        preview("rpi5-net"),
        dependencies=(
            DependencyPreview(label="iperf3", change=DependencyChange.MISSING, wanted=">=3", note="no root"),
            DependencyPreview(label="ethtool", change=DependencyChange.MISSING, required=False),
            DependencyPreview(label="tcpdump", change=DependencyChange.NOT_CHECKED),
        ),
        instruments=(
            InstrumentPreview(
                name="kasan", title="KASAN", want=Want.REQUIRED, presence=InstrumentPresence.ABSENT, note="why"
            ),
        ),
    )
    cells = said(found)
    assert [cells[each] for each in ("iperf3", "ethtool", "tcpdump", "linux-perf", "KASAN", "KCOV")] == [
        "missing, required",
        "missing, optional",
        "not checked",
        "not known",
        "absent, required",
        "not known",
    ]
    brought = replace(found.instruments[0], comes=True)
    assert said(replace(found, instruments=(brought,)))["KASAN"] == "absent"
    row = row_of("a", found, columns())
    assert row.cells[5].tip == "wanted >=3\nno root"
    told = DependencyPreview(
        label="iperf3", change=DependencyChange.INSTALL, offered="3.12-1", found="3.1", wanted=">=3.9"
    )
    row = row_of("a", replace(found, dependencies=(told,)), columns())
    assert row.cells[5].tip == "installs 3.12-1, found 3.1, wanted >=3.9"


def test_headline_and_footer_count() -> None:
    rows = [row_of(name, preview(name), columns()) for name in NAMES]
    assert headline(rows) == ("12 environments", " can be deployed, 1 is refused")
    assert headline([row_of("a", None, columns())]) == ("1 environment", " is being planned")
    text = footer([preview(name) for name in NAMES])
    assert text.startswith("Sends 80 files (200 MiB) and installs 24 packages.")
    assert footer([preview(REFUSED)]) == ""
    assert group_title(Kind.FILES, plan()) == "Files to /opt/tests/net, 14 each"
    files = (plan().files[0], replace(plan().files[1], target="~/x"))
    assert group_title(Kind.FILES, replace(plan(), files=files)) == "Files, 2 each"


def test_remarks_group_what_is_alike() -> None:
    found = [preview(name) for name in NAMES]
    low = replace(found[0], notices=("memory: 10 MiB, allowed at least 64 MiB",))
    optional = DependencyPreview(label="perf", change=DependencyChange.MISSING, required=False)
    bare = replace(found[1], dependencies=(optional,))

    def unreachable(name: str) -> EnvironmentPreview:
        failure = Failure("E-REFUSED", Category.NET, f"{name} refuses connections", remedy="Start its SSH server.")
        return EnvironmentPreview(environment=name, refusals=(failure,))

    remarks = remarks_of((), [low, bare, *found[2:], unreachable("board-x"), unreachable("board-y")])
    assert [(each.title, each.acts[0].value) for each in remarks] == [
        ("vm-amd64 is refused", "Show file"),
        ("2 environments are refused", "Leave out"),
        ("1 environment fails the check 'memory' now", "Show which"),
        ("perf is missing in 1 environment", "Show which"),
        ("ftrace is off in 12 environments", "Show which"),
        ("KASAN cannot be checked in 12 environments", "Show which"),
        ("lockdep cannot be checked in 12 environments", "Show which"),
        ("KCOV is absent in 12 environments", "Show which"),
    ]
    assert remarks[1].names == ("board-x", "board-y")
    assert tally(remarks) == "3 refused, 6 to know"
    assert tally(()) == "none"


def test_a_reboot_is_told_and_what_it_brings_is_not_missing() -> None:
    found = preview("rpi5-net")
    brought = tuple(replace(each, comes=True) for each in found.instruments)
    rebooted = replace(found, reboot="kasan with kasan_multi_shot", instruments=brought)
    remarks = [(each.title, each.text) for each in remarks_of((), [rebooted])]
    assert remarks == [("1 environment is rebooted", "The run boots kasan with kasan_multi_shot.")]
    assert row_of("a", rebooted, columns()).cells[-1].tip.startswith("boots kasan with kasan_multi_shot")


def test_only_cells_that_change_are_told(qtmodeltester: ModelTester) -> None:
    model = PlanModel()
    model.show_plan(NAMES, columns())
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    told: list[tuple[int, int]] = []

    def note(first: QModelIndex, last: QModelIndex) -> None:
        told.append((first.row(), first.column()))
        assert first == last

    model.dataChanged.connect(note)
    model.show_preview("am62-sk", preview("am62-sk"))
    assert told == [(3, column) for column in range(1, len(columns()))]
    told.clear()
    model.show_preview("am62-sk", replace(preview("am62-sk"), notices=("load: 9",)))
    assert told == [(3, len(columns()) - 1)]
    model.show_preview("nobody", preview("am62-sk"))
    index = model.index(3, 1)
    assert index.data() == "9 new"
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "am62-sk, scripts/*.sh: 9 new"
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]


def test_three_hundred_environments_are_fine(look: Look, qtbot: QtBot) -> None:
    names = tuple(f"board-{number:03}" for number in range(300))
    model = PlanModel()
    grid = PlanGrid(look, model)
    qtbot.addWidget(grid)
    grid.resize(1440, 600)
    grid.show()
    found = [replace(preview("am62-sk"), environment=name) for name in names]
    started = time.thread_time()
    model.show_plan(names, columns())
    for each in found:
        model.show_preview(each.environment, each)
    grid.fit()
    grid.grab()
    assert time.thread_time() - started < 5


def test_verdicts_come_first_where_there_is_no_room(look: Look, qtbot: QtBot) -> None:
    model = PlanModel()
    grid = PlanGrid(look, model)
    qtbot.addWidget(grid)
    grid.show()
    model.show_plan(NAMES, columns())
    for width, place in ((1600, len(columns()) - 1), (800, 1), (1600, len(columns()) - 1)):
        grid.resize(width, 400)
        grid.fit()
        assert grid.header.visualIndex(len(columns()) - 1) == place


def test_files_show_their_diff_and_changes_are_stepped_through(look: Look, qtbot: QtBot) -> None:
    pane = FilesPane(look)
    qtbot.addWidget(pane)
    pane.resize(900, 300)
    pane.show()
    pane.show_preview(preview("rk3588-evb"), differences_only=False)
    assert (pane.title.text(), pane.counts.text()) == ("rk3588-evb", "3 changed, 11 same")
    assert pane.model.index(0).data(Qt.ItemDataRole.AccessibleTextRole) == "scripts/rx-drop.sh, changed, +2 \u22121"
    assert pane.attributes.text() == "mode 0644 to 0755    2,114 to 2,260 bytes"
    assert pane.diff.isVisible()
    places = [pane.place.text()]
    while pane.step(1):
        places.append(pane.place.text())
    assert places == ["Change 1 of 3", "Change 2 of 3", "Change 3 of 3"]
    assert pane.note.text() == "Its content changes. No lines: not a text."
    assert pane.step(-1)
    assert pane.change == 2
    pane.show_preview(preview("rk3588-evb"), differences_only=True, artifact="bin/netload")
    assert pane.list.currentIndex().row() == 2
    assert pane.model.rowCount() == 3


def test_files_without_a_diff_say_why(look: Look, qtbot: QtBot) -> None:
    pane = FilesPane(look)
    qtbot.addWidget(pane)
    pane.show_preview(preview("am62-sk"), differences_only=False)
    assert pane.note.text() == "Nothing stands there yet."
    pane.show_preview(preview(REFUSED), differences_only=False)
    assert pane.model.at(0) is not None
    assert pane.note.text().startswith("a folder stands where a file shall be")
    one = preview("rpi5-net")
    hostile = replace(one.files[0], source=HOSTILE, target=f"/opt/{HOSTILE}", old_owner="x", owner="y")
    mode = replace(hostile, content_changes=False, diff=(), owner_changes=True)
    pane.show_preview(replace(one, files=(mode,)), differences_only=False)
    assert pane.note.text() == "Its content is the same."
    assert pane.attributes.text() == "mode 0644 to 0755    owner x to y"
    assert pane.model.index(0).data() == "<b>x</b>\\x1b[2J\\u202e\\x00"
    pane.grab()
    same = tuple(each for each in one.files if each.change is FileChange.SAME)
    pane.show_preview(replace(one, files=same), differences_only=False)
    assert not pane.step(1)
    assert pane.changes == 0


def test_remarks_are_plain_text_and_counted(look: Look, qtbot: QtBot) -> None:
    pane = ProblemsPane(look)
    qtbot.addWidget(pane)
    remarks = remarks_of([Problem(f"{HOSTILE} {number}", "name") for number in range(60)], ())
    pane.show_remarks(remarks)
    assert len(pane.rows) == 50
    assert pane.rows[0].links[Act.FIELD].accessibleName() == "Show field: <b>x</b>\\x1b[2J\\u202e\\x00 0"
    rows = pane.rows
    pane.show_remarks(remarks)
    assert pane.rows is rows
    with qtbot.waitSignal(pane.chosen) as told:
        pane.rows[3].links[Act.FIELD].click()
    assert told.args == [remarks[3], Act.FIELD]
    first = pane.rows[0]
    pane.show_remarks((*remarks_of([Problem("new", "name")], ()), *remarks_of((), [preview(REFUSED)])))
    assert [row.remark.title for row in pane.rows] == ["new", "vm-amd64 is refused"]
    assert pane.rows[0] is first
    pane.show_remarks(())
    assert pane.rows == []
