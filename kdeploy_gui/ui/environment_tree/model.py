"""The tree of environments as a model that changes row by row, so that nothing jumps or folds under the hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from PySide6.QtCore import QAbstractItemModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_tree.live import LiveStates, Shown
from kdeploy_gui.ui.environment_tree.nodes import Node, runs_of, staying, tree_of
from kdeploy_gui.ui.machines import Machines, age
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex
NAMES = "application/x-kdeploy-environments"
LONGEST = 400
"""Characters of a reason that are told."""
FEW = 40
"""Environments that come or go row by row; for more, Qt needs longer than for a new tree."""


class EnvironmentModel(QAbstractItemModel):
    """The environments that a filter leaves, in their groups."""

    dropped = Signal(object, str)
    """Names that were dragged, and the group they were dropped on."""
    reshaping = Signal()
    """Rows are about to come and go, once for all that come and go together."""

    def __init__(self, machines: Machines, live: LiveStates, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._machines = machines
        self._live = live
        self._root = Node("")
        self._ids: dict[int, Node] = {}  # an index holds a number: a pointer to a node could outlive it
        self._nodes: dict[str, Node] = {}
        self._drawn: dict[str, Shown] = {}
        self._reshaped = False
        machines.checked.connect(self._checked)

    def show(self, environments: Iterable[tuple[Environment, bool]]) -> None:
        """Other content, each environment with whether it is shown; rows that are in both stay as they are."""
        want = tree_of(environments)
        wanted = {node.name for node in want.leaves()}
        if self._nodes and len(wanted ^ self._nodes.keys()) > FEW:
            self._replace(want)
        else:
            self._reshaped = False
            self._sync(self._root, want)
        self._ids = {node.id: node for node in self._root.all()}
        self._nodes = {node.name: node for node in self._root.leaves()}

    def state(self, name: str) -> Shown:
        """How the state of an environment is drawn."""
        shown = self._drawn[name] = self._live.shown(name)
        return shown

    def names(self) -> list[str]:
        """Environments that are in the tree, from top to bottom."""
        return [node.name for node in self._root.leaves()]

    def groups(self) -> Iterator[tuple[str, QModelIndex]]:
        """Paths and rows of groups."""
        for node in self._root.all():
            if node.environment is None and node is not self._root:
                yield node.path, self._index(node)

    def node(self, index: Index) -> Node | None:
        """What a row stands for."""
        return self._ids.get(index.internalId()) if index.isValid() else None

    def find(self, name: str) -> QModelIndex:
        """The row of an environment."""
        node = self._nodes.get(name)
        return self._index(node) if node is not None else QModelIndex()

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """The place of a row."""
        above = self.node(parent) or self._root
        if column == 0 and 0 <= row < len(above.children):
            return self.createIndex(row, 0, above.children[row].id)
        return QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        """The group of a row."""
        node = self.node(index)
        return self._index(node.parent) if node is not None and node.parent is not None else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Rows below a group."""
        return len((self.node(parent) or self._root).children)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """One: the delegate draws name and state."""
        return 1

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Environments can be dragged; groups and the empty part below them take them."""
        flags = super().flags(index)
        node = self.node(index)
        is_environment = node is not None and node.environment is not None
        return flags | (Qt.ItemFlag.ItemIsDragEnabled if is_environment else Qt.ItemFlag.ItemIsDropEnabled)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Names; states in words."""
        node = self.node(index)
        if node is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return visible(node.name)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            if node.environment is None:
                return f"{visible(node.name)}, group of {node.size}"
            said = (visible(node.name), self.state(node.name).word, visible(self._reason(node.name)))
            return ", ".join(each for each in said if each)
        if role == Qt.ItemDataRole.ToolTipRole and node.environment is not None:
            return plain_tip(self._tip(node.environment))
        return None

    def mimeTypes(self) -> list[str]:
        """What is dragged."""
        return [NAMES]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The names of dragged environments."""
        nodes = [node for index in indexes if (node := self.node(index)) is not None]
        data = QMimeData()
        data.setData(NAMES, "\n".join(each.name for each in nodes if each.environment is not None).encode())
        return data

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        """Told to whoever can move them; the rows follow the lab file."""
        node = self.node(parent) or self._root
        if node.environment is None and data.hasFormat(NAMES):
            self.dropped.emit(bytes(data.data(NAMES).data()).decode().split("\n"), node.path)
        return False

    def supportedDropActions(self) -> Qt.DropAction:
        """They move."""
        return Qt.DropAction.MoveAction

    def _tip(self, environment: Environment) -> str:
        word = self.state(environment.name).word
        looked = self._machines.checked_at(environment.name)
        lines = [
            f"{environment.name}: {word}",
            self._reason(environment.name),
            environment.address,
            f"Tags: {', '.join(environment.tags)}" if environment.tags else "",
            f"Last check {age(looked)}" if looked is not None else "",
        ]
        return "\n".join(line for line in lines if line)

    def _reason(self, name: str) -> str:
        """Why its state is what it is, as far as anybody reads on."""
        _, reason = self._machines.condition(name)
        return reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}..."

    def _index(self, node: Node) -> QModelIndex:
        return QModelIndex() if node is self._root else self.createIndex(node.row, 0, node.id)

    def _replace(self, want: Node) -> None:
        self.reshaping.emit()
        self.beginResetModel()
        self._root = want
        self._ids = {node.id: node for node in want.all()}
        self.endResetModel()

    def _sync(self, have: Node, want: Node) -> None:
        stays = staying(have.children, {each.key: place for place, each in enumerate(want.children)})
        for first, last in reversed(runs_of(row for row in range(len(have.children)) if row not in stays)):
            self._tell_reshaping()
            self.beginRemoveRows(self._index(have), first, last)
            del have.children[first : last + 1]
            have.number()
            self.endRemoveRows()
        known = {each.key: each for each in have.children}
        for first, last in runs_of(place for place, each in enumerate(want.children) if each.key not in known):
            self._tell_reshaping()
            self.beginInsertRows(self._index(have), first, last)
            fresh = want.children[first : last + 1]
            self._ids.update((node.id, node) for each in fresh for node in each.all())
            have.children[first:first] = fresh
            have.number()
            self.endInsertRows()
        for each in want.children:
            node = known.get(each.key)
            if node is not None:
                node.environment = each.environment
                if node.environment is None:
                    self._sync(node, each)
        if have.size != want.size:
            have.size = want.size
            if have is not self._root:
                self.dataChanged.emit(self._index(have), self._index(have))

    def _tell_reshaping(self) -> None:
        if not self._reshaped:
            self._reshaped = True
            self.reshaping.emit()

    def _checked(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is not None and self._drawn.get(name) != self.state(name):
            index = self._index(node)
            self.dataChanged.emit(index, index)
