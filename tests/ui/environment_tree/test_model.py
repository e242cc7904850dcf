"""The tree as a model: whatever changes, the rows are those of the lab, and no more of them move than must."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QMimeData, QPersistentModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_tree.live import LiveStates
from kdeploy_gui.ui.environment_tree.model import FEW, NAMES, EnvironmentModel
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.ui.environment_tree.conftest import LAB, ROWS, machine, rows

HOSTILE = "<b>x</b>\x1b[31m\u202e\x00"
GROUPS = ("", "desk", "rack-1", "rack-1/left", "rack-1/left/top", "rack-2")


def made(session: Session) -> EnvironmentModel:
    return EnvironmentModel(session.machines, LiveStates(session.machines, session.runs))


def lab(chance: random.Random, size: int) -> list[tuple[Environment, bool]]:
    names = chance.sample([f"m{number}" for number in range(size)], chance.randint(0, size))
    return [(machine(name, chance.choice(GROUPS)), chance.random() < 0.8) for name in names]


@pytest.mark.parametrize("size", [12, 3 * FEW])
def test_any_lab_becomes_any_other(session: Session, qtmodeltester: ModelTester, size: int) -> None:
    model, chance = made(session), random.Random(size)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]

    for _ in range(40):
        wanted = lab(chance, size)
        model.show(wanted)
        fresh = made(session)
        fresh.show(wanted)
        assert rows(model) == rows(fresh)
        assert all(model.find(each.name).isValid() is shown for each, shown in wanted)


def test_the_order_is_the_one_of_the_lab_after_a_filter_has_gone(session: Session) -> None:
    model = made(session)
    whole = [machine(name, group) for name, group in LAB]
    model.show([(each, True) for each in whole])

    model.show([(each, each.name in {"b", "c"}) for each in whole])
    assert rows(model) == ["rack-1", "  left", "    c", "  right", "    b"]
    model.show([(each, True) for each in whole])

    assert rows(model) == ROWS


def test_one_environment_more_moves_nothing(session: Session, qtbot: QtBot) -> None:
    model = made(session)
    whole = [machine(f"m{number:03}", "rack") for number in range(200)]
    model.show([(each, True) for each in whole if each.name != "m100"])
    kept = QPersistentModelIndex(model.find("m101"))

    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignals([model.rowsInserted, model.dataChanged]):
        model.show([(each, True) for each in whole])

    assert kept.row() == 101
    assert model.find("m100").row() == 100
    assert str(model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)) == "rack, group of 200"


def test_one_that_moved_in_the_file_moves_alone(session: Session, qtbot: QtBot) -> None:
    model = made(session)
    whole = [machine(f"m{number}") for number in range(9)]
    model.show([(each, True) for each in whole])

    with qtbot.waitSignal(model.rowsRemoved) as removed:
        model.show([(each, True) for each in (*whole[1:], whole[0])])

    assert removed.args is not None
    assert removed.args[1:] == [0, 0]
    assert rows(model)[-1] == "m0"


def test_an_unchanged_state_paints_nothing(session: Session, qtbot: QtBot) -> None:
    model = made(session)
    model.show([(machine("a"), True)])
    model.state("a")

    with qtbot.assertNotEmitted(model.dataChanged):
        session.machines.checked.emit("a")
        session.machines.checked.emit("nobody")


def test_only_groups_take_what_is_dropped(session: Session, qtbot: QtBot) -> None:
    model = made(session)
    model.show([(machine(name, group), True) for name, group in LAB])
    right = model.find("b").parent()
    data = model.mimeData([model.find("a"), right])
    assert data.formats() == [NAMES]
    assert model.mimeTypes() == [NAMES]
    assert model.supportedDropActions() == Qt.DropAction.MoveAction
    assert model.flags(model.find("a")) & Qt.ItemFlag.ItemIsDragEnabled
    assert not model.flags(model.find("a")) & Qt.ItemFlag.ItemIsDropEnabled

    with qtbot.waitSignal(model.dropped) as dropped:
        assert not model.dropMimeData(data, Qt.DropAction.MoveAction, -1, 0, right)
    assert dropped.args == [["a"], "rack-1/right"]
    with qtbot.assertNotEmitted(model.dropped):
        model.dropMimeData(data, Qt.DropAction.MoveAction, -1, 0, model.find("a"))
        model.dropMimeData(QMimeData(), Qt.DropAction.MoveAction, -1, 0, right)


def test_foreign_text_stays_text(session: Session) -> None:
    model = made(session)
    model.show([(Environment(name="x", host=HOSTILE, group=HOSTILE.replace("/", ""), tags=(HOSTILE,)), True)])

    index = model.find("x")
    for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
        for each in (index, index.parent()):
            assert not {"\x1b", "\u202e", "\x00"} & set(str(each.data(role)))
    assert "<b>" not in str(index.data(Qt.ItemDataRole.ToolTipRole))


def test_a_reason_without_end_is_told_in_part(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(session)
    model.show([(machine("a"), True)])
    monkeypatch.setattr(session.machines, "condition", lambda _: (Condition.FAILED, "z" * 1_000_000))

    for role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
        assert len(str(model.find("a").data(role))) < 1000
