"""The commands of the environment pages; they act on what is selected in the tree."""

from __future__ import annotations

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session


def add_commands(session: Session) -> None:
    """Register them, once per window."""
    machines, go = session.machines, session.navigator

    def not_one() -> str:
        if not machines.selected:
            return "Select an environment first"
        return "" if len(machines.selected) == 1 else "Select one environment only"

    session.commands.add(
        Command(
            "environment.add",
            "Add environment...",
            "Environment",
            lambda: go.environment_form(),
            "Ctrl+Shift+N",
            "plus-network-outline",
            keywords="new board guest machine host",
        ),
        Command(
            "environment.import",
            "Import from ~/.ssh/config...",
            "Environment",
            go.importing,
            icon="import",
            keywords="ssh hosts known_hosts",
            no_key="needed once",
        ),
        Command(
            "environment.guests",
            "Add guests from libvirt...",
            "Environment",
            go.guests,
            icon="monitor-multiple",
            keywords="import qemu kvm virtual machine domain hypervisor virsh",
            no_key="needed once",
        ),
        Command(
            "environment.edit",
            "Edit environment...",
            "Environment",
            lambda: go.environment_form(machines.selected[0]),
            "F2",
            "pencil",
            enabled=not_one,
            keywords="address user rename group tags",
        ),
        Command(
            "environment.trust",
            "Pin key...",
            "Environment",
            lambda: go.trust(machines.selected[0]),
            icon="key-plus",
            enabled=not_one,
            keywords="host key trust fingerprint randomart compare",
            no_key="a key must not be pinned by a slip",
        ),
    )
