"""The guests of a hypervisor, as the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject, Qt

from kdeploy_gui.model.guest import GuestState
from kdeploy_gui.ui.environment_form.proposals import GuestProposal
from kdeploy_gui.ui.environment_form.ticks import Index, Offer, TickModel
from kdeploy_gui.ui.look import Look

STATE, REMARK = 1, 4
"""The column with a glyph, and one that most hypervisors leave empty."""
GLYPHS: Mapping[GuestState, tuple[str, str]] = {
    GuestState.RUNNING: ("check", "ready"),
    GuestState.PAUSED: ("alert-circle-outline", "retry"),
    GuestState.FROZEN: ("close-octagon", "failed"),
    GuestState.SHUTTING_DOWN: ("power", "wait"),
    GuestState.OFF: ("power", "wait"),
    GuestState.CRASHED: ("close-octagon", "failed"),
}


class GuestModel(TickModel):
    """One row a guest, with what it is doing."""

    columns = ("Guest", "State", "Becomes", "Machine", "Remark")

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(look, parent)
        self.offered: tuple[GuestProposal, ...] = ()

    def set_offered(self, offered: Sequence[GuestProposal]) -> None:
        """Show these; what was chosen and is still there stays chosen."""
        self.offered = tuple(offered)
        self.show_offers(Offer(each.name, _words(each), bool(each.known)) for each in self.offered)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See Qt."""
        if role == Qt.ItemDataRole.DecorationRole and index.isValid() and index.column() == STATE:
            icon, token = GLYPHS[self.offered[index.row()].guest.status.state]
            return self._look.icon(icon, token)
        return super().data(index, role)


def _words(proposal: GuestProposal) -> tuple[str, ...]:
    guest = proposal.guest
    text = guest.status.text
    return guest.name, text[:1].upper() + text[1:], proposal.becomes, guest.arch or "-", proposal.remark
