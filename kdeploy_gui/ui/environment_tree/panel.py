"""The panel on the left: filter, tree, and what is wrong in the lab file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QStackedWidget, QTreeView, QVBoxLayout, QWidget

from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.environment_tree.delegate import EnvironmentDelegate
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel, fields_of
from kdeploy_gui.ui.filters import FilterBar
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, EmptyState, IconButton, Kind, PlainLabel

KEYS = ("tag", "group", "status", "name", "kind")
SCOPE = "environments"
CONTEXT = (
    "environment.deploy",
    "environment.check",
    "environment.trust",
    "",
    "environment.edit",
    "environment.copy_name",
    "environment.remove",
)
MORE = ("environment.add", "environment.import", "lab.open", "", "environment.check_all")


class EnvironmentTree(QTreeView):
    """The tree; Enter opens an environment."""

    def __init__(self, session: Session, model: EnvironmentModel) -> None:
        super().__init__()
        self._session = session
        self.environments = model
        self.setModel(model)
        self.setItemDelegate(EnvironmentDelegate(session.machines, session.look, self))
        self.setAccessibleName("Environments")
        self.setHeaderHidden(True)
        self.setUniformRowHeights(True)
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMouseTracking(True)
        self.setIndentation(session.look.px(16))
        self.customContextMenuRequested.connect(self._menu)
        self.doubleClicked.connect(self._open)
        model.rowsInserted.connect(self._expand)
        session.look.changed.connect(self._redraw)

    def selected(self) -> tuple[str, ...]:
        """Names of selected environments; a group stands for all below it."""
        names: dict[str, None] = {}
        for index in self.selectionModel().selectedIndexes():
            node = self.environments.node(index)
            names.update(dict.fromkeys(node.environments() if node is not None else ()))
        return tuple(names)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the environment under the cursor."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._open(self.currentIndex())
            return
        super().keyPressEvent(event)

    def _open(self, index: QModelIndex) -> None:
        node = self.environments.node(index)
        if node is None or node.environment is None:
            self.setExpanded(index, not self.isExpanded(index))
            return
        run = self._session.machines.run_of(node.name) or (
            mark.run if (mark := self._session.machines.mark(node.name)) else 0
        )
        if run:
            self._session.navigator.fleet(run, node.name)
        else:
            self._session.navigator.environment_form(node.name)

    def _menu(self, at: QPoint) -> None:
        menu = self._session.commands.menu(self, CONTEXT)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.viewport().mapToGlobal(at))

    def _expand(self, parent: QModelIndex) -> None:
        self.setExpanded(parent, True)

    def _redraw(self) -> None:
        self.setIndentation(self._session.look.px(16))
        self.scheduleDelayedItemsLayout()


class EnvironmentPanel(QWidget):
    """Header, filter and tree."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        look = session.look
        self._add_commands()
        self.model = EnvironmentModel(session.machines)
        self.tree = EnvironmentTree(session, self.model)
        self.filter = FilterBar(look, KEYS, "Filter: text, tag:, status:, !not")
        self.filter.serve(self.tree)
        self.count = PlainLabel("", look, Text.BODY, "t2")
        self.problems = Button("", look, Kind.FLAT, icon="alert-outline", dense=True)
        self.problems.hide()
        add = Button(session.commands.action("environment.add"), look) if self._knows("environment.add") else None
        self.empty = EmptyState(
            look,
            "developer-board",
            "No environments yet",
            "Boards and guests you add appear here with their live state.",
            [add] if add is not None else [],
        )
        self._pages = QStackedWidget()
        self._pages.addWidget(self.tree)
        self._pages.addWidget(self.empty)
        self._lay_out()
        session.commands.attach(self, SCOPE)
        session.machines.changed.connect(self.refresh)
        session.machines.selection_changed.connect(self._follow_selection)
        self.filter.changed.connect(self.refresh)
        self.tree.selectionModel().selectionChanged.connect(self._selected)
        self.model.dropped.connect(self._move)
        self.problems.clicked.connect(self._tell_problems)
        self.refresh()

    def regions(self) -> Sequence[QWidget]:
        """Filter and tree."""
        return (self.filter.field, self.tree)

    def refresh(self) -> None:
        """Show the lab as it is now."""
        machines = self._session.machines
        shown = [
            each
            for each in machines.environments
            if self.filter.filter.matches(
                {key: tuple(values) for key, values in fields_of(each, machines.condition(each.name)[0].word).items()},
                f"{each.name} {each.host} {each.group} {' '.join(each.tags)}",
            )
        ]
        self.model.show(shown)
        total = len(machines.environments)
        self.count.setText(str(total))
        self.filter.set_count(len(shown), total)
        self.filter.count.setVisible(bool(self.filter.text))
        self._pages.setCurrentWidget(self.empty if machines.loaded and not total else self.tree)
        wrong = len(machines.problems)
        self.problems.setText(f"{wrong} {'problem' if wrong == 1 else 'problems'} in the lab file")
        self.problems.setVisible(bool(wrong))

    def _lay_out(self) -> None:
        look = self._session.look
        header = QHBoxLayout()
        header.setContentsMargins(look.px(12), look.px(8), look.px(8), look.px(4))
        header.setSpacing(look.px(6))
        header.addWidget(PlainLabel("Environments", look, Text.NAME))
        header.addWidget(self.count)
        header.addStretch()
        plus = IconButton("plus", "Add environment", look)
        plus.clicked.connect(lambda: self._session.commands.run("environment.add"))
        self._more = IconButton("dots-horizontal", "More about environments", look)
        self._more.clicked.connect(self._show_more)
        header.addWidget(plus)
        header.addWidget(self._more)
        bar = QVBoxLayout()
        bar.setContentsMargins(look.px(8), 0, look.px(8), look.px(8))
        bar.addWidget(self.filter)
        bar.addWidget(self.problems)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(header)
        column.addLayout(bar)
        column.addWidget(self._pages, 1)
        self.setMinimumWidth(look.px(200))

    def _show_more(self) -> None:
        known = [name for name in MORE if not name or self._knows(name)]
        menu = self._session.commands.menu(self, known)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def _knows(self, name: str) -> bool:
        return name in {each.id for each in self._session.commands.all()}

    def _selected(self) -> None:
        self._session.machines.select(self.tree.selected())

    def _follow_selection(self) -> None:
        """Somebody else chose: show it, without taking the keyboard."""
        wanted = self._session.machines.selected
        if set(wanted) == set(self.tree.selected()):
            return
        selection = QItemSelection()
        for name in wanted:
            index = self.model.find(name)
            selection.select(index, index)
        self.tree.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _tell_problems(self) -> None:
        error = PlanError("E-LAB", "\n".join(map(str, self._session.machines.problems)))
        self._session.asking.tell(self._session.services.failure_of(error))

    def _add_commands(self) -> None:
        machines = self._session.machines

        def none_selected() -> str:
            return "" if machines.selected else "Select environments first"

        self._session.commands.add(
            Command(
                "environment.check",
                "Check",
                "Environment",
                lambda: machines.check(machines.selected),
                "F5",
                "refresh",
                none_selected,
            ),
            Command("environment.check_all", "Check all", "Environment", machines.check, "Ctrl+F5", "refresh"),
            Command(
                "environment.copy_name",
                "Copy name",
                "Environment",
                self._copy,
                "Ctrl+C",
                "content-copy",
                none_selected,
                scope=SCOPE,
            ),
            Command(
                "environment.remove",
                "Remove",
                "Environment",
                self._remove,
                "Del",
                "trash-can-outline",
                none_selected,
                scope=SCOPE,
            ),
        )

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(self._session.machines.selected))

    def _remove(self) -> None:
        self._session.bridge.spawn(self._take_out(self._session.machines.selected), name="remove environments")

    async def _take_out(self, names: Sequence[str]) -> None:
        inventory = self._session.services.inventory
        removed = await self._session.bridge.ask(lambda: [inventory.remove(name) for name in names])
        self._session.machines.reload()

        def back() -> None:
            async def put_back() -> None:
                for each in reversed(removed):
                    await self._session.bridge.ask(lambda gone=each: inventory.restore(gone))  # type: ignore[misc]
                self._session.machines.reload()

            self._session.bridge.spawn(put_back(), name="put environments back")

        what = visible(names[0]) if len(names) == 1 else f"{len(names)} environments"
        self._session.undo.offer(f"Removed {what}", back)

    def _move(self, names: list[str], group: str) -> None:
        self._session.bridge.spawn(self._regroup(dict.fromkeys(names, group)), name="move environments")

    async def _regroup(self, groups: dict[str, str]) -> None:
        machines, inventory = self._session.machines, self._session.services.inventory
        moving = {each: groups[each.name] for name in groups if (each := machines.get(name)) is not None}
        before = {each.name: each.group for each in moving}
        for each, group in moving.items():
            moved = replace(each, group=group)
            await self._session.bridge.ask(lambda name=each.name, to=moved: inventory.update(name, to))  # type: ignore[misc]
        machines.reload()
        target = next(iter(groups.values())) or "no group"
        self._session.undo.offer(f"Moved {len(moving)} to {target}", lambda: self._move_back(before))

    def _move_back(self, groups: dict[str, str]) -> None:
        self._session.bridge.spawn(self._regroup(groups), name="move environments back")
