"""A machine's host key: what it offers, what is pinned, where to read the real one, and the deliberate step to pin."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.host_key import HostKey, randomart
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.environment_form.parts import LARGE, CommandBlock, clear, in_lines
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.widgets import Button, Ground, Kind, PlainLabel, StateLabel

WIDTH = 25
"""Characters of a line of a fingerprint where text is large."""
NEW = "No key is pinned yet, so nothing is sent. Compare the offered key with the machine's own, on its console."
CHANGED = (
    "Nothing was sent. A new key is normal after a reflash and a warning sign at any other time. Read the key on the"
    " serial console and compare it before you replace the pin."
)


class KeyPicture(QWidget):
    """One key: a label and its picture."""

    def __init__(self, look: Look, label: str, picture: str) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, look.px(8), 0, 0)
        column.setSpacing(look.px(4))
        column.addWidget(PlainLabel(label, look, Text.HEADER, "t2"))
        art = PlainLabel(picture, look, Text.LOG, "t2")
        art.setAccessibleName(f"{label}: picture of the key")
        column.addWidget(art)


class Fingerprints(QWidget):
    """Fingerprints one under the other, so that each letter stands below the one it is compared with."""

    def __init__(self, look: Look, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(look.px(16))
        grid.setVerticalSpacing(look.px(4))
        grid.setColumnStretch(1, 1)
        for row, (label, fingerprint) in enumerate(keys):
            text = in_lines(fingerprint, WIDTH) if look.text_size > LARGE else fingerprint
            shown = PlainLabel(text, look, Text.LOG, selectable=True)
            shown.setAccessibleName(f"{label}: {fingerprint}")
            grid.addWidget(PlainLabel(label, look, Text.HEADER, "t2"), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(shown, row, 1)


class HostKeyPanel(QWidget):
    """What a machine offers beside what is pinned. Hidden until a key was offered."""

    accepted = Signal(str)
    """The fingerprint that the user pins."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        look = session.look
        self.offered: HostKey | None = None
        self._pins: tuple[str, ...] = ()
        self.state = StateLabel(look, Text.HEADING)
        self.explanation = PlainLabel("", look, Text.CELL, "t2", wrap=True)
        self.keys = Ground(look)
        self._read = PlainLabel("Read there with", look, Text.CELL, "t3")
        self.command = CommandBlock(look)
        self.button = Button("Pin this key", look, Kind.SECONDARY, icon="key-plus")
        self.button.clicked.connect(self._pressed)
        self._keys = QVBoxLayout(self.keys)
        self._keys.setContentsMargins(look.px(12), look.px(12), look.px(12), look.px(12))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(look.px(8))
        for each in (self.state, self.explanation, self.keys, self._read, self.command):
            column.addWidget(each)
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addStretch()
        column.addLayout(row)
        self.hide()

    def show_key(self, offered: HostKey, pins: Sequence[str], pinned: bool) -> None:
        """Compare an offered key with these pins; `pinned`: it is one of them."""
        self.offered, self._pins = offered, tuple(pins)
        changed = bool(pins) and not pinned
        if pinned:
            self.state.show_condition(Condition.OK, "Host key is pinned", icon="check-circle")
        elif changed:
            self.state.show_condition(Condition.NOT_TRUSTED, "Host key is not the pinned one")
        else:
            self.state.show_condition(Condition.NOT_TRUSTED, "No host key is pinned")
        self.explanation.setText(CHANGED if changed else NEW)
        self._show_keys(offered, self._pins if changed else ())
        self.keys.token = "failbg" if changed else "raised"
        self.command.show_command(f"ssh-keygen -lvf {offered.file}")
        self.button.setText("Replace the pin..." if changed else "Pin this key")
        self.button.setAccessibleName(self.button.text())
        for each in (self.explanation, self._read, self.command, self.button):
            each.setVisible(not pinned)
        self.show()

    def _show_keys(self, offered: HostKey, pins: Sequence[str]) -> None:
        look = self._session.look
        clear(self._keys)
        now = f"Offered now, {offered.algorithm}"
        self._keys.addWidget(Fingerprints(look, [*(("Pinned", pin) for pin in pins), (now, offered.fingerprint)]))
        pictures = [KeyPicture(look, "Pinned", _picture(pin)) for pin in pins]
        pictures.append(KeyPicture(look, now, offered.randomart))
        beside = 1 if look.text_size > LARGE else 2
        for at in range(0, len(pictures), beside):
            pair = QWidget()
            row = QHBoxLayout(pair)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(look.px(16))
            for each in pictures[at : at + beside]:
                row.addWidget(each, 0, Qt.AlignmentFlag.AlignTop)
            row.addStretch()
            self._keys.addWidget(pair)

    def _pressed(self) -> None:
        if self.offered is not None and self._pins:
            self._session.bridge.spawn(self._replace(self.offered, self._pins), name="replace a pin")
        elif self.offered is not None:
            self.accepted.emit(self.offered.fingerprint)

    async def _replace(self, offered: HostKey, pins: Sequence[str]) -> None:
        question = Question(
            title="Replace the pinned host key",
            text="From then on the machine with the new key is trusted with logins and files, and the one with the old"
            " key no longer. Replace it only if the machine's own console shows this fingerprint.",
            accept="Replace the pin",
            details=[*(f"pinned {pin}" for pin in pins), f"new {offered.fingerprint} ({offered.algorithm})"],
            danger=True,
        )
        if await self._session.asking.confirm(question):
            self.accepted.emit(offered.fingerprint)


def _picture(pin: str) -> str:
    try:
        return randomart(pin)
    except ValueError:
        return ""
