"""The view of the tree: folding, selection that follows names, and the ground of its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import QCursor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyleOptionViewItem, QTreeView

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_tree.delegate import SHIFT, EnvironmentDelegate
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel
from kdeploy_gui.ui.environment_tree.nodes import runs_of
from kdeploy_gui.ui.look import Look

Flag = QItemSelectionModel.SelectionFlag
Index = QModelIndex | QPersistentModelIndex


class EnvironmentTree(QTreeView):
    """Environments in their groups. A group that is selected stands for all below it."""

    chosen = Signal()
    """Other environments are selected."""
    opened = Signal(str)
    """Enter or a double click on an environment."""
    refolded = Signal()
    """The user folded or unfolded a group."""

    def __init__(self, look: Look, model: EnvironmentModel) -> None:
        super().__init__()
        self._look = look
        self.environments = model
        self.folded: set[str] = set()
        self._filtered = False
        self._quiet = False
        self._kept: list[tuple[str, str]] = []
        self._kept_current = ""
        self._reset = False
        self._selected: tuple[str, ...] | None = None
        self._marked: Collection[str] = ()
        self._hovered = QPersistentModelIndex()
        self._set_up(model)
        self._follow()

    def selected(self) -> tuple[str, ...]:
        """Names of selected environments, from top to bottom."""
        if self._selected is None:
            nodes = map(self.environments.node, self.selectionModel().selectedIndexes())
            names = {each.name for node in nodes if node is not None for each in node.leaves()}
            self._selected = tuple(name for name in self.environments.names() if name in names)
        return self._selected

    def show_environments(self, environments: Iterable[tuple[Environment, bool]], *, filtered: bool) -> None:
        """Other content; what is selected and folded stays so. A filter opens every group for as long as it is on."""
        before = self.selected()
        opened, self._filtered = filtered != self._filtered, filtered
        self._quiet = True
        self.environments.show(environments)
        self._selected = None
        if opened:
            self._unfold()
        self._take_up()
        if self._reset:
            self._reset = False
            self.scrollTo(self.currentIndex())
        self._quiet = False
        if self.selected() != before:
            self.chosen.emit()

    def choose(self, names: Sequence[str]) -> None:
        """Select environments because somebody else did: nothing is told, and the keyboard stays where it is."""
        self._marked = frozenset(names)
        self.viewport().update()
        if set(names) != set(self.selected()):
            self._quiet = True
            found = [index for name in names if (index := self.environments.find(name)).isValid()]
            self._select(found, Flag.ClearAndSelect)
            if found:
                self.selectionModel().setCurrentIndex(found[0], Flag.NoUpdate)
                self.scrollTo(found[0])
            self._quiet = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the environment under the cursor, or folds the group."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            index = self.currentIndex()
            if not self._open(index) and index.isValid():
                self.setExpanded(index, not self.isExpanded(index))
            return
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The chevron is drawn farther right than Qt looks for it."""
        at = event.position().toPoint()
        index = self.indexAt(at)
        left = self.visualRect(index).left()
        if self.environments.rowCount(index) and index.isValid() and left <= at.x() < left + self._look.px(SHIFT):
            self.setExpanded(index, not self.isExpanded(index))
            return
        super().mousePressEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:
        """Note which row the pointer is over."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseMove:
            self._hover(self.indexAt(event.position().toPoint()))
        elif event.type() == QEvent.Type.Leave:
            self._hover(QModelIndex())
        elif event.type() == QEvent.Type.Enter:
            self._hover_at_pointer()
        return super().viewportEvent(event)

    def updateGeometries(self) -> None:
        """Rows have moved, and the pointer may not have."""
        super().updateGeometries()
        self._hover_at_pointer()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A cursor is there from the first key on."""
        super().focusInEvent(event)
        if not self.currentIndex().isValid():
            self.selectionModel().setCurrentIndex(self.environments.index(0, 0), Flag.NoUpdate)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The selection looks different without the focus."""
        super().focusOutEvent(event)
        self.viewport().update()

    def drawRow(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the ground from edge to edge, then the row."""
        theme, node = self._look.theme, self.environments.node(index)
        row: QRect = option.rect  # type: ignore[attr-defined]
        rect = QRect(0, row.top(), self.viewport().width(), row.height())
        selected = self.selectionModel().isSelected(_plain(index))
        if selected:
            painter.fillRect(rect, theme.sel if self.hasFocus() else theme.seloff)
            painter.fillRect(0, rect.top(), 2, rect.height(), theme.accent)
        elif node is not None and node.environment is not None and node.name in self._marked:
            painter.fillRect(rect, theme.seloff)
        elif index == self._hovered:
            painter.fillRect(rect, theme.hover)
        super().drawRow(painter, option, index)
        if self.hasFocus() and not selected and index == self.currentIndex():
            painter.setPen(QPen(theme.accent, 2))
            painter.drawRect(rect.adjusted(1, 1, -1, -1))

    def drawBranches(self, painter: QPainter, rect: QRect, index: Index) -> None:
        """Draw the chevron of a group."""
        super().drawBranches(painter, rect.translated(self._look.px(SHIFT), 0), _plain(index))

    def _set_up(self, model: EnvironmentModel) -> None:
        self.setModel(model)
        self.setItemDelegate(EnvironmentDelegate(self._look, self))
        self.setAccessibleName("Environments")
        self.setHeaderHidden(True)
        self.setUniformRowHeights(True)
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMouseTracking(True)
        self.doubleClicked.connect(self._open)
        self.expanded.connect(self._unfolded)
        self.collapsed.connect(self._was_folded)
        self.selectionModel().selectionChanged.connect(self._selection_changed)
        model.rowsInserted.connect(self._inserted)
        model.modelReset.connect(self._was_reset)
        model.reshaping.connect(self._let_go)
        self._look.changed.connect(self._follow)

    def _open(self, index: Index) -> bool:
        node = self.environments.node(index)
        if node is None or node.environment is None:
            return False
        self.opened.emit(node.name)
        return True

    def _let_go(self) -> None:
        """Remember the selection by name and drop it: with it, Qt takes a second for a thousand rows."""
        nodes = [self.environments.node(index) for index in self.selectionModel().selectedIndexes()]
        self._kept = [(node.path if node.environment is None else "", node.name) for node in nodes if node is not None]
        current = self.environments.node(self.currentIndex())
        self._kept_current = current.name if current is not None and current.environment is not None else ""
        self.selectionModel().clearSelection()

    def _take_up(self) -> None:
        """Select what was let go, as far as it is still there."""
        kept, self._kept = self._kept, []
        groups = {path for path, _ in kept}
        found = [index for path, index in self.environments.groups() if path in groups]
        found += [index for path, name in kept if not path and (index := self.environments.find(name)).isValid()]
        self._select(found, Flag.Select)
        current, self._kept_current = self.environments.find(self._kept_current), ""
        if current.isValid() and current != self.currentIndex():
            self.selectionModel().setCurrentIndex(current, Flag.NoUpdate)

    def _select(self, found: Sequence[QModelIndex], flags: Flag) -> None:
        by_group: dict[int, list[QModelIndex]] = {}
        for index in found:
            by_group.setdefault(index.parent().internalId(), []).append(index)
        selection = QItemSelection()
        for group in by_group.values():
            for first, last in runs_of(sorted(each.row() for each in group)):
                selection.select(group[0].siblingAtRow(first), group[0].siblingAtRow(last))
        self.selectionModel().select(selection, flags)

    def _selection_changed(self) -> None:
        self._selected = None
        if not self._quiet:
            self.chosen.emit()

    def _inserted(self, parent: QModelIndex, first: int, last: int) -> None:
        for row in range(first, last + 1):
            index = self.environments.index(row, 0, parent)
            node = self.environments.node(index)
            if node is not None and node.environment is None:
                self._set_folded(node.path, index)
                self._inserted(index, 0, len(node.children) - 1)

    def _was_reset(self) -> None:
        self._reset = True
        self._unfold()

    def _unfold(self) -> None:
        for path, index in self.environments.groups():
            self._set_folded(path, index)

    def _set_folded(self, path: str, index: QModelIndex) -> None:
        wanted = self._filtered or path not in self.folded
        if wanted != self.isExpanded(index):
            quiet, self._quiet = self._quiet, True
            self.setExpanded(index, wanted)
            self._quiet = quiet

    def _unfolded(self, index: QModelIndex) -> None:
        self._remember(index, self.folded.discard)

    def _was_folded(self, index: QModelIndex) -> None:
        self._remember(index, self.folded.add)

    def _remember(self, index: QModelIndex, how: Callable[[str], None]) -> None:
        node = self.environments.node(index)
        if node is not None and not self._quiet and not self._filtered:
            how(node.path)
            self.refolded.emit()

    def _hover_at_pointer(self) -> None:
        if self.viewport().underMouse():
            self._hover(self.indexAt(self.viewport().mapFromGlobal(QCursor.pos())))

    def _hover(self, index: QModelIndex) -> None:
        for each in (self._hovered, index) if index != self._hovered else ():
            rect = self.visualRect(_plain(each))
            self.viewport().update(0, rect.top(), self.viewport().width(), rect.height())
        self._hovered = QPersistentModelIndex(index)

    def _follow(self) -> None:
        self.setIndentation(self._look.px(16))
        self.scheduleDelayedItemsLayout()


def _plain(index: Index) -> QModelIndex:
    return index.sibling(index.row(), index.column()) if isinstance(index, QPersistentModelIndex) else index
