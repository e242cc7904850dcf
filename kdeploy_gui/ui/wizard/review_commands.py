"""The commands of the review: registered once for each window, they act on the review that has the focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from PySide6.QtWidgets import QApplication, QWidget

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session

SCOPE = "review"
NEXT, PREVIOUS, AGAIN = "review.next_change", "review.previous_change", "review.plan_again"
LEAVE_OUT, COPY = "review.leave_out", "review.copy"
NAMES = (NEXT, PREVIOUS, AGAIN, LEAVE_OUT, COPY)
MENU = (LEAVE_OUT, AGAIN, "", COPY)


@runtime_checkable
class Review(Protocol):
    """What the commands do."""

    def next_change(self) -> None:
        """To the next change of any file."""

    def previous_change(self) -> None:
        """To the one before."""

    def plan_again(self) -> None:
        """Look at every environment anew."""

    def leave_out_selected(self) -> None:
        """Take the selected environments out of the draft."""

    def copy(self) -> None:
        """Put the selected rows on the clipboard."""

    def why_not(self, command: str = "") -> str:
        """Why a command cannot be used now; empty: it can."""


def focused() -> Review | None:
    """The review that has the focus."""
    widget: QWidget | None = QApplication.focusWidget()
    while widget is not None and not isinstance(widget, Review):
        widget = widget.parentWidget()
    return widget


def add_commands(session: Session) -> None:
    """Register the commands unless another review has."""
    if any(each.id == NEXT for each in session.commands.all()):
        return
    session.commands.add(
        _command(NEXT, "Next change", "View", lambda review: review.next_change(), "Ctrl+."),
        _command(PREVIOUS, "Previous change", "View", lambda review: review.previous_change(), "Ctrl+,"),
        _command(AGAIN, "Plan again", "Run", lambda review: review.plan_again(), no_key="It has a button"),
        _command(LEAVE_OUT, "Leave out", "Run", lambda review: review.leave_out_selected(), "Delete"),
        _command(COPY, "Copy rows of the plan", "Edit", lambda review: review.copy(), no_key="Copies rows, not a cell"),
    )


def _command(
    name: str, title: str, menu: str, verb: Callable[[Review], None], key: str = "", no_key: str = ""
) -> Command:
    def act() -> None:
        review = focused()
        if review is not None:
            verb(review)

    def why() -> str:
        review = focused()
        return review.why_not(name) if review is not None else "Open the review of a deployment first"

    scope = SCOPE if key else ""
    return Command(name, title, menu, act, key, enabled=why, no_key=no_key, scope=scope)
