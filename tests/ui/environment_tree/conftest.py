"""A panel on a real lab file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from PySide6.QtCore import QModelIndex
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_form import commands as environment_commands
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel
from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.wizard.drafts import Drafts

LAB = (("a", "rack-1/left"), ("b", "rack-1/right"), ("c", "rack-1/left"), ("d", ""))
ROWS = ["rack-1", "  left", "    a", "    c", "  right", "    b", "d"]

Fill = Callable[..., None]


def machine(name: str, group: str = "", tags: Sequence[str] = ("arm64",), jump: str = "") -> Environment:
    """A machine that nobody answers for."""
    keys = ("SHA256:" + "a" * 43,)
    return Environment(name=name, host="127.0.0.1", port=1, group=group, tags=tuple(tags), jump=jump, host_keys=keys)


def rows(model: EnvironmentModel, parent: QModelIndex | None = None, depth: int = 0) -> list[str]:
    """The tree as indented lines."""
    parent = parent or QModelIndex()
    found = []
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        found.append("  " * depth + str(index.data()))
        found += rows(model, index, depth + 1)
    return found


@pytest.fixture
def panel(session: Session, qtbot: QtBot) -> EnvironmentPanel:
    """The panel of an empty lab."""
    environment_commands.add_commands(session)
    Drafts(session)
    panel = EnvironmentPanel(session)
    session.machines.selection_changed.connect(session.commands.refresh)  # as the window does
    qtbot.addWidget(panel)
    panel.resize(264, 700)
    panel.show()
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow)
    return panel


@pytest.fixture
def fill(session: Session, qtbot: QtBot) -> Fill:
    """Adds machines and waits until the panel can have them."""

    def add(*environments: Environment) -> None:
        added = environments or tuple(machine(name, group) for name, group in LAB)
        assert not session.services.inventory.add_all(added)
        session.machines.reload()
        wanted = {each.name for each in added}
        qtbot.waitUntil(lambda: wanted <= {each.name for each in session.machines.environments})

    return add
