"""Step 4: which kernel instruments are off, wanted or required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.plan import Instrumentation, PlanDraft, Want
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import PlainLabel
from kdeploy_gui.ui.wizard.table import Column, ItemTable, ItemView

CHOICES = tuple(each.value for each in (Want.OFF, Want.WANTED, Want.REQUIRED))
EXPLAINED = {
    "off": "Left as it is",
    "wanted": "Switched on where the kernel has it; the run goes on without it",
    "required": "The run fails where it cannot be had",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One instrument and how much it is needed."""

    name: str
    title: str
    want: str


COLUMNS = (
    Column("Instrument", "", lambda each: each.title, width=240),
    Column("Needed", "want", lambda each: each.want, lambda each, text: replace(each, want=text), CHOICES, width=120),
    Column("What that means", "meaning", lambda each: EXPLAINED[each.want], width=420),
    Column("On the chosen environments", "known", lambda _: "Not checked"),
)


class InstrumentationStep(QWidget):
    """One row per instrument of the catalogue."""

    edited = Signal()
    title = "Instrumentation"
    fields: tuple[str, ...] = ("instrumentation",)

    def __init__(self, session: Session) -> None:
        super().__init__()
        look = session.look
        self._catalogue = tuple(session.services.instruments.all())
        self.table = ItemTable(look, COLUMNS)
        self.view = ItemView(look, self.table, "Instruments")
        self.may_reboot = QCheckBox("The run may reboot environments to get there")
        self._note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._note.hide()
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(look.px(16))
        tools.addWidget(
            PlainLabel(
                "Space goes to the next choice. What each kernel has is looked up in the review.", look, Text.CELL, "t3"
            )
        )
        tools.addStretch()
        tools.addWidget(self.may_reboot)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self._note)
        column.addWidget(self.view, 1)
        self.table.edited.connect(self.edited)
        self.may_reboot.toggled.connect(self._toggled)

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's wishes."""
        wants = draft.instrumentation.wants
        self.table.show_items([Wish(e.name, e.title, wants.get(e.name, Want.OFF).value) for e in self._catalogue])
        self.may_reboot.setChecked(draft.instrumentation.may_reboot)

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here; an `off` that was written stays written."""
        before = draft.instrumentation.wants
        wants = {
            each.name: Want(each.want)
            for each in self.table.items
            if each.want != Want.OFF.value or each.name in before
        }
        return replace(draft, instrumentation=Instrumentation(wants, self.may_reboot.isChecked()))

    def subtitle(self, draft: PlanDraft) -> str:
        """How many are asked for."""
        return f"{sum(want is not Want.OFF for want in draft.instrumentation.wants.values())} asked"

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Mark rows."""
        rows = {each.name: number for number, each in enumerate(self.table.items)}
        marks = {
            (rows[name], "want"): each.message
            for each in problems
            if (name := each.field.removeprefix("instrumentation.")) in rows
        }
        self.table.show_problems(marks)
        self._note.setText("\n".join(each.message for each in problems[:3]))
        self._note.setVisible(bool(problems))

    def focus_first(self) -> None:
        """The table has the focus."""
        self.view.setFocus()
        if not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self.table.index(0, 1))

    def regions(self) -> Sequence[QWidget]:
        """The table and the reboot switch."""
        return (self.view, self.may_reboot)

    def _toggled(self) -> None:
        self.edited.emit()
