"""Step 5: what must hold for READY, and how the run behaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLineEdit, QScrollArea, QSpinBox, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Lab
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.plan import Backoff, OnSplat, PlanDraft, Policy, Rollback, Validation
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import PlainLabel

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|TiB)?")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "": 1.0}
SHOWN = 3
"""Environments whose present value is shown beside a limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the form: `put` raises ValueError with what is wrong; `now` tells the present value of a machine."""

    field: str
    label: str
    hint: str
    show: Callable[[Validation], str]
    put: Callable[[Validation, str], Validation]
    now: Callable[[Facts], str] | None = None


def bytes_of(text: str) -> int:
    """`256MiB` in bytes. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no size: write 256MiB or 2GiB")
    return int(found[1]) << 10 * _UNITS.index(found[2] or "B")


def text_of(count: int) -> str:
    """Bytes in the largest unit that keeps them whole."""
    unit = 0
    while count and count % 1024 == 0 and unit < len(_UNITS) - 1:
        count, unit = count // 1024, unit + 1
    return f"{count}{_UNITS[unit]}"


def seconds_of(text: str) -> float:
    """`10m` in seconds. Raises ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no duration: write 5s or 10m")
    return float(found[1]) * _SECONDS[found[2] or ""]


def span_of(seconds: float) -> str:
    """Seconds as they are written: `10m`, `5s`, `0.5s`."""
    return f"{seconds / 60:g}m" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g}s"


def _put_disk(item: Validation, text: str) -> Validation:
    pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("free space is written as /opt = 64MiB, /var = 1GiB")
    return replace(item, disk={path.strip(): bytes_of(count.strip()) for path, count in pairs})


def _put_load(item: Validation, text: str) -> Validation:
    try:
        return replace(item, load=float(text) if text else None)
    except ValueError:
        raise ValueError(f"'{text}' is no number") from None


def _put_temperature(item: Validation, text: str) -> Validation:
    try:
        return replace(item, temperature=float(text.rstrip("°C ")) if text else None)
    except ValueError:
        raise ValueError(f"'{text}' is no temperature: write 85C") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


LIMITS = (
    Limit(
        "kernel",
        "Kernel release",
        ">=6.1,<6.13",
        lambda v: v.kernel,
        lambda v, t: replace(v, kernel=t),
        lambda f: f.kernel_release,
    ),
    Limit(
        "arch",
        "Architecture",
        "x86_64, aarch64",
        lambda v: ", ".join(v.arch),
        lambda v, t: replace(v, arch=_words(t)),
        lambda f: f.machine,
    ),
    Limit(
        "memory",
        "Available memory, at least",
        "256MiB",
        lambda v: "" if v.memory is None else text_of(v.memory),
        lambda v, t: replace(v, memory=bytes_of(t) if t else None),
        lambda f: size(f.memory_available),
    ),
    Limit(
        "disk",
        "Free space, at least",
        "/opt = 64MiB",
        lambda v: ", ".join(f"{k} = {text_of(n)}" for k, n in v.disk.items()),
        _put_disk,
    ),
    Limit(
        "load",
        "Load, at most",
        "8.0",
        lambda v: "" if v.load is None else f"{v.load:g}",
        _put_load,
        lambda f: f"{f.load:g}",
    ),
    Limit(
        "clock_skew",
        "Clock off by, at most",
        "5s",
        lambda v: "" if v.clock_skew is None else span_of(v.clock_skew),
        lambda v, t: replace(v, clock_skew=seconds_of(t) if t else None),
        lambda f: f"{abs(f.clock_skew):.0f} s",
    ),
    Limit(
        "temperature",
        "Temperature, at most",
        "85C",
        lambda v: "" if v.temperature is None else f"{v.temperature:g}C",
        _put_temperature,
        lambda f: f.health.heat if f.health else "",
    ),
    Limit(
        "tools",
        "Commands that must run",
        "sh, perf",
        lambda v: ", ".join(v.tools),
        lambda v, t: replace(v, tools=_words(t)),
    ),
)


class ValidationStep(QScrollArea):
    """A form in one column."""

    edited = Signal()
    title = "Validation and policy"
    fields: tuple[str, ...] = ("validation", "policy")

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._look = session.look
        self._validation = Validation()
        self._chosen: tuple[str, ...] = ()
        self._fields: dict[str, QLineEdit] = {}
        self._notes: dict[str, PlainLabel] = {}
        self._now: dict[str, PlainLabel] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setAccessibleName(self.title)
        self.policy = PolicyForm(session.look)
        self._lay_out(session.look)
        self.policy.edited.connect(self.edited)
        session.machines.checked.connect(self._show_now)

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's limits and policy."""
        self._chosen = draft.environments
        if draft.validation != self._validation or not self._notes:
            self._validation = draft.validation
        for each in LIMITS:
            field = self._fields[each.field]
            if not field.hasFocus():
                field.setText(each.show(draft.validation))
        self.policy.show_policy(draft.policy)
        self._show_now()

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here."""
        return replace(draft, validation=self._validation, policy=self.policy.policy)

    def subtitle(self, draft: PlanDraft) -> str:
        """How many limits are set."""
        count = sum(bool(each.show(draft.validation)) for each in LIMITS)
        return f"{count} limits"

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Say below each field what is wrong with it."""
        by_field = {each.field.removeprefix("validation.").partition(".")[0]: each.message for each in problems}
        for each in LIMITS:
            self._note(each.field, by_field.get(each.field, ""))
        self.policy.show_problems({each.field.removeprefix("policy."): each.message for each in problems})

    def focus_first(self) -> None:
        """The first field has the focus."""
        self._fields[LIMITS[0].field].setFocus()

    def regions(self) -> Sequence[QWidget]:
        """The form."""
        return (self._fields[LIMITS[0].field], self.policy)

    def _entered(self) -> None:
        for each in LIMITS:
            field = self._fields[each.field]
            if field is self.sender():
                try:
                    self._validation = each.put(self._validation, field.text().strip())
                except ValueError as error:
                    self._note(each.field, str(error))
                else:
                    self._note(each.field, "")
                    self.edited.emit()

    def _note(self, field: str, text: str) -> None:
        self._notes[field].setText(text)
        self._notes[field].setVisible(bool(text))

    def _show_now(self) -> None:
        machines = self._session.machines
        chosen = Lab(machines.environments).select(self._chosen)
        known = [
            (e.name, c.facts) for e in chosen if (c := machines.result(e.name)) is not None and c.facts is not None
        ]
        for each in LIMITS:
            if each.now is None:
                continue
            shown = [f"{name} {each.now(facts)}" for name, facts in known[:SHOWN]]
            more = f", and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
            self._now[each.field].setText(f"Now: {', '.join(shown)}{more}" if shown else "Now: not checked")

    def _lay_out(self, look: Look) -> None:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(look.px(24), look.px(16), look.px(24), look.px(24))
        column.setSpacing(look.px(8))
        column.addWidget(PlainLabel("A machine is READY only if", look, Text.HEADING))
        grid = QGridLayout()
        grid.setColumnMinimumWidth(0, look.px(208))
        grid.setColumnMinimumWidth(1, look.px(280))
        grid.setColumnStretch(2, 1)
        grid.setHorizontalSpacing(look.px(16))
        grid.setVerticalSpacing(look.px(4))
        for number, each in enumerate(LIMITS):
            self._add_limit(grid, 2 * number, each, look)
        column.addLayout(grid)
        column.addWidget(
            PlainLabel("Network, files and resources are always looked at. Empty: no limit.", look, Text.CELL, "t3")
        )
        column.addSpacing(look.px(16))
        column.addWidget(PlainLabel("The run", look, Text.HEADING))
        column.addWidget(self.policy)
        column.addStretch()
        self.setWidget(page)
        page.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

    def _add_limit(self, grid: QGridLayout, row: int, limit: Limit, look: Look) -> None:
        field = QLineEdit()
        field.setPlaceholderText(limit.hint)
        field.setAccessibleName(limit.label)
        field.setFixedHeight(look.px(28))
        field.textEdited.connect(self._entered)
        note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        note.hide()
        now = PlainLabel("", look, Text.CELL, "t3", wrap=True)
        grid.addWidget(PlainLabel(limit.label, look), row, 0)
        grid.addWidget(field, row, 1)
        grid.addWidget(now, row, 2)
        grid.addWidget(note, row + 1, 1, 1, 2)
        self._fields[limit.field], self._notes[limit.field], self._now[limit.field] = field, note, now


