"""The chosen run beside the list: how it ended, its figures, what failed, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from kdeploy_gui.model.history import RunRecord
from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Outcome, Stage
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.errors.causes import headline
from kdeploy_gui.ui.history.stage_times import StageTimes
from kdeploy_gui.ui.history.words import INTERRUPTED, attempts_of, run_length, span_text
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import CATEGORY_LOOK, condition_of_outcome
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, Hairline, IconLabel, Kind, PlainLabel, StateLabel

SHOWN_FAILURES = 12


class RunSummary(QWidget):
    """One run in a column. Figures appear when its events are here."""

    error_wanted = Signal(str)
    """Open the error of this environment."""
    log_wanted = Signal(str)
    """Open the log of this environment where it failed."""

    def __init__(
        self, session: Session, buttons: Sequence[Button], link: Button, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        look = session.look
        self._record: RunRecord | None = None
        self._shown: tuple[EnvironmentState, ...] = ()
        self.title = PlainLabel("", look, Text.HEADING, selectable=True)
        self.plan = PlainLabel("", look, Text.BODY, "t2", selectable=True)
        self.state = StateLabel(look)
        self.when = PlainLabel("", look, Text.CELL, "t2", selectable=True)
        self.advice = PlainLabel("", look, Text.CELL, "t1", wrap=True, selectable=True)
        self.figures = {name: _Figure(look, name) for name in ("ready", "total time", "files sent", "retries")}
        self.times = StageTimes(look)
        self._failures = QVBoxLayout()
        self._failures.setContentsMargins(0, 0, 0, 0)
        self._failures.setSpacing(look.px(12))
        self._failure_box = QWidget()
        self._failure_box.setLayout(self._failures)
        self._lay_out(buttons, link)

    def show_record(self, record: RunRecord) -> None:
        """Show what the list knows of a run; the rest when its events are here."""
        if self._record is None or self._record.run != record.run:
            self._show_failures(())
            self.times.show_seconds({})
        self._record = record
        self.title.setText(f"Run {record.run}")
        self.plan.setText(record.plan)
        self.state.show_condition(condition_of_outcome(record.outcome))
        now = datetime.now(UTC)
        self.when.setText(span_text(record.submitted, record.finished, now))
        self.advice.setText(INTERRUPTED)
        self.advice.setVisible(record.outcome is Outcome.INTERRUPTED)
        self.figures["ready"].show_value(f"{record.ready} of {len(record.environments)}")
        self.figures["total time"].show_value(run_length(record, now))
        self._show_state(self._session.runs.state(record.run))

    def _show_state(self, state: RunState | None) -> None:
        everyone = tuple(state.environments.values()) if state is not None else ()
        sent = sum(each.files.sent for each in everyone)
        retries = sum(attempts_of(each) - 1 for each in everyone if attempts_of(each))
        self.figures["files sent"].show_value(f"{sent:,}" if everyone else "")
        self.figures["retries"].show_value(str(retries) if everyone else "")
        self._show_failures(tuple(each for each in everyone if each.error is not None))
        self.times.show_seconds(slowest(everyone))

    def _show_failures(self, failed: tuple[EnvironmentState, ...]) -> None:
        if self._shown == failed:
            return
        self._shown = failed
        while self._failures.count():
            widget = self._failures.takeAt(0).widget()
            widget.hide()
            widget.deleteLater()
        for each in failed[:SHOWN_FAILURES]:
            self._failures.addWidget(self._failure(each))
        if failed[SHOWN_FAILURES:]:
            more = f"and {len(failed) - SHOWN_FAILURES} more; the error inbox has all of them"
            self._failures.addWidget(PlainLabel(more, self._session.look, Text.CELL, "t2"))
        self._failure_box.setVisible(bool(failed))

    def _failure(self, environment: EnvironmentState) -> QWidget:
        look, failure = self._session.look, environment.error
        if failure is None:
            raise ValueError(f"{environment.name} did not fail")
        word, icon = CATEGORY_LOOK[failure.category]
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(8))
        row.addWidget(IconLabel(icon, look, "failed"), 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout()
        column.setSpacing(look.px(2))
        what = PlainLabel(headline(failure.message), look, Text.NAME, wrap=True, selectable=True)
        what.setToolTip(plain_tip(failure.message))
        column.addWidget(what)
        where = [environment.name, _stage(failure.where.stage), failure.code, word]
        line = ", ".join(visible(each) for each in where if each)
        column.addWidget(PlainLabel(line, look, Text.CELL, "t2", wrap=True, selectable=True))
        links = QHBoxLayout()
        links.setSpacing(look.px(16))
        for title, signal in (("Open error", self.error_wanted), ("Open log", self.log_wanted)):
            link = Button(title, look, Kind.LINK, dense=True)
            link.setAccessibleName(f"{title} of {visible(environment.name)}")
            link.clicked.connect(lambda _=False, told=signal, name=environment.name: told.emit(name))
            links.addWidget(link)
        links.addStretch()
        column.addLayout(links)
        row.addLayout(column, 1)
        return box

    def _lay_out(self, buttons: Sequence[Button], link: Button) -> None:
        look = self._session.look
        head = QHBoxLayout()
        head.setSpacing(look.px(8))
        head.addWidget(self.title)
        head.addWidget(self.plan)
        head.addWidget(self.state)
        head.addStretch()
        head.addWidget(link)
        row = QHBoxLayout()
        row.setSpacing(look.px(8))
        for button in buttons:
            row.addWidget(button)
        row.addStretch()
        figures = QHBoxLayout()
        for figure in self.figures.values():
            figures.addWidget(figure, 1)
        top = QVBoxLayout()
        top.setSpacing(look.px(4))
        top.addLayout(head)
        top.addWidget(self.when)
        top.addWidget(self.advice)
        self._stack((top, row, None, figures, None, self._failure_box, self.times))

    def _stack(self, parts: Sequence[QHBoxLayout | QVBoxLayout | QWidget | None]) -> None:
        """One part over the other in a scrolled column; None is a line across."""
        look = self._session.look
        inner = QWidget()
        inner.setBackgroundRole(QPalette.ColorRole.Base)
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, look.px(12), 0, look.px(16))
        column.setSpacing(look.px(12))
        for part in parts:
            if part is None:
                column.addWidget(Hairline(look))
                continue
            line = QHBoxLayout()
            line.setContentsMargins(look.px(16), 0, look.px(16), 0)
            if isinstance(part, QWidget):
                line.addWidget(part)
            else:
                line.addLayout(part)
            column.addLayout(line)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        scroll.setWidget(inner)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)


class _Figure(QWidget):
    """A value over its name."""

    def __init__(self, look: Look, name: str) -> None:
        super().__init__()
        self._name = name
        self.value = PlainLabel("", look, Text.HEADING)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(look.px(2))
        column.addWidget(self.value)
        column.addWidget(PlainLabel(name, look, Text.CELL, "t2"))

    def show_value(self, value: str) -> None:
        """Show a value; empty: it is not here yet."""
        self.value.setText(value or "...")
        self.setAccessibleName(f"{value} {self._name}")


def slowest(environments: Sequence[EnvironmentState]) -> Mapping[Stage, float]:
    """Seconds of the slowest environment in each stage that ended anywhere."""
    found: dict[Stage, float] = {}
    for environment in environments:
        for each in environment.stages:
            if each.seconds:
                found[each.stage] = max(each.seconds, found.get(each.stage, 0.0))
    return found


def _stage(value: str) -> str:
    return Stage(value).label if value in set(Stage) else value
