"""The way to a machine, tested line by line while one looks on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.environment_form.parts import may_be_narrow
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.unlocking import unlock_these
from kdeploy_gui.ui.widgets import Button, IconLabel, Kind, PlainLabel

WORDS: Mapping[CheckPart, str] = {
    CheckPart.ADDRESS: "Address",
    CheckPart.PORT: "Port",
    CheckPart.HOST_KEY: "Host key",
    CheckPart.LOGIN: "Login",
    CheckPart.FACTS: "Facts",
}
_CONDITIONS = {
    CheckOutcome.OK: Condition.OK,
    CheckOutcome.FAILED: Condition.FAILED,
    CheckOutcome.NOT_TRIED: Condition.NOT_TRIED,
}


class Line(QWidget):
    """One part of the way: icon, what it is, what was found; below a failure what to do about it."""

    def __init__(self, session: Session, part: CheckPart) -> None:
        super().__init__()
        look = session.look
        self.part = part
        self.condition = Condition.PENDING
        self._icon = IconLabel(self.condition.icon, look, self.condition.token, 14)
        self._name = PlainLabel(WORDS[part], look, Text.BODY)
        self.text = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self.remedy = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self._name.setFixedWidth(look.px(72))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(look.px(8))
        grid.setVerticalSpacing(look.px(4))
        top = Qt.AlignmentFlag.AlignTop
        grid.addWidget(self._icon, 0, 0, top)
        grid.addWidget(self._name, 0, 1, top)
        grid.addWidget(self.text, 0, 2)
        grid.addWidget(self.remedy, 1, 2)
        grid.setColumnStretch(2, 1)
        may_be_narrow(self.text)
        may_be_narrow(self.remedy)
        self.remedy.hide()
        self.show_condition(Condition.PENDING)

    def show_condition(self, condition: Condition, text: str = "", remedy: str = "") -> None:
        """Show a state, in its own words where there are no others."""
        self.condition = condition
        self._icon.show_icon(condition.icon, condition.token)
        self.text.set_token(condition.word_token)
        self.text.setText(text or condition.word)
        self.remedy.setText(remedy)
        self.remedy.setVisible(bool(remedy))
        self.setAccessibleName(f"{WORDS[self.part]}: {condition.word}. {self.text.text()}")


class LiveTest(QWidget):
    """Five lines, a button that tests and one that stops it."""

    asked = Signal()
    """The user wants a test; whoever knows the environment answers with `run`."""
    started = Signal()
    ended = Signal(object)
    """The EnvironmentCheck."""
    offered = Signal(object, bool)
    """The HostKey of the machine, and whether it is pinned."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        look = session.look
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self.lines = {part: Line(session, part) for part in CheckPart}
        self.button = Button("Test", look, Kind.SECONDARY, icon="lan-connect", dense=True)
        self.button.setToolTip("Connect and look; changes nothing there and saves nothing")
        self.button.clicked.connect(self.asked)
        self.stop = Button("Stop", look, Kind.SECONDARY, icon="stop-circle-outline", dense=True)
        self.stop.clicked.connect(self.cancel)
        self.stop.hide()
        self.hint = PlainLabel(
            "Looks line by line, changes nothing there. Nothing is sent before the host key is the pinned one.",
            look,
            Text.CELL,
            "t3",
            wrap=True,
        )
        head = QHBoxLayout()
        head.addWidget(PlainLabel("Live test", look, Text.HEADING), 1)
        head.addWidget(self.button)
        head.addWidget(self.stop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(look.px(8))
        column.addLayout(head)
        column.addWidget(self.hint)
        for line in self.lines.values():
            column.addWidget(line)

    @property
    def is_running(self) -> bool:
        """Whether a test goes on."""
        return self._task is not None

    def allow(self, why_not: str = "") -> None:
        """Whether one can test now, and why not."""
        self.button.setEnabled(not why_not)
        self.button.setToolTip(plain_tip(why_not) or "Connect and look; changes nothing there and saves nothing")

    def run(self, environment: Environment) -> None:
        """Test this environment, and no longer the one before."""
        self._end()
        self._number += 1
        for line in self.lines.values():
            line.show_condition(Condition.PENDING)
        self.lines[CheckPart.ADDRESS].show_condition(Condition.CHECKING)
        self.button.hide()
        self.stop.show()
        self.started.emit()
        work = self._run(self._number, environment)
        self._task = self._session.bridge.spawn(work, name=f"test {environment.name or environment.host}")

    def cancel(self) -> None:
        """Stop the test that goes on."""
        if self._end():
            for line in self.lines.values():
                if line.condition in {Condition.PENDING, Condition.CHECKING}:
                    line.show_condition(Condition.NOT_TRIED)

    def _end(self) -> bool:
        task, self._task = self._task, None
        if task is None:
            return False
        self._number += 1
        task.cancel()
        self._rest()
        return True

    def _rest(self) -> None:
        self.button.show()
        self.stop.hide()

    async def _run(self, number: int, environment: Environment) -> None:
        loop = asyncio.get_running_loop()
        if environment.host_keys:  # without a pin it does not come to a login
            with suppress(PlanError):  # the test itself tells of a way that leads nowhere
                await unlock_these(self._session, [environment])
        future = self._session.services.inventory.test(
            environment, lambda step: _post(loop, lambda: self._heard(number, step))
        )
        check = await self._session.bridge.wait(future)
        if number == self._number:
            self._task = None
            self._rest()
            self.ended.emit(check)

    def _heard(self, number: int, step: CheckStep) -> None:
        if number != self._number:
            return
        self.lines[step.part].show_condition(_CONDITIONS[step.outcome], *_words(step))
        if step.offered is not None:
            self.offered.emit(step.offered, step.outcome is CheckOutcome.OK)
        following = next((line for line in self.lines.values() if line.condition is Condition.PENDING), None)
        if step.outcome is CheckOutcome.OK and following is not None:
            following.show_condition(Condition.CHECKING)


def _words(step: CheckStep) -> tuple[str, str]:
    """What was found, and what to do; of a host key that is shown whole beside it only how it stands."""
    failure = step.failure
    if step.offered is not None:
        unknown = failure is not None and failure.code == "E-HOSTKEY-UNKNOWN"
        how = "is pinned" if failure is None else "is offered, none is pinned" if unknown else "is not the pinned one"
        return f"{step.offered.algorithm} {how}", ""
    if failure is not None:
        return step.text[:1].upper() + step.text[1:], failure.remedy
    names = step.part in {CheckPart.ADDRESS, CheckPart.FACTS}
    return step.text if names else step.text[:1].upper() + step.text[1:], ""


def _post(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have the UI do something; nobody listens once its loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
