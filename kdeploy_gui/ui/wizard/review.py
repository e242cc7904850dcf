"""Step 6: what the run would do to each environment, looked at there and changed nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from kdeploy_gui.app import Planned
from kdeploy_gui.model.plan import PlanDraft
from kdeploy_gui.model.preview import EnvironmentPreview, Verdict
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.widgets import Button, Hairline, IconLabel, PlainLabel
from kdeploy_gui.ui.wizard.review_commands import COPY, LEAVE_OUT, MENU, NAMES, NEXT, PREVIOUS, SCOPE, add_commands
from kdeploy_gui.ui.wizard.review_files import FilesPane
from kdeploy_gui.ui.wizard.review_grid import PlanGrid
from kdeploy_gui.ui.wizard.review_model import PlanModel
from kdeploy_gui.ui.wizard.review_planning import Planning
from kdeploy_gui.ui.wizard.review_problems import ProblemsPane
from kdeploy_gui.ui.wizard.review_remarks import Act, Remark, remarks_of
from kdeploy_gui.ui.wizard.review_rows import Kind, columns_of, footer, group_title, headline, plural

LEGEND = (Condition.NEW, Condition.CHANGED, Condition.SAME, Condition.REFUSED)
LEGEND_FROM = 1180


class ReviewPage(QWidget):
    """The plan grid, the files with their diff, and what there is to know."""

    changed = Signal()
    """What is chosen, said or wrong has changed."""
    go_to = Signal(str)
    """The field of a problem."""
    leave_out = Signal(tuple)
    """Names of environments to take out of the draft."""
    title = "Review"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._planned = Planned()
        self._known = Planning(session, self)
        self.model = PlanModel()
        look = session.look
        self.grid = PlanGrid(look, self.model)
        self.files = FilesPane(look)
        self.remarks = ProblemsPane(look)
        self.strong = PlainLabel("", look, Text.NAME)
        self.rest = PlainLabel("", look, Text.BODY, "t2")
        self.differences = QCheckBox("Differences only")
        self.again = Button("Plan again", look, icon="refresh", dense=True)
        add_commands(session)
        session.commands.attach(self, SCOPE)
        self._lay_out(look)
        self.setFocusProxy(self.grid)
        self._known.found.connect(self._take_in)
        self.again.clicked.connect(self.plan_again)
        self.differences.toggled.connect(self._show_differences)
        self.grid.moved.connect(self._show_files)
        self.grid.selectionModel().selectionChanged.connect(self._refresh)
        self.grid.customContextMenuRequested.connect(self._show_menu)
        self.remarks.chosen.connect(self._act)
        self.files.stepped.connect(self._refresh)
        self._bring_up_to_date()

    @property
    def chosen(self) -> tuple[str, ...]:
        """Environments that can be deployed: all that are not refused."""
        return tuple(each.name for each in self.model.rows if not each.refused)

    @property
    def planning(self) -> int:
        """How many environments are not planned yet."""
        return sum(each.preview is None for each in self.model.rows)

    def problems(self) -> Sequence[Problem]:
        """What is wrong with the draft as a whole."""
        return self._planned.problems

    def show_draft(self, draft: PlanDraft) -> None:
        """The plan says it all."""

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """Nothing is entered here."""
        return draft

    def plan(self, planned: Planned) -> None:
        """Look at the environments of a plan; what was found for an equal one lately stays."""
        self._planned = planned
        if self._known.show_plan(planned.plan):
            self._show_rows()
        self._bring_up_to_date()

    def plan_again(self) -> None:
        """Look at every environment anew."""
        self._known.again()
        self._show_rows()
        self._bring_up_to_date()

    def cancel(self) -> None:
        """Stop looking."""
        self._known.cancel()

    def summary(self) -> str:
        """What the run will do, in a sentence."""
        planning = self.planning
        if planning:
            return (
                f"Planning: {len(self.model.rows) - planning:,} of {plural(len(self.model.rows), 'environment')} done."
            )
        return footer(self._known.previews.values())

    def why_not(self, command: str = "") -> str:
        """Why a command cannot be used now, or without one why nothing can be deployed; empty: it can."""
        match command:
            case "":
                return self._why_not_deploy()
            case _ if command == NEXT and self.files.change >= self.files.changes:
                return "This is the last change"
            case _ if command == PREVIOUS and self.files.change <= 1:
                return "This is the first change"
            case _ if command in {LEAVE_OUT, COPY} and not self.grid.chosen():
                return "Select environments first"
            case _:
                return ""

    def next_change(self) -> None:
        """To the next change of any file."""
        self.files.step(1)

    def previous_change(self) -> None:
        """To the change before."""
        self.files.step(-1)

    def leave_out_selected(self) -> None:
        """Take the selected environments out of the draft."""
        self.leave_out.emit(self.grid.chosen())

    def copy(self) -> None:
        """Put the selected rows on the clipboard, a line each."""
        rows = [self.model.rows[self.model.place(name)] for name in self.grid.chosen()]
        lines = ["\t".join(cell.spoken for cell in row.cells) for row in rows]
        QApplication.clipboard().setText("\n".join(lines))

    def focus_first(self) -> None:
        """The grid has the focus."""
        self.grid.setFocus()

    def regions(self) -> Sequence[QWidget]:
        """Grid, files, problems."""
        return (self.grid, *self.files.regions(), self.remarks.area)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The legend is given up first."""
        super().resizeEvent(event)
        self._legend.setVisible(self.width() >= self._session.look.px(LEGEND_FROM))

    def _why_not_deploy(self) -> str:
        planning = self.planning
        if planning:
            verb = "is" if planning == 1 else "are"
            return f"{planning:,} of {plural(len(self.model.rows), 'environment')} {verb} still being planned"
        if self._known.plan is not None and not self.chosen:
            return "Every environment is refused"
        return ""

    def _show_rows(self) -> None:
        """Rows of the plan with what is known of them; the cursor stays on its environment."""
        plan, current = self._known.plan, self.grid.current
        if plan is None:
            self.model.show_plan((), ())
            return
        titles = {each.name: each.title for each in self._session.services.instruments.all()}
        names = [each.name for each in plan.environments]
        self.grid.header.titles = {kind: group_title(kind, plan) for kind in Kind}
        self.model.show_plan(names, columns_of(plan, lambda name: titles.get(name, name)))
        for name, preview in self._known.previews.items():
            self.model.show_preview(name, preview)
        self.grid.choose((current if current in names else names[0],) if names else ())
        self._show_differences()

    def _take_in(self, found: Sequence[EnvironmentPreview]) -> None:
        """Show what has become known since the last tick."""
        for preview in found:
            self.model.show_preview(preview.environment, preview)
        self.grid.fit()
        self._show_differences()
        self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        rows = self.model.rows
        strong, rest = headline(rows) if self._known.plan is not None else ("This plan cannot run yet", "")
        self.strong.setText(strong)
        self.rest.setText(rest)
        order = [each.preview for each in rows if each.preview is not None]
        self.remarks.show_remarks(remarks_of(self._planned.problems, order))
        self.again.setEnabled(self._known.plan is not None)
        self.again.setToolTip("" if self._known.plan is not None else "Solve the problems first")
        if self._known.plan is None:
            self.files.say("This plan cannot run yet", "The problems beside this say what to change.")
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        self._session.commands.refresh(NAMES)

    def _show_files(self) -> None:
        index = self.grid.currentIndex()
        if not index.isValid():
            return
        row, column = self.model.rows[index.row()], self.model.columns[index.column()]
        preview = row.preview
        if preview is None:
            self.files.say("Planning", f"{row.name} is being looked at.", row.name)
        elif not preview.files and preview.refusals:
            first = preview.refusals[0]
            self.files.say(f"{first.code}: {first.message}", f"{first.on_target} {first.remedy}", row.name)
        else:
            artifact = column.key if column.kind is Kind.FILES else ""
            self.files.show_preview(preview, differences_only=self.differences.isChecked(), artifact=artifact)

    def _show_differences(self) -> None:
        """Hide environments with nothing to do, or show them again."""
        only = self.differences.isChecked()
        for place, row in enumerate(self.model.rows):
            same = row.preview is not None and row.preview.verdict is Verdict.SAME
            if self.grid.isRowHidden(place) is not (only and same):
                self.grid.setRowHidden(place, only and same)
        self._show_files()

    def _act(self, remark: Remark, act: Act) -> None:
        match act:
            case Act.FIELD:
                self.go_to.emit(remark.field)
            case Act.TRUST:
                self._session.navigator.trust(remark.names[0])
            case Act.LEAVE_OUT:
                self.leave_out.emit(remark.names)
            case _:
                self.grid.choose(remark.names)
                self.grid.setFocus()

    def _show_menu(self, place: QPoint) -> None:
        menu = self._session.commands.menu(self, MENU)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.grid.viewport().mapToGlobal(place))

    def _lay_out(self, look: Look) -> None:
        self.grid.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tools = QWidget()
        row = QHBoxLayout(tools)
        row.setContentsMargins(look.px(16), 0, look.px(16), 0)
        row.setSpacing(0)
        row.addWidget(self.strong)
        row.addWidget(self.rest)
        row.addStretch(1)
        self._legend = _legend(look)
        row.addWidget(self._legend)
        row.addWidget(self.differences)
        row.addSpacing(look.px(16))
        row.addWidget(self.again)
        tools.setFixedHeight(look.px(44))
        lower = QSplitter(Qt.Orientation.Horizontal)
        lower.addWidget(self.files)
        lower.addWidget(self.remarks)
        lower.setStretchFactor(0, 65)
        lower.setStretchFactor(1, 35)
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(self.grid)
        whole.addWidget(lower)
        whole.setStretchFactor(0, 58)
        whole.setStretchFactor(1, 42)
        for splitter in (lower, whole):
            splitter.setChildrenCollapsible(False)
        lower.setSizes([650, 350])
        whole.setSizes([610, 390])
        for ground in (self, self.remarks.list):
            ground.setAutoFillBackground(True)
            ground.setBackgroundRole(QPalette.ColorRole.Base)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(tools)
        column.addWidget(Hairline(look))
        column.addWidget(whole, 1)


def _legend(look: Look) -> QWidget:
    legend = QWidget()
    row = QHBoxLayout(legend)
    row.setContentsMargins(0, 0, look.px(24), 0)
    row.setSpacing(look.px(6))
    for each in LEGEND:
        row.addSpacing(look.px(12))
        row.addWidget(IconLabel(each.icon, look, each.token, 14))
        row.addWidget(PlainLabel(each.word.lower(), look, Text.CELL, "t2"))
    return legend
