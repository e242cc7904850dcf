"""The one thing that can be taken back."""

from __future__ import annotations

from kdeploy_gui.ui.undo import Undo


def test_what_is_offered_is_taken_back_once() -> None:
    undo, done = Undo(), list[str]()
    undo.offer("Removed board-1", lambda: done.append("back"))

    assert undo.text == "Removed board-1"
    undo.take_back()
    undo.take_back()

    assert done == ["back"]
    assert undo.text == ""


def test_a_new_offer_replaces_the_old_one() -> None:
    undo, done = Undo(), list[str]()
    undo.offer("Removed board-1", lambda: done.append("first"))
    undo.offer("Removed board-2", lambda: done.append("second"))

    undo.take_back()

    assert done == ["second"]


def test_an_offer_withdrawn_is_gone() -> None:
    undo, done = Undo(), list[str]()
    undo.offer("Removed board-1", lambda: done.append("back"))

    undo.withdraw()
    undo.take_back()

    assert done == []