class PolicyForm(QWidget):
    """The policy as sentences with values in them."""

    edited = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._policy = Policy()
        self.priority = _number("Priority", -100, 100)
        self.max_parallel = _number("Environments at the same time", 1, 512)
        self.retries = _number("Retries per stage", 0, 20)
        self.stage_timeout = QLineEdit()
        self.stage_timeout.setAccessibleName("Time for one attempt at a stage")
        self.backoff = QLineEdit()
        self.backoff.setAccessibleName("First wait before trying again")
        self.rollback = QComboBox()
        self.rollback.setAccessibleName("Rollback")
        self.rollback.addItems([each.value for each in Rollback])
        self.splats = QComboBox()
        self.splats.setAccessibleName("After a kernel report")
        self.splats.addItems([each.value for each in OnSplat])
        self._note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(look.px(16))
        grid.setVerticalSpacing(look.px(8))
        grid.setColumnMinimumWidth(0, look.px(208))
        grid.setColumnStretch(2, 1)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Priority", self.priority, "-100 to 100, higher starts first"),
            ("At the same time", self.max_parallel, "environments of this run"),
            ("Try again", self.retries, "times per stage, only where that can help"),
            ("First wait", self.backoff, "growing with each attempt"),
            ("Give a stage", self.stage_timeout, "for each attempt"),
            ("Roll back", self.rollback, "environments, when one fails"),
            ("Kernel report", self.splats, "an oops or the like fails the environment, or is only told"),
        )
        for number, (label, field, hint) in enumerate(rows):
            field.setFixedWidth(look.px(112))
            field.setFixedHeight(look.px(28))
            grid.addWidget(PlainLabel(label, look), number, 0)
            grid.addWidget(field, number, 1)
            grid.addWidget(PlainLabel(hint, look, Text.CELL, "t3"), number, 2)
        grid.addWidget(self._note, len(rows), 1, 1, 2)
        self._note.hide()
        for spin in (self.priority, self.max_parallel, self.retries):
            spin.valueChanged.connect(self._changed)
        self.stage_timeout.textEdited.connect(self._changed)
        self.backoff.textEdited.connect(self._changed)
        for choice in (self.rollback, self.splats):
            choice.currentTextChanged.connect(self._changed)

    @property
    def policy(self) -> Policy:
        """What was entered."""
        return self._policy

    def show_policy(self, policy: Policy) -> None:
        """Show a policy."""
        self._policy = policy
        for spin, value in (
            (self.priority, policy.priority),
            (self.max_parallel, policy.max_parallel),
            (self.retries, policy.retries),
        ):
            with QSignalBlocker(spin):
                spin.setValue(value)
        for choice, chosen in ((self.rollback, policy.rollback.value), (self.splats, policy.splats.value)):
            with QSignalBlocker(choice):
                choice.setCurrentText(chosen)
        for field, text in (
            (self.stage_timeout, span_of(policy.stage_timeout)),
            (self.backoff, span_of(policy.backoff.initial)),
        ):
            if not field.hasFocus():
                field.setText(text)

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Say what is wrong."""
        names = {each.name for each in fields(Policy)}
        found = [message for field, message in problems.items() if field.partition(".")[0] in names]
        self._say("\n".join(found))

    def _say(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _changed(self) -> None:
        try:
            initial, timeout = seconds_of(self.backoff.text().strip()), seconds_of(self.stage_timeout.text().strip())
        except ValueError as error:
            self._say(str(error))
            return
        self._say("")
        backoff: Backoff = replace(self._policy.backoff, initial=initial)
        self._policy = replace(
            self._policy,
            priority=self.priority.value(),
            max_parallel=self.max_parallel.value(),
            retries=self.retries.value(),
            stage_timeout=timeout,
            backoff=backoff,
            rollback=Rollback(self.rollback.currentText()),
            splats=OnSplat(self.splats.currentText()),
        )
        self.edited.emit()


def _number(name: str, least: int, most: int) -> QSpinBox:
    field = QSpinBox()
    field.setRange(least, most)
    field.setAccessibleName(name)
    return field
