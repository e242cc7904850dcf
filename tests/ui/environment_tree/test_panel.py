"""The environment tree on real lab files."""

from __future__ import annotations

from datetime import timedelta

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QCursor, QEnterEvent, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.environment_form import commands as environment_commands
from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.states import Condition
from tests.ui.answers import Answers
from tests.ui.environment_tree.conftest import ROWS, Fill, machine, rows
from tests.ui.history.past import Past

NO_KEY = Qt.KeyboardModifier.NoModifier


def names(session: Session) -> set[str]:
    return {each.name for each in session.machines.environments}


def tags(session: Session, name: str) -> tuple[str, ...]:
    found = session.machines.get(name)
    return found.tags if found is not None else ()


def group_of(session: Session, name: str) -> str:
    found = session.machines.get(name)
    return found.group if found is not None else "?"


def middle(panel: EnvironmentPanel, name: str) -> QPoint:
    return panel.tree.visualRect(panel.model.find(name)).center()


def menu_of(panel: EnvironmentPanel, qtbot: QtBot) -> QMenu:
    qtbot.waitUntil(lambda: any(each.isVisible() for each in panel.findChildren(QMenu)))
    return next(each for each in panel.findChildren(QMenu) if each.isVisible())


def test_groups_are_folders(panel: EnvironmentPanel, fill: Fill) -> None:
    fill()

    assert rows(panel.model) == ROWS
    assert panel.count.text() == "4"
    assert all(panel.tree.isExpanded(index) for _, index in panel.model.groups())


def test_a_lab_without_environments_says_how_to_begin(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: session.machines.loaded)
    qtbot.waitUntil(panel.empty.isVisible)


def test_selecting_a_group_selects_what_is_in_it(panel: EnvironmentPanel, session: Session, fill: Fill) -> None:
    fill()

    panel.tree.setCurrentIndex(panel.model.index(0, 0))

    assert session.machines.selected == ("a", "c", "b")


def test_folding_and_selection_survive_a_change_of_the_lab(
    panel: EnvironmentPanel, session: Session, fill: Fill
) -> None:
    fill()
    panel.tree.setExpanded(panel.model.find("a").parent(), False)
    panel.tree.setCurrentIndex(panel.model.find("b"))

    fill(machine("e", "rack-2"), *(machine(f"m{number}", "rack-3") for number in range(60)))

    assert not panel.tree.isExpanded(panel.model.find("a").parent())
    assert panel.tree.isExpanded(panel.model.find("m0").parent())
    assert session.machines.selected == ("b",)
    assert panel.tree.currentIndex() == panel.model.find("b")


