"""Strips over and under a view: what was told, what can be taken back, and how things stand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import CATEGORY_LOOK, Condition
from kdeploy_gui.ui.widgets import Button, IconButton, IconLabel, Kind, PlainLabel


class Strip(QWidget):
    """A bar across the window with a ground of its own."""

    def __init__(self, look: Look, ground: str, edge: str = "line") -> None:
        super().__init__()
        self._look = look
        self._ground = ground
        self._edge = edge
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and a hairline at its top."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._look.theme.color(self._ground))
        painter.fillRect(0, 0, self.width(), 1, self._look.theme.color(self._edge))


class NoticeStrip(Strip):
    """The newest failure outside a run, until it is dismissed: what happened and what to do."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.look, "warnbg")
        look = session.look
        self._failure: Failure | None = None
        self._icon = IconLabel("alert-outline", look, "retry", 20)
        self._what = PlainLabel("", look, Text.NAME, selectable=True, wrap=True)
        self._remedy = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self._what)
        texts.addWidget(self._remedy)
        copy = Button("Copy", look, Kind.SECONDARY, dense=True, icon="content-copy")
        copy.clicked.connect(self._copy)
        dismiss = IconButton("close", "Dismiss", look)
        dismiss.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(8), look.px(12), look.px(8))
        row.setSpacing(look.px(12))
        row.addWidget(self._icon)
        row.addLayout(texts, 1)
        row.addWidget(copy)
        row.addWidget(dismiss)
        self.hide()
        session.asking.told.connect(self.show_failure)

    def show_failure(self, failure: Failure) -> None:
        """Show a failure; it takes the place of the one before."""
        self._failure = failure
        _, icon = CATEGORY_LOOK[failure.category]
        self._icon.show_icon(icon, "retry")
        self._what.setText(f"{failure.message} ({failure.code})")
        self._remedy.setText(failure.remedy)
        self._remedy.setVisible(bool(failure.remedy))
        self.show()

    def _copy(self) -> None:
        if self._failure is not None:
            parts = (self._failure.code, self._failure.message, self._failure.remedy, self._failure.evidence.stderr)
            QGuiApplication.clipboard().setText("\n".join(part for part in parts if part))


class UndoStrip(Strip):
    """What was just done, and the way back, while it is offered."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.look, "raised")
        look = session.look
        self._undo = session.undo
        self._text = PlainLabel("", look, Text.BODY)
        self.button = Button(session.commands.action("edit.undo"), look, Kind.LINK)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(4), look.px(16), look.px(4))
        row.addWidget(self._text)
        row.addWidget(self.button)
        row.addStretch()
        self.hide()
        self._undo.changed.connect(self._show)

    def _show(self) -> None:
        self._text.setText(f"{self._undo.text}.")
        self.setVisible(bool(self._undo.text))


class SavedStrip(Strip):
    """Where a file is that was just written for the user, until it is dismissed or another follows."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.look, "raised")
        look = session.look
        self._path = Path()
        self.text = PlainLabel("", look, Text.BODY, selectable=True, wrap=True)
        self.open_button = Button("Open", look, Kind.LINK)
        self.open_button.clicked.connect(self._open)
        dismiss = IconButton("close", "Dismiss", look)
        dismiss.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(4), look.px(12), look.px(4))
        row.addWidget(self.text, 1)
        row.addWidget(self.open_button)
        row.addWidget(dismiss)
        self.hide()
        session.asking.saved.connect(self._show)

    def _show(self, what: str, path: Path) -> None:
        self._path = path
        self.text.setText(f"{what} is in {visible(str(path))}.")
        self.open_button.setAccessibleName(f"Open {visible(path.name)}")
        self.open_button.show()
        self.show()

    def _open(self) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._path))):
            self.text.setText(f"No program here opens {visible(str(self._path))}.")
            self.open_button.hide()


class StatusStrip(Strip):
    """How current the picture is, what goes on, how many machines are ready, and the time."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.look, "window")
        self._session = session
        look = session.look
        self._pulse = IconLabel("pulse", look, "ready", 14)
        self.live = PlainLabel("Engine running", look, Text.CELL, "t2")
        self.place = PlainLabel(_place(session), look, Text.CELL, "t2")
        self.runs = PlainLabel("", look, Text.CELL, "t2")
        self.machines = PlainLabel("", look, Text.CELL, "t2")
        self.clock = PlainLabel("", look, Text.CELL, "t2")
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(12), 0, look.px(12), 0)
        row.setSpacing(look.px(16))
        left = QHBoxLayout()
        left.setSpacing(look.px(6))
        left.addWidget(self._pulse)
        left.addWidget(self.live)
        row.addLayout(left)
        row.addWidget(self.place)
        row.addStretch()
        for label in (self.runs, self.machines, self.clock):
            row.addWidget(label)
        self._timer = QTimer(self, interval=1000)
        self._timer.timeout.connect(self.refresh)
        self._timer.start()
        session.runs.started.connect(self.refresh)
        session.runs.ended.connect(self.refresh)
        session.machines.changed.connect(self.refresh)
        look.changed.connect(self._follow)
        self._follow()
        self.refresh()

    def refresh(self) -> None:
        """Say how things stand now."""
        session = self._session
        active = len(session.runs.active)
        behind = session.runs.seconds_behind()
        self.live.setText(_live(active, behind))
        self._pulse.show_icon("pulse", "ready" if behind < 10 else "retry")
        self.runs.setText("No run active" if not active else f"{active} {'run' if active == 1 else 'runs'} active")
        machines = session.machines
        ready = sum(machines.condition(each.name)[0] is Condition.READY for each in machines.environments)
        count = len(machines.environments)
        self.machines.setText(f"{count} {'environment' if count == 1 else 'environments'}, {ready} ready")
        self.clock.setText(datetime.now().astimezone().strftime("%H:%M:%S"))

    def _follow(self) -> None:
        self.setFixedHeight(self._look.px(24))


def _live(active: int, behind: float) -> str:
    if not active:
        return "Engine running"
    return "Live" if behind < 2 else f"Live, last news {behind:.0f} s ago"


def _place(session: Session) -> str:
    if session.services.sample_plan is not None:
        return "Demo lab: boards exist while it runs"
    own = session.services.lab_file == session.services.home.lab_file
    return "" if own else f"Lab file {session.services.lab_file}"
