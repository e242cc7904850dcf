"""One error, whole: what happened, where, what is on the target now, what can be done, and the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QPalette, QResizeEvent, QTextOption, QWheelEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import visible_lines
from kdeploy_gui.ui.errors.actions import Action, actions_for
from kdeploy_gui.ui.errors.problem_list import Entry, clock
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.states import CATEGORY_LOOK
from kdeploy_gui.ui.widgets import Button, Hairline, IconLabel, Kind, Pill, PlainLabel

LABELS = 152
MARGIN = 24
LISTED = 12
"""Environments that are named."""
LONGEST_TEXT = 20_000
"""Characters of one text that are shown."""


class Evidence(QFrame):
    """A block of monospaced text with an edge, as it came from the target."""

    def __init__(self, text: str, look: Look) -> None:
        super().__init__()
        self._look = look
        column = QVBoxLayout(self)
        column.setContentsMargins(look.px(16), look.px(12), look.px(16), look.px(12))
        column.addWidget(WrappedText(shortened(text), look))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the edge."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._look.theme.raised)
        painter.fillRect(0, 0, 3, self.height(), self._look.theme.failed)


class WrappedText(QPlainTextEdit):
    """Text to read and select, as high as it is; words that are longer than a line are broken, which no label does."""

    def __init__(self, text: str, look: Look) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setAccessibleName("Evidence")
        self.setFont(look.font(Text.LOG))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        for policy in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.setPlainText(visible_lines(text))
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Be as high as all lines."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        lines = round(self.document().size().height())  # of a plain text document: in lines
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 2)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The page scrolls, not the text in it."""
        event.ignore()


