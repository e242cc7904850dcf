"""What the window says under its views."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.strips import SavedStrip


@pytest.mark.parametrize("opens", [True, False])
def test_a_saved_file_is_named_and_opened(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    asked: list[str] = []

    def open_url(url: QUrl) -> bool:
        asked.append(url.toLocalFile())
        return opens

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    strip = SavedStrip(session)
    qtbot.addWidget(strip)
    path = Path("/home/lab/run \x1b2.html")

    session.asking.tell_saved("Report of run 2", path)
    assert strip.isVisible()
    assert strip.text.text() == "Report of run 2 is in /home/lab/run \\x1b2.html."
    strip.open_button.click()

    assert asked == [str(path)]
    assert strip.open_button.isVisible() == opens
    assert strip.text.text().startswith("Report" if opens else "No program here opens /home/lab")
    session.asking.tell_saved("Report of run 3", path)
    assert strip.open_button.isVisible()
    next(each for each in strip.findChildren(QAbstractButton) if each.accessibleName() == "Dismiss").click()
    assert not strip.isVisible()
