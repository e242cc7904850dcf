"""The environment tree on real lab files."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PySide6.QtCore import QMimeData, QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_form import commands as environment_commands
from kdeploy_gui.ui.environment_tree.model import NAMES, EnvironmentModel
from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.session import Place, Session, Where

HOSTILE = "<b>x</b>\x1b[31m\u202e\x00"


def add(session: Session, *environments: tuple[str, str]) -> None:
    for name, group in environments:
        refused = session.services.inventory.add(
            Environment(
                name=name, host="127.0.0.1", port=1, group=group, tags=("arm64",), host_keys=("SHA256:" + "a" * 43,)
            )
        )
        assert not refused
    session.machines.reload()


def rows(model: EnvironmentModel, parent: QModelIndex | None = None, depth: int = 0) -> list[str]:
    parent = parent or QModelIndex()
    found = []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        found.append("  " * depth + str(index.data()))
        found += rows(model, index, depth + 1)
    return found


@pytest.fixture
def panel(session: Session, qtbot: QtBot) -> EnvironmentPanel:
    environment_commands.add_commands(session)
    panel = EnvironmentPanel(session)
    qtbot.addWidget(panel)
    panel.resize(264, 700)
    panel.show()
    return panel


def fill(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    add(session, ("a", "rack-1/left"), ("b", "rack-1/right"), ("c", "rack-1/left"), ("d", ""))
    qtbot.waitUntil(lambda: len(session.machines.environments) == 4)


def test_groups_are_folders(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)

    assert rows(panel.model) == ["rack-1", "  left", "    a", "    c", "  right", "    b", "d"]
    assert panel.count.text() == "4"


def test_a_lab_without_environments_says_how_to_begin(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: session.machines.loaded)
    qtbot.waitUntil(panel.empty.isVisible)


def test_selecting_a_group_selects_what_is_in_it(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)

    panel.tree.setCurrentIndex(panel.model.index(0, 0))

    assert set(session.machines.selected) == {"a", "b", "c"}


def test_folding_and_selection_survive_a_change_of_the_lab(
    panel: EnvironmentPanel, session: Session, qtbot: QtBot
) -> None:
    fill(panel, session, qtbot)
    left = panel.model.find("a").parent()
    panel.tree.setExpanded(left, False)
    panel.tree.setCurrentIndex(panel.model.find("b"))

    add(session, ("e", "rack-2"))
    qtbot.waitUntil(lambda: panel.model.find("e").isValid())

    assert not panel.tree.isExpanded(panel.model.find("a").parent())
    assert session.machines.selected == ("b",)


def test_the_filter_leaves_what_matches(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)

    panel.filter.set_text("group:*left !name:c")

    assert rows(panel.model) == ["rack-1", "  left", "    a"]
    panel.filter.set_text("")
    assert len(rows(panel.model)) == 7


def test_removing_can_be_taken_back(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)
    before = session.services.lab_file.read_text()
    session.machines.select(["a", "c"])
    panel.tree.setFocus()

    session.commands.run("environment.remove")
    qtbot.waitUntil(lambda: len(session.machines.environments) == 2)
    assert session.undo.text == "Removed 2 environments"
    assert rows(panel.model) == ["rack-1", "  right", "    b", "d"]

    session.undo.take_back()
    qtbot.waitUntil(lambda: len(session.machines.environments) == 4)
    assert session.services.lab_file.read_text() == before


def test_dragging_moves_to_a_group(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)
    data = QMimeData()
    data.setData(NAMES, b"d")
    right = panel.model.find("b").parent()

    panel.model.dropMimeData(data, Qt.DropAction.MoveAction, -1, 0, right)
    qtbot.waitUntil(lambda: (found := session.machines.get("d")) is not None and found.group == "rack-1/right")

    session.undo.take_back()
    qtbot.waitUntil(lambda: (found := session.machines.get("d")) is not None and found.group == "")


def test_enter_opens_what_never_ran_in_the_form(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)
    panel.tree.setCurrentIndex(panel.model.find("d"))

    with qtbot.waitSignal(session.navigator.moved) as moved:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Return)

    assert moved.args == [Place(Where.FORM, name="d")]


def test_names_are_copied(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)
    session.machines.select(["a", "b"])

    session.commands.run("environment.copy_name")

    assert QGuiApplication.clipboard().text() == "a\nb"


def test_states_are_told_in_words(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    fill(panel, session, qtbot)
    qtbot.waitUntil(lambda: session.machines.result("a") is not None, timeout=20_000)

    told = str(panel.model.find("a").data(Qt.ItemDataRole.AccessibleTextRole))

    assert told.startswith("a, Unreachable, ")


def test_foreign_text_stays_text(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    model = panel.model
    hostile: Sequence[Environment] = [
        Environment(name="x", host=HOSTILE, group=HOSTILE.replace("/", ""), tags=(HOSTILE,))
    ]

    model.show([(each, True) for each in hostile])

    index = model.find("x")
    for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
        for each in (index, index.parent()):
            assert not {"\x1b", "\u202e", "\x00"} & set(str(each.data(role)))
    assert "<b>" not in str(index.data(Qt.ItemDataRole.ToolTipRole))


def test_a_broken_lab_file_is_told(panel: EnvironmentPanel, session: Session, qtbot: QtBot) -> None:
    session.services.lab_file.write_text('[[environment]]\nname = "a"\nhots = "x"\n')
    session.machines.reload()

    qtbot.waitUntil(panel.problems.isVisible)
    assert "lab file" in panel.problems.button.text()
    qtbot.mouseClick(panel.problems.button, Qt.MouseButton.LeftButton)
    assert panel.problems.list.isVisible()


def test_the_model_is_sound(
    panel: EnvironmentPanel, session: Session, qtbot: QtBot, qtmodeltester: ModelTester
) -> None:
    fill(panel, session, qtbot)
    qtmodeltester.check(panel.model)