class ErrorDetail(QScrollArea):
    """The page of one entry; made anew for each."""

    wanted = Signal(object)
    """The Action whose button was pressed."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.entry: Entry | None = None
        self._buttons: Sequence[Callable[[], QWidget]] = ()
        self.actions_shown: tuple[Action, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Error in detail")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        look.changed.connect(self._again)

    def show_entry(self, entry: Entry | None, buttons: Sequence[Callable[[], QWidget]] = ()) -> None:
        """Show an entry, with `buttons` made for its title row."""
        self.entry, self._buttons = entry, buttons
        page = QWidget()
        page.setBackgroundRole(QPalette.ColorRole.Base)
        page.setAutoFillBackground(True)
        column = QVBoxLayout(page)
        margin = self._look.px(MARGIN)
        column.setContentsMargins(margin, self._look.px(16), margin, margin)
        column.setSpacing(self._look.px(12))
        self.actions_shown = ()
        if entry is not None:
            column.addLayout(self._title(entry, buttons))
            self._add_sections(column, entry)
        column.addStretch()
        self.setWidget(page)

    def _again(self) -> None:
        self.show_entry(self.entry, self._buttons)

    def _title(self, entry: Entry, buttons: Sequence[Callable[[], QWidget]]) -> QHBoxLayout:
        look = self._look
        row = QHBoxLayout()
        row.setSpacing(look.px(12))
        icon, token = entry.icon
        row.addWidget(IconLabel(icon, look, token, 24), 0, Qt.AlignmentFlag.AlignTop)
        texts = QVBoxLayout()
        texts.setSpacing(look.px(4))
        title = PlainLabel(entry.title, look, Text.HEADING, selectable=True, wrap=True)
        texts.addWidget(title)
        texts.addLayout(self._pills(entry))
        row.addLayout(texts, 1)
        for make in buttons:
            row.addWidget(make(), 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _pills(self, entry: Entry) -> QHBoxLayout:
        look = self._look
        row = QHBoxLayout()
        row.setSpacing(look.px(8))
        if entry.cause is not None:
            record, failure = entry.cause.newest, entry.cause.newest.failure
            state, token = (
                ("Failed", "failed") if entry.open else ("Solved", "ready") if record.solved_by else ("Muted", "t2")
            )
            row.addWidget(PlainLabel(state, look, Text.HEADER, token))
            row.addWidget(Pill(CATEGORY_LOOK[failure.category][0], look))
            row.addWidget(Pill(failure.code, look, style=Text.LOG))
            runs = ", ".join(map(str, entry.cause.runs[:6]))
            word = "run" if len(entry.cause.runs) == 1 else "runs"
            row.addWidget(PlainLabel(f"{word} {runs}, last {clock(record.time)}", look, Text.CELL, "t2"))
        elif entry.retrying is not None:
            row.addWidget(PlainLabel("Retrying", look, Text.HEADER, "t2"))
            row.addWidget(Pill(entry.retrying.scheduled.because.code, look, style=Text.LOG))
        row.addStretch()
        return row

    def _add_sections(self, column: QVBoxLayout, entry: Entry) -> None:
        failure = entry.failure
        if failure is None:
            return
        look = self._look
        self._section(column, "What happened", [self._text(sentence(failure.message))])
        self._section(column, "Where", [self._where(entry)])
        self._section(column, "On the target now", [self._text(failure.on_target or "Not known")])
        ways: list[QWidget] = [self._text(failure.remedy)] if failure.remedy else []
        if entry.cause is not None:
            self.actions_shown = actions_for(entry.cause)
            ways += [self._action(number, each) for number, each in enumerate(self.actions_shown, 1)]
        if entry.cause is None:
            ways.append(self._text("It is tried again by itself. Cancel the run to stop that."))
        self._section(column, "What you can do", ways)
        evidence = failure.evidence
        if not evidence.text:
            return
        status = "" if evidence.exit_status is None else f"exit status {evidence.exit_status}"
        copy = Button("Copy", look, Kind.FLAT, icon="content-copy", dense=True)
        copy.clicked.connect(self._copy_evidence)
        row = QHBoxLayout()
        row.addWidget(PlainLabel("Evidence", look, Text.BODY, "t2"))
        row.addSpacing(look.px(16))
        row.addWidget(PlainLabel(status, look, Text.CELL, "t2"))
        row.addStretch()
        row.addWidget(copy)
        column.addWidget(Hairline(look))
        column.addLayout(row)
        said = "\n".join(part for part in (evidence.command, evidence.stderr) if part)
        if said:
            column.addWidget(Evidence(said, look))
        if evidence.console:
            column.addWidget(PlainLabel("Last lines of the serial console", look, Text.BODY, "t2"))
            column.addWidget(Evidence(evidence.console, look))

    def _section(self, column: QVBoxLayout, title: str, content: Sequence[QWidget]) -> None:
        look = self._look
        column.addWidget(Hairline(look))
        grid = QGridLayout()
        grid.setColumnMinimumWidth(0, look.px(LABELS))
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(0)
        grid.setVerticalSpacing(look.px(8))
        label = PlainLabel(title, look, Text.BODY, "t2")
        grid.addWidget(label, 0, 0, Qt.AlignmentFlag.AlignTop)
        for number, each in enumerate(content):
            grid.addWidget(each, number, 1, Qt.AlignmentFlag.AlignTop)
        column.addLayout(grid)

    def _text(self, text: str) -> PlainLabel:
        label = PlainLabel(shortened(text), self._look, Text.BODY, "t1", selectable=True, wrap=True)
        label.setAlignment(Qt.AlignmentFlag.AlignTop)
        return label

    def _where(self, entry: Entry) -> QWidget:
        look = self._look
        whole = QWidget()
        grid = QGridLayout(whole)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnMinimumWidth(0, look.px(116))
        grid.setColumnStretch(1, 1)
        for row, (name, value) in enumerate(_places(entry)):
            grid.addWidget(PlainLabel(name, look, Text.BODY, "t2"), row, 0, Qt.AlignmentFlag.AlignTop)
            style = Text.LOG if name == "Path" else Text.BODY
            grid.addWidget(PlainLabel(value, look, style, "t1", selectable=True, wrap=True), row, 1)
        return whole

    def _action(self, number: int, action: Action) -> QWidget:
        look = self._look
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(12))
        row.addWidget(PlainLabel(str(number), look, Text.CELL, "t3"))
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(PlainLabel(action.title, look, Text.NAME))
        texts.addWidget(PlainLabel(action.explanation, look, Text.CELL, "t2", wrap=True))
        row.addLayout(texts, 1)
        button = Button(action.button, look, Kind.PRIMARY if number == 1 else Kind.SECONDARY, dense=True)
        button.setToolTip(f"Alt+{number}")
        button.clicked.connect(lambda _=False: self.wanted.emit(action))
        row.addWidget(button)
        return whole

    def _copy_evidence(self) -> None:
        failure = self.entry.failure if self.entry is not None else None
        if failure is not None:
            QGuiApplication.clipboard().setText(failure.evidence.text)


def shortened(text: str) -> str:
    """What a label can hold without holding up the window."""
    more = len(text) - LONGEST_TEXT
    return text if more <= 0 else f"{text[:LONGEST_TEXT]}\n... and {more} characters more, all of them in the report"


def _places(entry: Entry) -> list[tuple[str, str]]:
    if entry.retrying is not None:
        return [("Environment", entry.retrying.environment), ("Run", str(entry.retrying.run))]
    if entry.cause is None:
        return []
    record = entry.cause.newest
    where = record.failure.where
    names = entry.cause.environments
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    places = [("Environment", ", ".join(names[:LISTED]) + more)]
    if where.stage:
        places.append(("Stage", f"{_stage(where.stage)}, attempt {record.attempts}"))
    if where.path:
        places.append(("Path", where.path))
    return [*places, ("Run", f"{record.run}, {record.plan}")]


def _stage(value: str) -> str:
    if value not in set(Stage):
        return value
    number = [each.value for each in Stage].index(value) + 1
    label = Stage(value).label
    return f"{number} {label[:1].upper()}{label[1:]}"
