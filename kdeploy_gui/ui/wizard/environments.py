"""Step 1: which environments, with what the last look at each of them found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QSplitter,
    QStyleOptionViewItem,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.plan import PlanDraft
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.cells import Cells
from kdeploy_gui.ui.filters import FilterBar
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.unlocking import unlock_and_check
from kdeploy_gui.ui.widgets import Button, Ground, Hairline, Kind, PlainLabel, StateLabel
from kdeploy_gui.ui.wizard.asked_instruments import AskedInstruments
from kdeploy_gui.ui.wizard.fleet_model import TITLES, FleetModel, Index

KEYS = ("tag", "group", "name", "status")
WIDTHS = (192, 164, 114, 96, 96, 108, 108)
WIDEST_NAME = 320
SIDE = 280
NARROW, SUMMED_UP = 900, (4, 5, 6)
"""Width at 100 % under which packages, space and instruments are left to the side panel."""


class FleetTree(QTreeView):
    """The tree; Space turns the tick of the row wherever the cursor is."""

    def __init__(self, model: FleetModel, look: Look) -> None:
        super().__init__()
        self._fleet = model
        self._look = look
        self.setModel(model)
        self.setItemDelegate(Cells(look, self))
        self.setAccessibleName("Environments to deploy to")
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setIndentation(look.px(20))
        self.header().setStretchLastSection(True)
        self.header().setProperty("edge", True)
        for number, width in enumerate(WIDTHS):
            self.setColumnWidth(number, look.px(width))
        model.modelReset.connect(self._show_all)

    def _show_all(self) -> None:
        """All groups open, names whole as far as there is room for them."""
        self.expandAll()
        whole = self.sizeHintForColumn(0) + self._look.px(8)
        self.setColumnWidth(0, min(max(whole, self._look.px(WIDTHS[0])), self._look.px(WIDEST_NAME)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space ticks."""
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._fleet.toggle(self.currentIndex())
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is no room for all, the result stays and what it sums up goes; the side panel has it."""
        narrow = self.viewport().width() < self._look.px(NARROW)
        for column in SUMMED_UP:
            self.setColumnHidden(column, narrow)
        super().resizeEvent(event)

    def drawRow(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the ground of the chevron's part as that of the rest, then the row."""
        row: QRect = option.rect  # type: ignore[attr-defined]
        width = self.visualRect(_plain(index)).left()
        indent = QRect(0, row.top(), width, row.height())
        if self.selectionModel().isSelected(_plain(index)):
            theme = self._look.theme
            painter.fillRect(indent, theme.sel if self.hasFocus() else theme.seloff)
            painter.fillRect(0, row.top(), 2, row.height(), theme.accent)
        painter.fillRect(indent.left(), row.bottom(), indent.width(), 1, self._look.theme.line)
        super().drawRow(painter, option, index)


