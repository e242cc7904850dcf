"""The hosts that can be imported, as the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject

from kdeploy_gui.ui.environment_form.proposals import Proposal, with_jump_hosts
from kdeploy_gui.ui.environment_form.ticks import Offer, TickModel
from kdeploy_gui.ui.look import Look


class HostModel(TickModel):
    """One row a host; the hosts on the way to it are chosen with it."""

    columns = ("Host", "Becomes", "Address", "Key file", "Jump host", "Host key", "Remark")

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(look, parent)
        self.offered: tuple[Proposal, ...] = ()

    def set_offered(self, offered: Sequence[Proposal]) -> None:
        """Show these; what was chosen and is still there stays chosen."""
        self.offered = tuple(offered)
        self.show_offers(Offer(each.environment.name, _words(each), bool(each.known)) for each in self.offered)

    def along(self, names: Iterable[str]) -> set[str]:
        """The new ones among these, with the jump hosts on the way to them."""
        return with_jump_hosts(names, self.offered)


def _words(proposal: Proposal) -> tuple[str, ...]:
    environment = proposal.environment
    count = len(environment.host_keys)
    keys = "not seen yet" if not count else "seen, is pinned" if count == 1 else f"{count} seen, are pinned"
    return (
        proposal.alias,
        environment.name,
        environment.address,
        environment.identity_file or "agent and default keys",
        environment.jump or "-",
        keys,
        proposal.remark,
    )
