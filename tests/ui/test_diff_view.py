"""Diffs with both line numbers, stepped through change by change."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.preview import DiffLine
from kdeploy_gui.ui.diff_view import SHOWN, DiffView
from kdeploy_gui.ui.look import Look

LINES = (
    DiffLine("hunk", 0, 0, "@@ -12,3 +12,4 @@ run_case()"),
    DiffLine("context", 12, 12, "dev=${1:?device}"),
    DiffLine("removed", 13, 0, "iperf3 -t 10"),
    DiffLine("added", 0, 13, "iperf3 -t 30"),
    DiffLine("added", 0, 14, "sleep 1\t\x1b[8m# hidden?"),
    DiffLine("context", 14, 15, "done"),
    DiffLine("added", 0, 16, "x" * 1_000_000),
)


@pytest.fixture
def view(look: Look, qtbot: QtBot) -> DiffView:
    made = DiffView(look)
    qtbot.addWidget(made)
    made.resize(600, 200)
    made.set_lines(LINES)
    made.show()
    return made


def test_changes_are_stepped_through(view: DiffView) -> None:
    assert (view.changes, view.change) == (2, 0)
    assert view.step_change(1)
    assert (view.current, view.change) == (2, 1)
    assert view.step_change(1)
    assert (view.current, view.change) == (6, 2)
    assert not view.step_change(1)
    assert view.step_change(-1)
    assert view.current == 2


def test_what_a_file_holds_is_seen_not_obeyed(view: DiffView) -> None:
    assert view.text_of(4) == "added 14 sleep 1 \\x1b[8m# hidden?"
    assert len(view.text_of(6)) < SHOWN + 100
    assert view.text_of(0) == "from here  @@ -12,3 +12,4 @@ run_case()"


def test_a_selection_is_copied_as_a_diff(view: DiffView) -> None:
    view.copy()
    view.select(0)
    view.select(3, extend=True)
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)

    assert QGuiApplication.clipboard().text().split("\n") == [
        "@@ -12,3 +12,4 @@ run_case()",
        " dev=${1:?device}",
        "-iperf3 -t 10",
        "+iperf3 -t 30",
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_grounds_tell_the_kinds_apart(view: DiffView, look: Look, theme: str) -> None:
    look.set_theme(theme)
    image = view.grab().toImage()
    edge = view.width() - 20
    height = view.line_height

    colors = [image.pixelColor(edge, row * height + 2) for row in range(4)]
    assert colors == [look.theme.raised, look.theme.view, look.theme.delbg, look.theme.addbg]


def test_another_diff_begins_at_its_first_line(view: DiffView) -> None:
    view.select(6)
    view.set_lines(LINES[:2])

    assert (view.count(), view.current, view.position) == (2, -1, (0, 0))
    view.set_lines(())
    assert view.changes == 0
