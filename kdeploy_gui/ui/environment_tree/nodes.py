"""Groups and environments as nodes, and what must go or stay for one tree to become another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_tree.live import folders

Key = tuple[bool, str]
_numbers = count(1)


@dataclass(eq=False, slots=True)
class Node:
    """A group (`name` is its last folder, `path` the whole) or an environment; `size` counts environments."""

    name: str
    path: str = ""
    environment: Environment | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    row: int = 0
    size: int = 1
    id: int = field(default_factory=_numbers.__next__)

    @property
    def key(self) -> Key:
        """What it is among its siblings, whatever its row."""
        return (self.environment is not None, self.name)

    def number(self) -> None:
        """Tell its children their parent and rows."""
        for row, child in enumerate(self.children):
            child.parent, child.row = self, row

    def leaves(self) -> Iterator[Node]:
        """Environments: itself, or all below it."""
        return (node for node in self.all() if node.environment is not None)

    def all(self) -> Iterator[Node]:
        """Itself and all below it, outer ones first."""
        yield self
        for child in self.children:
            yield from child.all()


def tree_of(environments: Iterable[tuple[Environment, bool]]) -> Node:
    """The tree of those that are to be shown: groups first, each in the order of its first environment in the lab."""
    root = Node("")
    groups = {"": root}
    for environment, shown in environments:
        above = root
        for path in folders(environment.group):
            if path not in groups:
                groups[path] = Node(path.rpartition("/")[2], path)
                above.children.append(groups[path])
            above = groups[path]
        if shown:
            above.children.append(Node(environment.name, above.path, environment))
    _finish(root)
    return root


def staying(children: Sequence[Node], places: Mapping[Key, int]) -> set[int]:
    """Rows that can stay: as many as possible of those that are wanted and stand in the wanted order."""
    ends: list[int] = []  # the least place that a chain of each length can end with
    rows: list[int] = []
    before: dict[int, int] = {}
    for row, child in enumerate(children):
        place = places.get(child.key)
        if place is None:
            continue
        length = bisect_left(ends, place)
        before[row] = rows[length - 1] if length else -1
        ends[length : length + 1] = [place]
        rows[length : length + 1] = [row]
    found: set[int] = set()
    row = rows[-1] if rows else -1
    while row >= 0:
        found.add(row)
        row = before[row]
    return found


def runs_of(rows: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as first and last of their unbroken runs."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row - 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs


def _finish(node: Node) -> None:
    for child in node.children:
        if child.environment is None:
            _finish(child)
    node.children = [child for child in node.children if child.size]
    node.children.sort(key=lambda child: child.environment is not None)
    node.size = sum(child.size for child in node.children)
    node.number()
