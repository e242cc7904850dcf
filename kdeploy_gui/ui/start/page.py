"""The start page: two ways to begin, three more, and the doctor's findings about this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from kdeploy_gui.app import examine_workstation
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.check import Finding
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.start.findings import DoctorList
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.widgets import Button, Card, IconLabel, Kind, PlainLabel, StateLabel

WIDEST = 1040
NARROW = 640
"""Pixels below which the cards stand one above the other."""
PADDING = 16
Examine = Callable[[], Sequence[Finding]]


class CommandButton(Button):
    """A button of a command that may come later: disabled with the reason why while it cannot be used."""

    def __init__(self, session: Session, command: str, text: str, kind: Kind) -> None:
        super().__init__(text, session.look, kind)
        self._commands = session.commands
        self._command = command
        self.known = False
        self.clicked.connect(lambda: session.commands.run(command))

    def refresh(self) -> None:
        """Look again whether the command is there and can be used."""
        self.known = any(each.id == self._command for each in self._commands.all())
        why = self._commands.why_not(self._command) if self.known else "Not in this version"
        self.setEnabled(not why)
        self.setToolTip(why)


class StartPage(QScrollArea):
    """How to begin, for who is here for the first time; `examine` looks at this computer."""

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, examine: Examine = examine_workstation
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._look = session.look
        self._examine = examine
        self._asked = False
        self._buttons: list[CommandButton] = []
        self._links: list[tuple[QWidget, CommandButton]] = []
        self._hosts = PlainLabel(HOSTS, session.look, Text.CELL, "t3")
        self.list = DoctorList(session.look)
        self.again = Button("Check again", session.look, icon="refresh", dense=True)
        self.again.clicked.connect(self.check)
        self.summary = PlainLabel("", session.look, Text.CELL, "t2")
        self.checking = StateLabel(session.look, Text.CELL)
        self.checking.show_condition(Condition.CHECKING, "Checking this computer, 10 s at most")
        self._cards = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Start page")
        self.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        self.setWidget(self._contents())
        session.look.changed.connect(self._fit)
        session.commands.changed.connect(self._refresh)
        self._refresh()
        self._fit()

    def focus_first(self) -> None:
        """To the first way to begin that is open."""
        first = next((each for each in self._buttons if each.isVisibleTo(self) and each.isEnabled()), self.again)
        first.setFocus(Qt.FocusReason.OtherFocusReason)

    def regions(self) -> Sequence[QWidget]:
        """The ways to begin, and the findings."""
        return (self._buttons[0], self.list)

    def check(self) -> None:
        """Look at this computer."""
        self._asked = True
        self.again.setEnabled(False)
        self.again.setToolTip("A check is under way")
        self.checking.setVisible(not self.list.findings.findings)
        self.summary.setText("Checking")
        self._session.bridge.spawn(self._check(), name="examine this computer")

    def showEvent(self, event: QShowEvent) -> None:
        """The first look at this computer is taken when somebody sees the page."""
        super().showEvent(event)
        self._refresh()
        if not self._asked:
            self.check()
            self._session.bridge.spawn(self._count_hosts(), name="count hosts of ~/.ssh/config")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cards stand side by side where they fit."""
        super().resizeEvent(event)
        self._fit()

    async def _check(self) -> None:
        try:
            findings = await self._session.bridge.ask(self._examine)
        except KdeployError:
            self.summary.setText("Not checked")
            raise
        else:
            self.list.findings.show_findings(findings)
            self.summary.setText(_summary(findings, datetime.now().astimezone()))
        finally:
            self.again.setEnabled(True)
            self.again.setToolTip("")
            self.checking.setVisible(False)

    async def _count_hosts(self) -> None:
        with suppress(KdeployError):  # the page of the import tells it where it matters
            hosts = await self._session.bridge.ask(self._session.services.inventory.importable)
            found = f"{len(hosts)} {'host' if len(hosts) == 1 else 'hosts'} found, you choose which"
            self._hosts.setText(found if hosts else "No hosts found there")

    def _contents(self) -> QWidget:
        look = self._look
        page = QWidget()
        page.setBackgroundRole(QPalette.ColorRole.Base)
        page.setAutoFillBackground(True)
        self._column = QWidget()
        column = QVBoxLayout(self._column)
        column.setContentsMargins(0, look.px(24), 0, look.px(24))
        column.setSpacing(0)
        column.addWidget(PlainLabel("Welcome to kdeploy", look, Text.TITLE))
        column.addSpacing(look.px(8))
        column.addWidget(PlainLabel(WELCOME, look, Text.BODY, "t2", wrap=True))
        column.addSpacing(look.px(20))
        self._cards.setSpacing(look.px(16))
        for each in CARDS:
            self._cards.addWidget(self._card(*each), 1)
        column.addLayout(self._cards)
        column.addSpacing(look.px(12))
        for link in LINKS:
            column.addWidget(self._link(*link))
        column.addSpacing(look.px(16))
        column.addLayout(self._this_computer())
        column.addSpacing(look.px(8))
        column.addWidget(self.checking)
        column.addWidget(self.list)
        column.addStretch()
        row = QHBoxLayout(page)
        row.setContentsMargins(look.px(PADDING), 0, look.px(PADDING), 0)
        row.addStretch()
        row.addWidget(self._column, 100)
        row.addStretch()
        return page

    def _card(self, icon: str, title: str, text: str, command: str, button: str, hint: str) -> Card:
        look = self._look
        card = Card(look)
        column = QVBoxLayout(card)
        column.setContentsMargins(*[look.px(24)] * 2, *[look.px(20)] * 2)
        column.setSpacing(look.px(12))
        heading = QHBoxLayout()
        heading.setSpacing(look.px(12))
        heading.addWidget(IconLabel(icon, look, "accent", 24))
        heading.addWidget(PlainLabel(title, look, Text.HEADING), 1)
        column.addLayout(heading)
        words = PlainLabel(text, look, Text.BODY, "t2", wrap=True)
        words.setAlignment(Qt.AlignmentFlag.AlignTop)
        words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        column.addWidget(words, 1)
        action = CommandButton(self._session, command, button, Kind.SECONDARY if self._buttons else Kind.PRIMARY)
        action.set_height(32)
        self._buttons.append(action)
        row = QHBoxLayout()
        row.setSpacing(look.px(12))
        row.addWidget(action)
        row.addWidget(PlainLabel(hint, look, Text.CELL, "t3", wrap=True), 1)
        column.addLayout(row)
        return card

    def _link(self, icon: str, command: str, text: str, hint: str) -> QWidget:
        look = self._look
        link = CommandButton(self._session, command, text, Kind.LINK)
        self._buttons.append(link)
        line = QWidget()
        self._links.append((line, link))
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(8))
        row.addWidget(IconLabel(icon, look, "t2"))
        row.addWidget(link)
        row.addWidget(self._hosts if hint is HOSTS else PlainLabel(hint, look, Text.CELL, "t3"))
        row.addStretch()
        return line

    def _this_computer(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(self._look.px(12))
        row.addWidget(PlainLabel("This computer", self._look, Text.HEADING))
        row.addStretch()
        row.addWidget(self.summary)
        row.addWidget(self.again)
        return row

    def _refresh(self) -> None:
        for button in self._buttons:
            button.refresh()
        for line, link in self._links:
            line.setVisible(link.known)

    def _fit(self) -> None:
        self._column.setMaximumWidth(self._look.px(WIDEST))
        narrow = self.viewport().width() < self._look.px(NARROW)
        self._cards.setDirection(
            QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight,
        )


def _summary(findings: Sequence[Finding], now: datetime) -> str:
    counted = [each for each in findings if each.ok is not None]
    good = sum(1 for each in counted if each.ok)
    return f"{good} of {len(counted)} OK, checked at {now:%H:%M}"


HOSTS = "You choose which"
WELCOME = "Put a test suite and its kernel instruments on many machines at once, and know that they are really there."
CARDS = (
    (
        "flask-outline",
        "Try the demo lab",
        "Six boards inside this program: real SSH servers on loopback, each with its own home folder. Two are healthy,"
        " four show a dropped link, a changed host key, a refused key and a missing tool.",
        "demo.start",
        "Start demo lab",
        "About 1 minute. Changes nothing else here.",
    ),
    (
        "plus-network-outline",
        "Add an environment",
        "A board over SSH or a QEMU/KVM guest under libvirt. Address, host key, login and tools are tested line by"
        " line before anything is saved.",
        "environment.add",
        "Add environment...",
        "You need an address and a user name.",
    ),
)
LINKS = (
    ("folder-open-outline", "lab.open", "Open a lab file...", "lab.toml of your team, kept under version control"),
    ("import", "environment.import", "Take hosts from ~/.ssh/config...", HOSTS),
    ("monitor-multiple", "environment.guests", "Add guests from libvirt...", "Here or on another host"),
    ("book-open-outline", "help.first_steps", "Read the first steps", "F1, works offline"),
)