class EnvironmentsStep(QWidget):
    """Name of the plan, the fleet with ticks, and what is chosen."""

    edited = Signal()
    title = "Environments"
    fields: tuple[str, ...] = ("environments", "name")

    def __init__(self, session: Session, asked: AskedInstruments) -> None:
        super().__init__()
        self._session = session
        look = session.look
        self._draft = PlanDraft(name="", environments=())
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the plan")
        self.name.setMinimumWidth(look.px(120))
        self.name.setMaximumWidth(look.px(200))
        self.filter = FilterBar(look, KEYS, "Filter: text, tag:, group:, status:")
        self.model = FleetModel(session.machines, asked, look)
        self.tree = FleetTree(self.model, look)
        self.filter.serve(self.tree)
        self.side = SidePanel(session)
        self._lay_out(look)
        self.name.textEdited.connect(self._renamed)
        self.model.ticked.connect(self._ticked)
        self.filter.changed.connect(self._show_rows)
        self.tree.selectionModel().currentChanged.connect(self._moved)
        session.machines.changed.connect(self._lab_changed)
        session.machines.checked.connect(self._checked)
        session.instruments.changed.connect(self._checked)
        self._show_rows()

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's name and choice."""
        self._draft = draft
        if self.name.text() != draft.name:
            self.name.setText(draft.name)
        self.model.measured = first_folder(draft)
        self._measure()
        self.model.choose(each.name for each in self._chosen())
        self.side.show_choice(draft.environments, len(self._chosen()), len(self._session.machines.environments))

    def showEvent(self, event: QShowEvent) -> None:
        """Space is looked at where the plan now points."""
        super().showEvent(event)
        self._measure()

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here."""
        return replace(draft, name=self._draft.name, environments=self._draft.environments)

    def _measure(self) -> None:
        folder = self.model.measured
        is_one = folder.startswith(("/", "~/")) and folder.isprintable()
        if self.isVisible():
            self._session.machines.measure(folder if is_one else "")

    def subtitle(self, draft: PlanDraft) -> str:
        """How many are chosen."""
        return f"{len(Lab(self._session.machines.environments).select(draft.environments))} chosen"

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Say what is wrong with the choice."""
        self.side.show_problems(problems)

    def focus_first(self) -> None:
        """The tree has the focus."""
        self.tree.setFocus()
        if not self.tree.currentIndex().isValid():
            self.tree.setCurrentIndex(self.model.index(0, 0))

    def regions(self) -> Sequence[QWidget]:
        """Filter, tree and panel."""
        return (self.filter.field, self.tree, self.side)

    def choose_deployable(self) -> None:
        """Tick what could be connected to, and nothing else."""
        machines = self._session.machines
        good = [
            each.name
            for each in machines.environments
            if (check := machines.result(each.name)) is not None and check.failure is None
        ]
        self.model.choose(good)
        self._ticked()

    def _chosen(self) -> tuple[Environment, ...]:
        return Lab(self._session.machines.environments).select(self._draft.environments)

    def _renamed(self, text: str) -> None:
        self._draft = replace(self._draft, name=text.strip())
        self.edited.emit()

    def _ticked(self) -> None:
        environments = self._session.machines.environments
        if {each.name for each in self._chosen()} != self.model.chosen:
            self._draft = replace(self._draft, environments=patterns(environments, self.model.chosen))
            self.side.show_choice(self._draft.environments, len(self.model.chosen), len(environments))
            self.edited.emit()

    def _lab_changed(self) -> None:
        self._show_rows()
        self.show_draft(self._draft)

    def _show_rows(self) -> None:
        machines, wanted = self._session.machines, self.filter.filter
        shown = [
            each
            for each in machines.environments
            if wanted.matches(
                {
                    "tag": each.tags,
                    "group": (each.group,),
                    "name": (each.name,),
                    "status": (machines.condition(each.name)[0].word,),
                },
                f"{each.name} {each.host} {each.group} {' '.join(each.tags)}",
            )
        ]
        self.model.show(shown)
        self.filter.set_count(len(shown), len(machines.environments))

    def _moved(self, now: QModelIndex) -> None:
        self.side.show_environment(self.model.environment(now), self.model)

    def _checked(self, name: str) -> None:
        environment = self.model.environment(self.tree.currentIndex())
        if environment is not None and environment.name == name:
            self.side.show_environment(environment, self.model)

    def _lay_out(self, look: Look) -> None:
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(look.px(8))
        all_good = Button("Choose all that can deploy", look, Kind.FLAT, icon="format-list-checks")
        all_good.clicked.connect(self.choose_deployable)
        again = Button("Check again", look, icon="refresh")
        again.clicked.connect(self._check_again)
        tools.addWidget(PlainLabel("Plan", look, Text.CELL, "t2"))
        tools.addWidget(self.name, 1)
        tools.addWidget(self.filter, 2)
        tools.addWidget(all_good, 0, Qt.AlignmentFlag.AlignTop)
        tools.addWidget(again, 0, Qt.AlignmentFlag.AlignTop)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self.tree, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(self.side)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([10_000, look.px(SIDE)])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(splitter)

    def _check_again(self) -> None:
        self._session.bridge.spawn(unlock_and_check(self._session), name="check all")