def test_folding_is_remembered_and_a_filter_shows_what_is_folded(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    panel.tree.setExpanded(panel.model.find("a").parent(), False)
    panel.filter.set_text("name:a")
    assert panel.tree.isExpanded(panel.model.find("a").parent())
    panel.filter.set_text("")
    assert not panel.tree.isExpanded(panel.model.find("a").parent())

    assert session.settings.value("tree/folded") == '["rack-1/left"]'
    panel.tree.setExpanded(panel.model.find("a").parent(), True)
    assert session.settings.value("tree/folded") == "[]"


def test_the_filter_leaves_what_matches(panel: EnvironmentPanel, fill: Fill, qtbot: QtBot) -> None:
    fill()

    panel.filter.set_text("group:*left !name:c")
    assert rows(panel.model) == ["rack-1", "  left", "    a"]
    assert panel.found.text() == "1 of 4 shown"
    panel.filter.set_text("group:rack-1 kind:board tag:arm64")
    assert panel.found.text() == "3 of 4 shown"
    panel.filter.set_text("nothing like it")
    assert panel.no_match.isVisible()

    QTest.mouseClick(panel.no_match.findChildren(QPushButton)[0], Qt.MouseButton.LeftButton)
    assert rows(panel.model) == ROWS
    assert panel.tree.isVisible()


def test_a_filter_by_state_follows_the_states(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    panel.filter.set_text("status:unreachable")
    fill()

    qtbot.waitUntil(lambda: rows(panel.model) == ROWS)
    panel.filter.set_text("!status:Unreachable")
    assert rows(panel.model) == []


def test_selection_follows_others_and_never_tells_them_what_a_filter_hides(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    panel.filter.set_text("name:a")

    session.machines.select(["b"])
    fill(machine("e"))
    assert session.machines.selected == ("b",)

    session.machines.select(["a", "b"])
    assert panel.tree.selected() == ("a",)
    panel.filter.set_text("")
    session.machines.select(["b", "d"])
    assert panel.tree.selected() == ("b", "d")


def test_what_a_filter_hides_is_not_removed_with_the_rest(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    panel.tree.setCurrentIndex(panel.model.index(0, 0))

    panel.filter.set_text("name:a")

    assert session.machines.selected == ("a",)


def test_removing_can_be_taken_back(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill()
    before = session.services.lab_file.read_text()
    session.machines.select(["a", "c"])
    panel.tree.setFocus()

    QTest.keyClick(panel.tree, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: names(session) == {"b", "d"} and session.undo.text == "Removed 2 environments")
    assert rows(panel.model) == ["rack-1", "  right", "    b", "d"]

    session.undo.take_back()
    qtbot.waitUntil(lambda: rows(panel.model) == ROWS)
    assert session.services.lab_file.read_text() == before


def test_a_jump_host_is_not_removed_under_its_users(
    panel: EnvironmentPanel, session: Session, answers: Answers, fill: Fill, qtbot: QtBot
) -> None:
    fill(machine("gate"), machine("inner", jump="gate"), machine("deep", jump="inner"))
    session.machines.select(["gate"])

    session.commands.run("environment.remove")
    qtbot.waitUntil(lambda: bool(answers.failures))
    assert names(session) == {"gate", "inner", "deep"}

    session.machines.select(["gate", "inner", "deep"])
    session.commands.run("environment.remove")
    qtbot.waitUntil(lambda: not names(session) and bool(session.undo.text))
    session.undo.take_back()
    qtbot.waitUntil(lambda: names(session) == {"gate", "inner", "deep"})


def test_dragging_moves_to_a_group(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill()
    panel.tree.setCurrentIndex(panel.model.find("d"))

    panel.model.dropped.emit(["d", "b"], "rack-1/right")
    qtbot.waitUntil(lambda: group_of(session, "d") == "rack-1/right" and session.undo.text == "Moved d to rack-1/right")
    assert session.machines.selected == ("d",)

    session.undo.take_back()
    qtbot.waitUntil(lambda: rows(panel.model) == ROWS)
    panel.model.dropped.emit(["a", "c"], "")
    qtbot.waitUntil(lambda: rows(panel.model) == ["rack-1", "  right", "    b", "a", "c", "d"])
    qtbot.waitUntil(lambda: session.undo.text == "Moved 2 environments out of groups")


def test_tags_that_all_have_are_changed_and_others_are_kept(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill(machine("a", tags=["arm64", "net", "old"]), machine("b", tags=["old", "arm64"]))
    session.machines.select(["a", "b"])
    session.commands.run("environment.tags")
    assert panel.tags.field.text() == "arm64 old"
    assert "net" in panel.tags.hint.text()

    panel.tags.field.setText("arm64 lab:7")
    QTest.keyClick(panel.tags.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: tags(session, "b") == ("arm64", "lab:7") and panel.tags.isHidden())
    assert tags(session, "a") == ("arm64", "net", "lab:7")
    assert panel.tree.hasFocus()

    session.undo.take_back()
    qtbot.waitUntil(lambda: tags(session, "a") == ("arm64", "net", "old"))
    assert tags(session, "b") == ("old", "arm64")


def test_what_was_written_before_a_refusal_can_be_taken_back(
    panel: EnvironmentPanel, session: Session, answers: Answers, fill: Fill, qtbot: QtBot
) -> None:
    fill(machine("a"), machine("b"))
    lab = session.services.lab_file
    stale = session.machines.environments
    lab.write_text(lab.read_text().replace('name = "b"', 'name = "b"\ngroup = "bench"'))

    session.bridge.spawn(panel.changes.move(["a", "b"], "rack"), name="move")

    qtbot.waitUntil(lambda: bool(answers.failures))
    assert "was changed in the file meanwhile" in answers.failures[0].message
    qtbot.waitUntil(lambda: (group_of(session, "a"), group_of(session, "b")) == ("rack", "bench"))
    session.undo.take_back()
    qtbot.waitUntil(lambda: group_of(session, "a") == "")
    assert stale[0] in session.machines.environments


def test_a_tag_that_is_none_is_refused_where_it_was_typed(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill(machine("a"))
    session.machines.select(["a"])
    session.commands.run("environment.tags")

    panel.tags.field.setText("arm64 <b>")
    QTest.mouseClick(panel.tags.accept, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(panel.tags.problem.isVisible)
    assert "a word of letters" in panel.tags.problem.text()
    assert tags(session, "a") == ("arm64",)

    QTest.keyClick(panel.tags.field, Qt.Key.Key_Escape)
    assert panel.tree.hasFocus()


def test_a_filter_is_saved_used_and_removed(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    assert panel.saved.isHidden()
    assert session.commands.why_not("environment.save_filter") == "Type a filter first"
    panel.filter.set_text("group:rack-1/left")
    session.commands.run("environment.save_filter")
    QTest.keyClick(panel.naming.field, Qt.Key.Key_Return)
    assert panel.naming.problem.text() == "A name is needed."
    panel.naming.field.setText("Left <b>shelf</b>")
    QTest.keyClick(panel.naming.field, Qt.Key.Key_Return)
    panel.filter.set_text("")

    saved = panel.saved.list
    said = saved.saved.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert said == "Left <b>shelf</b>, 2 environments"
    assert "<b>" not in saved.saved.index(0).data(Qt.ItemDataRole.ToolTipRole)
    QTest.mouseClick(
        saved.viewport(), Qt.MouseButton.LeftButton, NO_KEY, saved.visualRect(saved.saved.index(0)).center()
    )
    assert rows(panel.model) == ["rack-1", "  left", "    a", "    c"]
    panel.filter.set_text("")
    QTest.keyClick(saved, Qt.Key.Key_Return)
    assert panel.filter.text == "group:rack-1/left"

    saved.setFocus()
    QTest.keyClick(saved, Qt.Key.Key_Delete)
    assert panel.saved.isHidden()
    assert session.undo.text == "Removed the filter Left <b>shelf</b>"
    session.undo.take_back()
    assert panel.saved.isVisible()


def test_a_new_panel_has_the_saved_filters_and_survives_settings_that_are_none(session: Session, qtbot: QtBot) -> None:
    environment_commands.add_commands(session)
    session.settings.setValue("tree/saved filters", "{")
    session.settings.setValue("tree/folded", "7")
    session.settings.setValue("tree/filter", "tag:net")

    panel = EnvironmentPanel(session)
    qtbot.addWidget(panel)

    assert panel.saved.model.rowCount() == 0
    assert panel.filter.text == "tag:net"
    assert panel.tree.folded == set()


def test_enter_opens_what_never_ran_in_the_form(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    panel.tree.setCurrentIndex(panel.model.find("d"))

    with qtbot.waitSignal(session.navigator.moved) as moved:
        QTest.keyClick(panel.tree, Qt.Key.Key_Return)

    assert moved.args == [Place(Where.FORM, name="d")]


def test_a_double_click_opens_the_last_run(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill()
    past = Past(session.services.history)
    past.run(timedelta(hours=2), environments=["d"])
    newest = past.run(environments=["d", "a"])
    past.run(environments=["a"])

    at = middle(panel, "d")
    with qtbot.waitSignal(session.navigator.moved) as moved:
        QTest.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, NO_KEY, at)
        QTest.mouseDClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, NO_KEY, at)

    assert moved.args == [Place(Where.FLEET, newest, "d")]


def test_groups_fold_by_key_double_click_and_chevron(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    viewport = panel.tree.viewport()

    def rack_is_open() -> bool:
        return panel.tree.isExpanded(panel.model.index(0, 0))

    panel.tree.setFocus()
    assert panel.tree.currentIndex() == panel.model.index(0, 0)
    QTest.keyClick(panel.tree, Qt.Key.Key_Return)
    assert not rack_is_open()
    rect = panel.tree.visualRect(panel.model.index(0, 0))
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, NO_KEY, rect.center())
    QTest.mouseDClick(viewport, Qt.MouseButton.LeftButton, NO_KEY, rect.center())
    assert rack_is_open()
    for x in (rect.left() - 2, rect.left() + 2):
        before = rack_is_open()
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, NO_KEY, QPoint(x, rect.center().y()))
        assert rack_is_open() is not before
    assert session.machines.selected == ("a", "c", "b")


def test_the_context_menu_acts_on_what_is_selected(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill()
    panel.tree.setCurrentIndex(panel.model.find("a"))
    panel.tree.customContextMenuRequested.emit(middle(panel, "a"))
    menu = menu_of(panel, qtbot)
    titles = [each.text() for each in menu.actions() if not each.isSeparator()]
    power = ["Power on...", "Power off...", "Power reset...", "Reboot..."]
    edit = ["Pin key...", "Tags...", "Edit environment...", "Copy name", "Remove"]
    assert titles == ["Deploy...", "Check", *power, *edit]

    next(each for each in menu.actions() if each.text() == "Copy name").trigger()
    menu.close()

    assert QGuiApplication.clipboard().text() == "a"
    qtbot.waitUntil(lambda: not panel.findChildren(QMenu))


def test_the_more_menu_has_what_is_rarer(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill(machine("a"))
    more = next(each for each in panel.findChildren(QToolButton) if each.accessibleName() == "More about environments")
    QTest.mouseClick(more, Qt.MouseButton.LeftButton)
    titles = [each.text() for each in menu_of(panel, qtbot).actions() if not each.isSeparator()]
    assert titles == ["Import from ~/.ssh/config...", "Add guests from libvirt...", "Check all", "Save filter..."]
    menu_of(panel, qtbot).close()

    panel.saved.model.put("one", "name:a")
    panel.saved.list.customContextMenuRequested.emit(QPoint(4, 4))
    assert [each.text() for each in menu_of(panel, qtbot).actions()] == ["Remove saved filter"]


def test_a_run_that_goes_on_is_a_pie_of_its_stages(
    panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot
) -> None:
    fill(machine("a"), machine("b"))
    Past(session.services.history).run(environments=["a"], outcome=None)
    session.runs.look()

    qtbot.waitUntil(lambda: panel.model.state("a").word == "Running")

    assert panel.model.state("a").icon == "circle-slice-4"  # three of six stages
    panel.filter.set_text("status:running")
    assert rows(panel.model) == ["a"]
    session.services.history.release(1)


def test_states_are_told_in_words(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill()
    qtbot.waitUntil(lambda: session.machines.result("a") is not None)

    told = str(panel.model.find("a").data(Qt.ItemDataRole.AccessibleTextRole))
    assert told.startswith("a, Unreachable, ")
    tip = str(panel.model.find("a").data(Qt.ItemDataRole.ToolTipRole))
    assert "Last check" in tip
    assert "root@127.0.0.1:1" in tip

    session.machines.check(["a"])
    shown = panel.model.state("a")
    assert (shown.word, shown.icon) == ("Checking", Condition.UNREACHABLE.icon)
    qtbot.waitUntil(lambda: not session.machines.is_checking("a"))


def test_a_broken_lab_file_is_told(panel: EnvironmentPanel, session: Session, fill: Fill, qtbot: QtBot) -> None:
    fill()
    text = session.services.lab_file.read_text()
    session.services.lab_file.write_text(text + '\n[[environment]]\nname = "x"\nhots = "<b>y</b>"\n')
    session.machines.reload()

    qtbot.waitUntil(panel.problems.isVisible)
    assert panel.problems.button.text() == "2 problems in the lab file"
    assert "host is missing" in panel.problems.first.text()
    QTest.mouseClick(panel.problems.button, Qt.MouseButton.LeftButton)
    assert panel.problems.list.isVisible()
    assert panel.problems.list.model().rowCount() == 2
    QTest.mouseClick(panel.problems.button, Qt.MouseButton.LeftButton)
    assert panel.problems.list.isHidden()

    session.services.lab_file.write_text(text)
    session.machines.reload()
    qtbot.waitUntil(panel.problems.isHidden)


def test_rows_follow_density_and_text_size(panel: EnvironmentPanel, fill: Fill, look: Look, qtbot: QtBot) -> None:
    fill()

    def height() -> int:
        return panel.tree.visualRect(panel.model.find("d")).height()

    assert height() == 28
    look.set_density("compact")
    qtbot.waitUntil(lambda: height() == 24)
    look.set_text_size(150)
    qtbot.waitUntil(lambda: height() == 36)


def test_the_pointer_and_the_focus_are_seen(panel: EnvironmentPanel, look: Look, fill: Fill, qtbot: QtBot) -> None:
    fill()
    panel.tree.setCurrentIndex(panel.model.find("a"))

    def ground(name: str) -> str:
        return panel.tree.viewport().grab().toImage().pixelColor(4, middle(panel, name).y()).name()

    panel.tree.setFocus()
    assert ground("a") == look.theme.sel.name()
    panel.tree.clearFocus()
    assert ground("a") == look.theme.seloff.name()

    point_at(panel, middle(panel, "b"))
    assert ground("b") == look.theme.hover.name()
    QApplication.sendEvent(panel.tree.viewport(), QEvent(QEvent.Type.Leave))
    assert ground("b") == look.theme.view.name()
    panel.tree.setCurrentIndex(panel.model.find("c").parent())
    assert ground("c") == look.theme.seloff.name()


def test_what_comes_under_a_resting_pointer_is_seen(panel: EnvironmentPanel, look: Look, fill: Fill) -> None:
    fill(machine("m"))
    at = middle(panel, "m")
    point_at(panel, at)

    fill(machine("b", "rack"))

    assert panel.tree.indexAt(at).data() == "rack"
    ground = panel.tree.viewport().grab().toImage()
    assert ground.pixelColor(4, at.y()).name() == look.theme.hover.name()
    assert ground.pixelColor(4, middle(panel, "m").y()).name() == look.theme.view.name()


def point_at(panel: EnvironmentPanel, at: QPoint) -> None:
    """Move the pointer there. Not QTest.mouseMove: that tells nobody of a pointer that is there already, and tells the
    wrong one where another window lies at the same place of the screen."""
    viewport = panel.tree.viewport()
    place, whole = QPointF(at), QPointF(viewport.mapToGlobal(at))
    QCursor.setPos(whole.toPoint())
    QApplication.sendEvent(viewport, QEnterEvent(place, whole, whole))
    no = Qt.MouseButton.NoButton
    QApplication.sendEvent(viewport, QMouseEvent(QEvent.Type.MouseMove, place, whole, no, no, NO_KEY))
