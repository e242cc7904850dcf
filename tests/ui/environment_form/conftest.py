"""What the tests of these pages share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.session import Session


@pytest.fixture
def board(demo: Session, qtbot: QtBot) -> Callable[[str], Environment]:
    """A board of the embedded lab by a part of its name, once the lab file was read."""
    qtbot.waitUntil(lambda: demo.machines.loaded)

    def find(part: str) -> Environment:
        return next(each for each in demo.machines.environments if part in each.name)

    return find


@pytest.fixture
def show(qtbot: QtBot) -> Callable[[QWidget], None]:
    """Show a page at its usual size; it goes with the test."""

    def shown(page: QWidget) -> None:
        qtbot.addWidget(page)
        page.resize(1440, 828)
        page.show()

    return shown
