"""The page that compares a machine's host key with the pinned one, and pins it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_form.host_key import HostKeyPanel
from kdeploy_gui.ui.environment_form.live_test import LiveTest
from kdeploy_gui.ui.environment_form.parts import Column, Footer
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, Hairline, Kind, PlainLabel

PANEL = 400


class TrustPage(QWidget):
    """Tests the way to one environment of the lab file and shows its host key."""

    done = Signal()
    """The user wants it no more."""

    def __init__(self, session: Session, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._name = name
        self._environment: Environment | None = None
        look = session.look
        self.key = HostKeyPanel(session)
        self.test = LiveTest(session)
        self.close_button = Button("Close", look, Kind.SECONDARY)
        self.footer = Footer(look, [self.close_button])
        self.address = PlainLabel("", look, Text.CELL, "t2", selectable=True)
        self._lay_out()
        self.key.accepted.connect(self._accepted)
        self.test.asked.connect(self._start)
        self.test.started.connect(self.key.hide)
        self.test.offered.connect(self._offered)
        self.close_button.clicked.connect(self._close)
        self._start()

    def focus_first(self) -> None:
        """Put the focus where work begins, away from the button that pins."""
        self.close_button.setFocus()

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self.key.button, self.test.button, self.close_button)

    def _lay_out(self) -> None:
        look = self._session.look
        left = Column(look, "Host key")
        left.parts.addWidget(PlainLabel(f"Host key of {visible(self._name)}", look, Text.TITLE))
        left.parts.addWidget(self.address)
        left.parts.addWidget(Hairline(look))
        left.parts.addWidget(self.key)
        left.parts.addStretch()
        self.key.setMaximumWidth(look.px(640))
        right = Column(look, "Live test")
        right.setMaximumWidth(look.px(PANEL))
        right.parts.addWidget(self.test)
        right.parts.addStretch()
        halves = QHBoxLayout()
        halves.setSpacing(0)
        halves.addWidget(left, 3)
        halves.addWidget(Hairline(look, vertical=True))
        halves.addWidget(right, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(halves, 1)
        column.addWidget(self.footer)

    def _start(self) -> None:
        self._session.bridge.spawn(self._look(), name=f"compare the keys of {self._name}")

    async def _look(self) -> None:
        inventory, name = self._session.services.inventory, self._name
        self._environment = await self._session.bridge.ask(lambda: inventory.get(name))
        self.address.setText(self._environment.address)
        self.test.run(self._environment)

    def _offered(self, key: HostKey, pinned: bool) -> None:
        if self._environment is not None:
            self.key.show_key(key, self._environment.host_keys, pinned)

    def _accepted(self, fingerprint: str) -> None:
        self._session.bridge.spawn(self._trust(fingerprint), name=f"pin the key of {self._name}")

    async def _trust(self, fingerprint: str) -> None:
        inventory, name = self._session.services.inventory, self._name
        self.key.button.setEnabled(False)
        try:
            await self._session.bridge.ask(lambda: inventory.trust(name, fingerprint))
        finally:
            self.key.button.setEnabled(True)
        self._session.machines.reload()
        self._session.machines.check([name])
        self._start()

    def _close(self) -> None:
        self.test.cancel()
        self.done.emit()
