"""The page that takes guests of a libvirt into the lab file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.defaults import HYPERVISOR_OPEN_TIMEOUT
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.environment import OWN_HYPERVISOR, Kind
from kdeploy_gui.model.guest import GuestSeen
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.environment_form.fields import field_of, hypervisors
from kdeploy_gui.ui.environment_form.guest_model import REMARK, GuestModel
from kdeploy_gui.ui.environment_form.login import Login
from kdeploy_gui.ui.environment_form.parts import Footer, Trouble
from kdeploy_gui.ui.environment_form.proposals import guest_proposals
from kdeploy_gui.ui.environment_form.rows import open_choice
from kdeploy_gui.ui.environment_form.ticks import first_new, measure, show_count, tick_table
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, EmptyState, Ground, Hairline, PlainLabel
from kdeploy_gui.ui.widgets import Kind as Weight

ABOUT = "Lists the guests of a hypervisor. Nothing is changed there: those chosen are written into the lab file."
START = "Choose a hypervisor and look"
WHERE = "qemu:///system and qemu:///session are on this workstation, qemu+ssh://user@host/system is on another one."
LAST = "guests/uri"
"""The setting that keeps the URI that was looked at last."""
SECOND_MS = 1000
COLUMN = 200
"""Pixels at 100 % that a column has at most: long names have tooltips."""


class GuestsPage(QWidget):
    """A hypervisor's guests with ticks; those chosen become environments in one step."""

    done = Signal()
    """They were added, or the user wants it no more."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        look = session.look
        self._looked_at: str | None = None
        self._seen: tuple[GuestSeen, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self._asked, self._waited = "", 0
        uris = hypervisors(session.machines.environments)
        self.uri = open_choice("Hypervisor", uris, "such as qemu:///system", completes=False)
        self.look = Button("Look", look, Weight.SECONDARY, icon="magnify")
        self.stop = Button("Stop", look, Weight.SECONDARY, icon="stop-circle-outline")
        self.count = PlainLabel("", look, Text.CELL, "t2")
        self.all = QCheckBox("Choose all new ones")
        self.guests = GuestModel(look, self)
        self.table = tick_table(self.guests, look, "Guests")
        self.login = Login(session)
        self.cancel = Button("Cancel", look, Weight.SECONDARY)
        self.add = Button("Add environments", look, Weight.PRIMARY)
        self.footer = Footer(look, [self.cancel, self.add])
        self.empty = EmptyState(look, "monitor-multiple", START, WHERE)
        self.trouble = Trouble(look, "libvirt could not be asked")
        self._stack = QStackedWidget()
        for each in (self.empty, self.table, self.trouble):
            self._stack.addWidget(each)
        self._clock = QTimer(self, interval=SECOND_MS)
        self._lay_out()
        self._connect()
        self.uri.setEditText(str(session.settings.value(LAST, "")))
        self._rest()
        self._follow()
        self._count()

    def focus_first(self) -> None:
        """Put the focus where work begins."""
        (self.table if self._stack.currentWidget() is self.table else self.uri).setFocus()

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self.uri, self.table, self.login.rows["user"].field, self.add)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc stops the look that goes on."""
        if event.key() == Qt.Key.Key_Escape and self._task is not None:
            self._give_up()
            return
        super().keyPressEvent(event)

    def _lay_out(self) -> None:
        look = self._session.look
        top = Ground(look, "view")
        head = QVBoxLayout(top)
        head.setContentsMargins(look.px(16), look.px(16), look.px(16), look.px(12))
        head.setSpacing(look.px(8))
        head.addWidget(PlainLabel("Add guests from libvirt", look, Text.TITLE))
        head.addWidget(PlainLabel(ABOUT, look, Text.CELL, "t2", wrap=True))
        line = QHBoxLayout()
        line.setSpacing(look.px(8))
        self.uri.setMaximumWidth(look.px(480))
        for each, stretch in ((self.uri, 3), (self.look, 0), (self.stop, 0)):
            line.addWidget(each, stretch)
        line.addStretch()
        line.addWidget(self.count)
        line.addSpacing(look.px(8))
        line.addWidget(self.all)
        head.addLayout(line)
        ground = Ground(look, "view")
        body = QHBoxLayout(ground)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(0)
        body.addWidget(self._stack, 3)
        body.addWidget(Hairline(look, vertical=True))
        body.addWidget(self.login, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top)
        column.addWidget(Hairline(look))
        column.addWidget(ground, 1)
        column.addWidget(self.footer)

    def _connect(self) -> None:
        session, line = self._session, self.uri.lineEdit()
        if line is not None:
            line.returnPressed.connect(self._begin)
        self.uri.currentTextChanged.connect(self._allow)
        self.look.clicked.connect(self._begin)
        self.stop.clicked.connect(self._give_up)
        self.all.clicked.connect(self.guests.choose_all)
        self.guests.ticked.connect(self._count)
        self.cancel.clicked.connect(self._leave)
        self.add.clicked.connect(lambda: session.bridge.spawn(self._add(), name="add guests"))
        self.login.edited.connect(lambda: self.footer.say.say(()))
        self._clock.timeout.connect(self._wait_on)
        session.machines.changed.connect(self._offer)
        session.look.changed.connect(self._follow)

    def _follow(self) -> None:
        measure(self.table, self._session.look, COLUMN)

    def _allow(self) -> None:
        typed = self.uri.currentText().strip()
        if self._looked_at is not None and typed != self._looked_at:
            self._forget()
        is_empty = not typed
        self.look.setEnabled(not is_empty)
        self.look.setToolTip("Type or choose a URI first" if is_empty else "Connect and list; changes nothing there")

    def _forget(self) -> None:
        """What is listed is always what the URI leads to."""
        self._looked_at, self._seen = None, ()
        self._offer()
        self.empty.say(START, WHERE)
        self._stack.setCurrentWidget(self.empty)

    # The look

    def _begin(self) -> None:
        uri = self.uri.currentText().strip()
        if not uri or self._task is not None:
            return
        self._session.settings.setValue(LAST, uri)
        self._asked, self._waited = uri, 0
        self._looked_at, self._seen = None, ()
        self._offer()
        self._tell_waiting(uri)
        self._stack.setCurrentWidget(self.empty)
        self.look.hide()
        self.stop.show()
        self._clock.start()
        self._task = self._session.bridge.spawn(self._look_at(uri), name=f"list the guests of {uri}")

    def _tell_waiting(self, uri: str) -> None:
        self.empty.say(
            "Asking libvirt", f"{uri}, for {self._waited} s. Given up after {HYPERVISOR_OPEN_TIMEOUT:.0f} s."
        )

    def _wait_on(self) -> None:
        self._waited += 1
        self._tell_waiting(self._asked)

    def _give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._rest()
            self.empty.say("Stopped", "Nothing was changed.")
            self.uri.setFocus()

    def _rest(self) -> None:
        self._task = None
        self._clock.stop()
        self.stop.hide()
        self.look.show()
        self._allow()

    async def _look_at(self, uri: str) -> None:
        mine = asyncio.current_task()
        try:
            seen = await self._session.bridge.wait(self._session.services.inventory.start_seen(uri))
        except GuestError as error:
            self.trouble.show_failure(self._session.services.failure_of(error))
            self._stack.setCurrentWidget(self.trouble)
            self.uri.setFocus()
        else:
            self._looked_at, self._seen = uri, seen
            self._offer()
            self._show_found(uri)
        finally:
            if self._task is mine:
                self._rest()

    def _show_found(self, uri: str) -> None:
        if not self._seen:
            text = f"libvirt at {uri} answers and knows none. virt-install or `kdeploy env define` makes one."
            self.empty.say("No guests there", text)
            return
        self._stack.setCurrentWidget(self.table)
        self.table.setColumnHidden(REMARK, not any(each.remark for each in self.guests.offered))
        self._follow()
        self.table.setCurrentIndex(first_new(self.guests))
        self.table.setFocus()

    def _offer(self) -> None:
        lab = self._session.machines.environments
        self.guests.set_offered(guest_proposals(self._looked_at or OWN_HYPERVISOR, self._seen, lab))
        self.table.setAccessibleName(f"Guests at {self._looked_at}" if self._looked_at else "Guests")
        count = len(self._seen)
        words = f"{count} {'guest' if count == 1 else 'guests'}, {len(self.guests.new)} new"
        self.count.setText(words if count else "")

    def _count(self) -> None:
        show_count(self.guests, self.all, self.add, "guest")

    # What becomes of it

    async def _add(self) -> None:
        inventory, base = self._session.services.inventory, self.login.environment()
        wanted = [
            replace(base, name=each.name, kind=Kind.QEMU, uri=self._looked_at or "", domain=each.guest.name)
            for each in self.guests.offered
            if each.name in self.guests.chosen
        ]
        problems = await self._session.bridge.ask(lambda: inventory.add_all(wanted))
        self._show_problems(problems)
        if not problems:
            self._session.machines.reload()
            self._leave()

    def _show_problems(self, problems: Sequence[Problem]) -> None:
        self.login.show_problems(problems)
        self.footer.say.say([str(each) for each in problems if not field_of(each, self.login.rows)])

    def _leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._rest()
        self.done.emit()