class SidePanel(QWidget):
    """What is chosen as the plan says it, and the selected environment line by line."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._name = ""
        look = session.look
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._count = PlainLabel("", look, Text.HEADING)
        self._text = PlainLabel("", look, Text.LOG, "t2", selectable=True, wrap=True)
        self._problems = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._title = PlainLabel("", look, Text.HEADING)
        self._state = StateLabel(look)
        self._lines = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self._trust = Button("Compare keys...", look, dense=True)
        self._trust.clicked.connect(self._go_to_trust)
        self._edit = Button("Edit...", look, dense=True)
        self._edit.clicked.connect(self._go_to_form)
        column = QVBoxLayout(self)
        column.setContentsMargins(look.px(16), look.px(16), look.px(16), look.px(16))
        column.setSpacing(look.px(8))
        reads = Ground(look)
        inside = QVBoxLayout(reads)
        inside.setContentsMargins(look.px(12), look.px(8), look.px(12), look.px(8))
        inside.addWidget(self._text)
        said = PlainLabel("In the plan this reads", look, Text.CELL, "t3")
        for each in (self._count, said, reads, self._problems):
            column.addWidget(each)
        column.addWidget(Hairline(look))
        for label in (self._title, self._state, self._lines):
            column.addWidget(label)
        buttons = QHBoxLayout()
        buttons.addWidget(self._trust)
        buttons.addWidget(self._edit)
        buttons.addStretch()
        column.addLayout(buttons)
        column.addStretch()
        self.show_environment(None, None)

    def show_choice(self, chosen: Sequence[str], count: int, total: int) -> None:
        """What is chosen."""
        self._count.setText(f"{count} of {total} chosen")
        listed = "".join(f'\n  "{each}",' for each in chosen)
        self._text.setText(f"environments = [{listed}\n]" if chosen else "environments = []")

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """What is wrong with it."""
        self._problems.setText("\n".join(each.message for each in problems))
        self._problems.setVisible(bool(problems))

    def show_environment(self, environment: Environment | None, model: FleetModel | None) -> None:
        """The environment under the cursor."""
        for each in (self._title, self._state, self._lines, self._trust, self._edit):
            each.setVisible(environment is not None)
        if environment is None or model is None:
            return
        self._name = environment.name
        condition, reason = self._session.machines.condition(environment.name)
        self._title.setText(environment.name)
        self._state.show_condition(condition)
        cells = [f"{TITLES[number]}: {model.cell(environment, number)[1]}" for number in range(1, 7)]
        self._lines.setText("\n".join([environment.address, *cells, "", reason]))
        self._trust.setVisible(condition is Condition.NOT_TRUSTED)

    def _go_to_trust(self) -> None:
        self._session.navigator.trust(self._name)

    def _go_to_form(self) -> None:
        self._session.navigator.environment_form(self._name)


def _plain(index: Index) -> QModelIndex:
    return index.sibling(index.row(), index.column()) if isinstance(index, QPersistentModelIndex) else index


def patterns(environments: Iterable[Environment], chosen: frozenset[str]) -> tuple[str, ...]:
    """The shortest honest way to say a choice: whole groups by their name, the others one by one."""
    groups: dict[str, list[str]] = {}
    for each in environments:
        groups.setdefault(each.group, []).append(each.name)
    found: list[str] = []
    for group, names in groups.items():
        below = [
            name
            for other, inside in groups.items()
            if other == group or other.startswith(f"{group}/")
            for name in inside
        ]
        if group and len(names) > 1 and set(below) <= chosen:
            found.append(f"group:{group}")
        else:
            found += [name for name in names if name in chosen]
    return tuple(found)


def first_folder(draft: PlanDraft) -> str:
    """The folder of the first target: where space is looked at."""
    target = next((each.target for each in draft.artifacts if each.target), "")
    return target.rstrip("/") if target.endswith("/") else target.rpartition("/")[0]
