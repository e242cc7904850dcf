"""One window per home."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.instance import OneInstance


@pytest.mark.parametrize("deep", ["", "x" * 120])
def test_a_second_start_shows_the_first_window(tmp_path: Path, qtbot: QtBot, deep: str) -> None:
    folder = tmp_path / deep
    folder.mkdir(exist_ok=True)
    first, second = OneInstance(folder), OneInstance(folder)

    assert first.claim()
    assert (folder / "window.lock").stat().st_mode & 0o077 == 0
    with qtbot.waitSignal(first.asked):
        assert not second.claim()
    first.release()


def test_a_window_that_was_closed_makes_room(tmp_path: Path, qtbot: QtBot) -> None:
    first, second = OneInstance(tmp_path), OneInstance(tmp_path)
    assert first.claim()
    first.release()

    assert second.claim()
    second.release()


def test_other_homes_are_other_windows(tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "other").mkdir()
    first, second = OneInstance(tmp_path), OneInstance(tmp_path / "other")

    assert first.claim()
    assert second.claim()
    first.release()
    second.release()
