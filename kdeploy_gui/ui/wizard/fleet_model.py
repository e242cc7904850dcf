"""The environments of the lab with ticks, and what the last look at each found, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.machines import Machines
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.wizard.asked_instruments import AskedInstruments

Index = QModelIndex | QPersistentModelIndex
TITLES = ("Environment", "Kernel", "Connection", "Host key", "Packages", "Space", "Instruments", "Result")
SPACE, INSTRUMENTS = 5, 6
SHORT = range(1, 10)
"""Lengths of a folder that the title of its column has room for."""
Cell = tuple[Condition | None, str]


@dataclass(eq=False, slots=True)
class Node:
    """A group, or an environment in one."""

    name: str
    environment: Environment | None = None
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None


class FleetModel(QAbstractItemModel):
    """Groups and their environments; a tick on a group ticks its environments."""

    ticked = Signal()

    def __init__(self, machines: Machines, asked: AskedInstruments, look: Look) -> None:
        super().__init__()
        self._machines = machines
        self._asked = asked
        self._look = look
        self._groups: list[Node] = []
        self._shown: tuple[Environment, ...] = ()
        self.chosen: frozenset[str] = frozenset()
        self.measured = ""
        machines.checked.connect(self._checked)
        asked.changed.connect(self._repaint_instruments)

    def show(self, environments: Sequence[Environment]) -> None:
        """Other rows, if they are other ones."""
        if tuple(environments) == self._shown and self._groups:
            return
        self.beginResetModel()
        self._shown = tuple(environments)
        groups: dict[str, Node] = {}
        for each in environments:
            group = groups.setdefault(each.group, Node(each.group))
            group.children.append(Node(each.name, each, parent=group))
        self._groups = list(groups.values())
        self.endResetModel()

    def choose(self, names: Iterable[str]) -> None:
        """Tick exactly these."""
        chosen = frozenset(names)
        if chosen != self.chosen:
            self.chosen = chosen
            self._repaint_all()

    def environment(self, index: Index) -> Environment | None:
        """The environment of a row; None for a group."""
        node = self._node(index)
        return node.environment if node is not None else None

    def toggle(self, index: QModelIndex) -> None:
        """Turn the tick of a row."""
        state = self.data(index.siblingAtColumn(0), Qt.ItemDataRole.CheckStateRole)
        wanted = Qt.CheckState.Unchecked if state == Qt.CheckState.Checked else Qt.CheckState.Checked
        self.setData(index.siblingAtColumn(0), wanted.value, Qt.ItemDataRole.CheckStateRole)

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """The place of a row."""
        nodes = self._groups if not parent.isValid() else self._children(parent)
        if 0 <= row < len(nodes) and 0 <= column < len(TITLES):
            return self.createIndex(row, column, nodes[row])
        return QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        """The group of an environment."""
        node = self._node(index)
        if node is None or node.parent is None:
            return QModelIndex()
        return self.createIndex(self._groups.index(node.parent), 0, node.parent)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Groups, or environments of one."""
        if not parent.isValid():
            return len(self._groups)
        return len(self._children(parent)) if parent.column() == 0 else 0

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Name, checks and result."""
        return len(TITLES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Titles."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return f"Space on {self.measured}" if section == SPACE and len(self.measured) in SHORT else TITLES[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole and section == SPACE:
            return plain_tip(f"Free space on {self.measured or 'the target folder'}")
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Names can be ticked."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == 0 else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, icons, ticks."""
        node = self._node(index)
        if node is None:
            return None
        if role == Qt.ItemDataRole.FontRole:
            return self._look.font(Text.NAME if index.column() == 0 else Text.CELL)
        if role == Qt.ItemDataRole.CheckStateRole and index.column() == 0:
            return self._tick(node)
        if node.environment is None:
            return self._group_data(node, index.column(), role)
        condition, text = self.cell(node.environment, index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return visible(text)
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(text)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{TITLES[index.column()]}: {visible(text)}"
            case Qt.ItemDataRole.DecorationRole if condition is not None:
                return self._look.icon(condition.icon, condition.token)
            case Qt.ItemDataRole.ForegroundRole if index.column():
                return self._look.theme.color(condition.word_token if condition is not None else "t2")
            case _:
                return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tick an environment, or all of a group."""
        node = self._node(index)
        if node is None or role != Qt.ItemDataRole.CheckStateRole:
            return False
        names = {each.name for each in node.children} if node.environment is None else {node.name}
        wanted = Qt.CheckState(value) == Qt.CheckState.Checked
        self.chosen = self.chosen | names if wanted else self.chosen - names
        self._repaint_all()
        self.ticked.emit()
        return True

    def cell(self, environment: Environment, column: int) -> Cell:
        """State and words of a cell; what nobody has looked at is said to be not checked."""
        if column == 0:
            return None, environment.name
        if self._machines.is_checking(environment.name):
            return Condition.CHECKING, "Checking"
        check = self._machines.result(environment.name)
        if check is None:
            return Condition.NOT_TRIED, "Not checked"
        if column == INSTRUMENTS:
            return self._asked.cell(environment) if check.facts is not None else (Condition.NOT_TRIED, "Not tried")
        return _CELLS[column](environment, check, self.measured)

    def _tick(self, node: Node) -> Qt.CheckState:
        if node.environment is not None:
            return Qt.CheckState.Checked if node.name in self.chosen else Qt.CheckState.Unchecked
        count = sum(each.name in self.chosen for each in node.children)
        if count == len(node.children):
            return Qt.CheckState.Checked
        return Qt.CheckState.PartiallyChecked if count else Qt.CheckState.Unchecked

    def _group_data(self, node: Node, column: int, role: int) -> object:
        count = sum(each.name in self.chosen for each in node.children)
        text = f"{node.name or 'No group'}   {count} of {len(node.children)}"
        return (
            text if column == 0 and role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole} else None
        )

    def _children(self, index: Index) -> list[Node]:
        node = self._node(index)
        return node.children if node is not None else []

    def _node(self, index: Index) -> Node | None:
        node = index.internalPointer() if index.isValid() else None
        return node if isinstance(node, Node) else None

    def _checked(self, name: str) -> None:
        for row, group in enumerate(self._groups):
            for number, node in enumerate(group.children):
                if node.name == name:
                    above = self.index(row, 0)
                    self.dataChanged.emit(self.index(number, 1, above), self.index(number, len(TITLES) - 1, above))

    def _repaint_instruments(self) -> None:
        for row, group in enumerate(self._groups):
            above = self.index(row, 0)
            first, last = (self.index(number, INSTRUMENTS, above) for number in (0, len(group.children) - 1))
            self.dataChanged.emit(first, last)

    def _repaint_all(self) -> None:
        if not self._groups:
            return
        self.dataChanged.emit(self.index(0, 0), self.index(len(self._groups) - 1, 0))
        for row, group in enumerate(self._groups):
            above = self.index(row, 0)
            self.dataChanged.emit(self.index(0, 0, above), self.index(len(group.children) - 1, 0, above))


def _kernel(_: Environment, check: EnvironmentCheck, __: str) -> Cell:
    facts = check.facts
    return (None, f"{facts.kernel_release}, {facts.machine}") if facts else (None, "Unknown")


def _connection(_: Environment, check: EnvironmentCheck, __: str) -> Cell:
    if check.failure is None:
        return Condition.DONE, "Answers"
    match check.failure.category:
        case Category.NET:
            return Condition.UNREACHABLE, "No answer"
        case Category.AUTH:
            return Condition.FAILED, "Login refused"
        case Category.TRUST:
            return Condition.DONE, "Answers"
        case _:
            return Condition.FAILED, check.failure.code


def _host_key(environment: Environment, check: EnvironmentCheck, _: str) -> Cell:
    if check.failure is None or check.failure.category is Category.AUTH:
        return Condition.DONE, "Pinned"
    if check.failure.category is Category.TRUST:
        changed = bool(environment.host_keys)
        return (Condition.NOT_TRUSTED, "Changed") if changed else (Condition.NOT_TRUSTED, "Not pinned")
    return Condition.NOT_TRIED, "Not tried"


def _packages(_: Environment, check: EnvironmentCheck, __: str) -> Cell:
    if check.facts is None:
        return Condition.NOT_TRIED, "Not tried"
    manager = check.facts.package_manager
    return (Condition.DONE, manager) if manager else (Condition.ABSENT, "None")


def _space(_: Environment, check: EnvironmentCheck, path: str) -> Cell:
    if check.facts is None:
        return Condition.NOT_TRIED, "Not tried"
    folder = check.facts.folders.get(check.facts.expand(path))
    if folder is None:
        return Condition.NOT_TRIED, "Not checked"
    if folder.read_only:
        return Condition.FAILED, "Read-only"
    return (Condition.DONE, size(folder.disk.free_bytes)) if folder.disk else (Condition.UNKNOWN, "Unknown")


def _result(_: Environment, check: EnvironmentCheck, __: str) -> Cell:
    if check.failure is None:
        return Condition.DONE, "Can deploy"
    match check.failure.category:
        case Category.TRUST:
            return Condition.NOT_TRUSTED, "Blocked until keys are compared"
        case Category.AUTH:
            return Condition.FAILED, "Blocked until the login works"
        case Category.NET:
            return Condition.UNREACHABLE, "Does not answer"
        case _:
            return Condition.FAILED, f"{check.failure.code}: {check.failure.message}"


_CELLS: Mapping[int, Callable[[Environment, EnvironmentCheck, str], Cell]] = {
    1: _kernel,
    2: _connection,
    3: _host_key,
    4: _packages,
    SPACE: _space,
    7: _result,
}
