"""The verbs of the tree."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtGui import QGuiApplication

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.environment_tree.power import power_commands
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.unlocking import unlock_and_check

SCOPE = "environments"
SAVED_SCOPE = "saved filters"
CONTEXT = (
    "environment.deploy",
    "environment.check",
    "",
    "environment.power_on",
    "environment.power_off",
    "environment.power_reset",
    "environment.reboot",
    "view.console",
    "",
    "environment.trust",
    "environment.tags",
    "environment.edit",
    "environment.copy_name",
    "",
    "environment.remove",
)
MORE = ("environment.import", "environment.guests", "lab.open", "", "environment.check_all", "environment.save_filter")
SAVED = ("environment.forget_filter",)


class Panel(Protocol):
    """What the verbs do."""

    def edit_tags(self) -> None:
        """Open the editor of tags."""

    def remove(self) -> None:
        """Take what is selected out of the lab file."""

    def name_filter(self) -> None:
        """Ask for a name for the filter."""

    def forget_filter(self) -> None:
        """Remove a saved filter."""

    def no_filter(self) -> str:
        """Why there is nothing to save."""

    def no_saved_filter(self) -> str:
        """Why there is nothing to remove."""


def commands_of(session: Session, panel: Panel) -> tuple[Command, ...]:
    """The commands that the tree brings."""
    machines, menu = session.machines, "Environment"

    def none_selected() -> str:
        return "" if machines.selected else "Select environments first"

    def copy() -> None:
        QGuiApplication.clipboard().setText("\n".join(machines.selected))

    def check() -> None:
        session.bridge.spawn(unlock_and_check(session, machines.selected), name="check")

    def check_all() -> None:
        session.bridge.spawn(unlock_and_check(session), name="check all")

    return (
        Command("environment.check", "Check", menu, check, "F5", "refresh", none_selected, "connect ready look"),
        Command("environment.check_all", "Check all", menu, check_all, "Ctrl+F5", "refresh"),
        Command(
            "environment.tags",
            "Tags...",
            menu,
            panel.edit_tags,
            icon="tag-multiple-outline",
            enabled=none_selected,
            no_key="rarely needed",
        ),
        Command(
            "environment.copy_name",
            "Copy name",
            menu,
            copy,
            "Ctrl+C",
            "content-copy",
            none_selected,
            scope=SCOPE,
        ),
        Command(
            "environment.remove",
            "Remove",
            menu,
            panel.remove,
            "Del",
            "trash-can-outline",
            none_selected,
            "delete lab file",
            scope=SCOPE,
        ),
        Command(
            "environment.save_filter",
            "Save filter...",
            menu,
            panel.name_filter,
            icon="bookmark-outline",
            enabled=panel.no_filter,
            no_key="rarely needed",
        ),
        Command(
            "environment.forget_filter",
            "Remove saved filter",
            menu,
            panel.forget_filter,
            "Del",
            "trash-can-outline",
            panel.no_saved_filter,
            scope=SAVED_SCOPE,
        ),
        *power_commands(session),
    )
