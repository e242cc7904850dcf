"""The hosts that can be imported, as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_form.proposals import Proposal, with_jump_hosts
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
COLUMNS = ("Host", "Becomes", "Address", "Key file", "Jump host", "Host key", "Remark")


class HostModel(QAbstractTableModel):
    """One row a host; the first column has its tick."""

    ticked = Signal()

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.offered: tuple[Proposal, ...] = ()
        self.chosen: set[str] = set()

    def set_offered(self, offered: Sequence[Proposal]) -> None:
        """Show these; what was chosen and is still there stays chosen."""
        self.beginResetModel()
        self.offered = tuple(offered)
        self.chosen = with_jump_hosts(self.chosen, self.offered)
        self.endResetModel()
        self.ticked.emit()

    def choose_all(self, chosen: bool) -> None:
        """Choose every new host, or none."""
        names = {each.environment.name for each in self.offered if not each.known}
        self._choose(names if chosen else set())

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(self.offered)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """See Qt."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        """See Qt."""
        if orientation is Qt.Orientation.Horizontal and role == Role.DisplayRole and 0 <= section < len(COLUMNS):
            return COLUMNS[section]
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Known hosts cannot be ticked."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        if self.offered[index.row()].known:
            return Qt.ItemFlag.ItemIsSelectable
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return usual | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else usual

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        """See Qt."""
        if not index.isValid():
            return None
        proposal = self.offered[index.row()]
        match role:
            case Role.DisplayRole:
                return visible(_words(proposal)[index.column()])
            case Role.ToolTipRole:
                return plain_tip(_words(proposal)[index.column()])
            case Role.AccessibleTextRole:
                word = visible(_words(proposal)[index.column()])
                return (
                    f"{word}, {self._state(proposal)}" if index.column() == 0 else f"{COLUMNS[index.column()]}: {word}"
                )
            case Role.CheckStateRole if index.column() == 0:
                return Qt.CheckState.Checked if proposal.environment.name in self.chosen else Qt.CheckState.Unchecked
            case Role.FontRole:
                return self._look.font(Text.NAME if index.column() == 0 else Text.CELL)
            case Role.ForegroundRole:
                return self._look.theme.color("t3" if proposal.known else "t1" if index.column() == 0 else "t2")
        return None

    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        """Tick a host, with those on the way to it."""
        if role != Role.CheckStateRole or not index.isValid() or self.offered[index.row()].known:
            return False
        name = self.offered[index.row()].environment.name
        if Qt.CheckState(value) is Qt.CheckState.Checked:
            self._choose(with_jump_hosts({*self.chosen, name}, self.offered))
        else:
            self._choose({each for each in self.chosen if name not in with_jump_hosts([each], self.offered)})
        return True

    def _choose(self, chosen: set[str]) -> None:
        changed, self.chosen = self.chosen ^ chosen, chosen
        for row, each in enumerate(self.offered):
            if each.environment.name in changed:
                cell = self.index(row, 0)
                self.dataChanged.emit(cell, cell, [Role.CheckStateRole])
        self.ticked.emit()

    def _state(self, proposal: Proposal) -> str:
        if proposal.known:
            return "in the lab already"
        return "chosen" if proposal.environment.name in self.chosen else "not chosen"


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
