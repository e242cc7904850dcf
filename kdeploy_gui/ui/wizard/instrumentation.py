"""Step 4: which kernel instruments are off, wanted or required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.plan import PlanDraft, Want
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Hairline, PlainLabel
from kdeploy_gui.ui.wizard.asked_instruments import AskedInstruments
from kdeploy_gui.ui.wizard.table import Column, ItemTable, ItemView

CHOICES = tuple(each.value for each in (Want.OFF, Want.WANTED, Want.REQUIRED))
NEEDS = 6
"""Environments whose needs are told."""
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
    known: str = ""


COLUMNS = (
    Column("Instrument", "", lambda each: each.title, width=240),
    Column("Needed", "want", lambda each: each.want, lambda each, text: replace(each, want=text), CHOICES, width=120),
    Column("What that means", "meaning", lambda each: EXPLAINED[each.want], width=420),
    Column("On the chosen environments", "known", lambda each: each.known),
)


class InstrumentationStep(QWidget):
    """One row per instrument of the catalogue."""

    edited = Signal()
    title = "Instrumentation"
    fields: tuple[str, ...] = ("instrumentation",)

    def __init__(self, session: Session, asked: AskedInstruments) -> None:
        super().__init__()
        look = session.look
        self._asked = asked
        self._catalogue = tuple(session.services.instruments.all())
        self.table = ItemTable(look, COLUMNS)
        self.view = ItemView(look, self.table, "Instruments")
        self.may_reboot = QCheckBox("The run may reboot environments to get there")
        self._note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._note.hide()
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(look.px(16))
        hint = "Space goes to the next choice. The chosen environments are looked at for what is asked here."
        tools.addWidget(PlainLabel(hint, look, Text.CELL, "t3"))
        tools.addStretch()
        tools.addWidget(self.may_reboot)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self._note)
        column.addWidget(self.view, 1)
        column.addWidget(Hairline(look))
        self.needs = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self.needs.setAccessibleName("What the environments would need")
        self.needs.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        column.addWidget(self.needs)
        self.table.edited.connect(self.edited)
        self.may_reboot.toggled.connect(self._toggled)
        self.view.selectionModel().currentChanged.connect(self._tell_needs)
        asked.changed.connect(self._tell_known)
        self._tell_needs()

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's wishes."""
        wants = draft.instrumentation.wants
        self.table.show_items([Wish(e.name, e.title, wants.get(e.name, Want.OFF).value) for e in self._catalogue])
        self._tell_known()
        self.may_reboot.setChecked(draft.instrumentation.may_reboot)

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here; an `off` that was written stays written."""
        before = draft.instrumentation.wants
        wants = {
            each.name: Want(each.want)
            for each in self.table.items
            if each.want != Want.OFF.value or each.name in before
        }
        wishes = replace(draft.instrumentation, wants=wants, may_reboot=self.may_reboot.isChecked())
        return replace(draft, instrumentation=wishes)

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

    def _tell_known(self) -> None:
        off = Want.OFF.value
        known = [replace(e, known="" if e.want == off else self._asked.summary(e.name)) for e in self.table.items]
        self.table.show_items(known)
        self._tell_needs()

    def _tell_needs(self) -> None:
        row = self.view.currentIndex().row()
        wish = self.table.items[row] if 0 <= row < len(self.table.items) else None
        lines = self._asked.needs(wish.name) if wish is not None and wish.want != Want.OFF.value else ()
        more = [f"and {len(lines) - NEEDS} more"] if len(lines) > NEEDS else []
        self.needs.setText("\n".join([*lines[:NEEDS], *more]))
        self.needs.setVisible(bool(lines))
