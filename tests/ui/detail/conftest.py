"""The pane on the embedded lab."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.detail.pane import DetailPane
from kdeploy_gui.ui.session import Session


@pytest.fixture
def pane(demo: Session, qtbot: QtBot) -> DetailPane:
    """The pane, in sight, with nothing in it."""
    made = DetailPane(demo)
    qtbot.addWidget(made)
    made.resize(1176, 420)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made
