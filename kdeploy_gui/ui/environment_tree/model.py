"""Groups and environments as a tree that changes row by row, so that nothing jumps or folds under the hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractItemModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt, Signal

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.machines import Machines, age
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex
NAMES = "application/x-kdeploy-environments"


@dataclass(eq=False, slots=True)
class Node:
    """A group (its last folder's name) or an environment; groups come before environments, as they first occur."""

    name: str
    path: str = ""
    environment: Environment | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def row(self) -> int:
        """Its place below its parent."""
        return self.parent.children.index(self) if self.parent is not None else 0

    def environments(self) -> list[str]:
        """Names of this environment, or of all below this group."""
        if self.environment is not None:
            return [self.name]
        return [name for each in self.children for name in each.environments()]


class EnvironmentModel(QAbstractItemModel):
    """The tree of the environments that a filter leaves."""

    dropped = Signal(list, str)
    """Names that were dragged, and the group they were dropped on."""

    def __init__(self, machines: Machines) -> None:
        super().__init__()
        self._machines = machines
        self._root = Node("")
        self._nodes: dict[str, Node] = {}
        machines.checked.connect(self._checked)

    def show(self, environments: Sequence[Environment]) -> None:
        """Other content: rows that went are taken out, new ones put in, the others stay as they are."""
        wanted = {each.name: each for each in environments}
        for name in [name for name, node in self._nodes.items() if _elsewhere(node, wanted.get(name))]:
            self._take_out(name)
        for each in environments:
            node = self._nodes.get(each.name)
            if node is None:
                self._put_in(each)
            else:
                node.environment = each

    def node(self, index: Index) -> Node | None:
        """What a row stands for."""
        found = index.internalPointer() if index.isValid() else None
        return found if isinstance(found, Node) else None

    def find(self, name: str) -> QModelIndex:
        """The row of an environment."""
        node = self._nodes.get(name)
        return self._index(node) if node is not None else QModelIndex()

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """The place of a row."""
        above = self.node(parent) or self._root
        if column == 0 and 0 <= row < len(above.children):
            return self.createIndex(row, 0, above.children[row])
        return QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        """The group of a row."""
        node = self.node(index)
        return self._index(node.parent) if node is not None and node.parent is not None else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Rows below a group."""
        return len((self.node(parent) or self._root).children)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """One: the delegate draws the rest."""
        return 1

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Environments can be dragged, groups take them."""
        flags = super().flags(index)
        node = self.node(index)
        if node is None:
            return flags
        return flags | (Qt.ItemFlag.ItemIsDropEnabled if node.environment is None else Qt.ItemFlag.ItemIsDragEnabled)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Names; the state is told in words, too."""
        node = self.node(index)
        if node is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return visible(node.name)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            if node.environment is None:
                return f"{visible(node.name)}, group of {len(node.environments())}"
            condition, reason = self._machines.condition(node.name)
            return ", ".join(part for part in (visible(node.name), condition.word, visible(reason)) if part)
        if role == Qt.ItemDataRole.ToolTipRole and node.environment is not None:
            return plain_tip(self._tip(node.environment))
        return None

    def mimeTypes(self) -> list[str]:
        """What is dragged."""
        return [NAMES]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The names of dragged environments."""
        names = [node.name for index in indexes if (node := self.node(index)) is not None and node.environment]
        data = QMimeData()
        data.setData(NAMES, "\n".join(names).encode())
        return data

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        """Told to whoever can move them."""
        node = self.node(parent)
        if node is None or node.environment is not None or not data.hasFormat(NAMES):
            return False
        self.dropped.emit(bytes(data.data(NAMES).data()).decode().split("\n"), node.path)
        return False

    def supportedDropActions(self) -> Qt.DropAction:
        """They move."""
        return Qt.DropAction.MoveAction

    def _tip(self, environment: Environment) -> str:
        condition, reason = self._machines.condition(environment.name)
        looked = self._machines.checked_at(environment.name)
        lines = [
            f"{environment.name}: {condition.word}",
            reason,
            environment.address,
            f"tags: {', '.join(environment.tags)}" if environment.tags else "",
            f"checked {age(looked)}" if looked is not None else "",
        ]
        return "\n".join(line for line in lines if line)

    def _index(self, node: Node) -> QModelIndex:
        return QModelIndex() if node is self._root else self.createIndex(node.row, 0, node)

    def _put_in(self, environment: Environment) -> None:
        above = self._group(environment.group)
        node = Node(environment.name, environment.group, environment, above)
        self._insert(above, len(above.children), node)
        self._nodes[environment.name] = node

    def _group(self, path: str) -> Node:
        above = self._root
        for number, part in enumerate(parts := [part for part in path.split("/") if part], 1):
            found = next((each for each in above.children if each.environment is None and each.name == part), None)
            if found is None:
                found = Node(part, "/".join(parts[:number]), parent=above)
                at = sum(each.environment is None for each in above.children)
                self._insert(above, at, found)
            above = found
        return above

    def _insert(self, above: Node, row: int, node: Node) -> None:
        self.beginInsertRows(self._index(above), row, row)
        above.children.insert(row, node)
        self.endInsertRows()

    def _take_out(self, name: str) -> None:
        node: Node | None = self._nodes.pop(name)
        while node is not None and node.parent is not None and not node.children:
            above, row = node.parent, node.row
            self.beginRemoveRows(self._index(above), row, row)
            above.children.pop(row)
            self.endRemoveRows()
            node = above

    def _checked(self, name: str) -> None:
        found = self.find(name)
        if found.isValid():
            self.dataChanged.emit(found, found)


def _elsewhere(node: Node, now: Environment | None) -> bool:
    return now is None or (node.environment is not None and node.environment.group != now.group)


def fields_of(environment: Environment, word: str) -> dict[str, Iterable[str]]:
    """What the keys of a filter look at."""
    return {
        "tag": environment.tags,
        "group": (environment.group,),
        "name": (environment.name,),
        "kind": (environment.kind.value,),
        "status": (word,),
    }
