"""How several machines that are added at once are logged in at, and where they go in the tree."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.environment_form.fields import BELOW, HINTS, KEYS, field_of, number_of
from kdeploy_gui.ui.environment_form.parts import Column
from kdeploy_gui.ui.environment_form.rows import Row, line, open_choice
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, Kind, PlainLabel

PANEL = 400
ABOUT = "The same for all that are chosen. libvirt tells the address of each guest; host keys are pinned afterwards."


class Login(Column):
    """User, key file, port, group and tags."""

    edited = Signal()

    def __init__(self, session: Session) -> None:
        look = session.look
        super().__init__(look, "Login")
        self._session = session
        self._texts = {key: line(HINTS.get(key, "")) for key in ("user", "identity_file", "port", "tags")}
        groups = sorted({each.group for each in session.machines.environments if each.group})
        self.group = open_choice("Group", groups, "such as rack-1/left")
        self.browse = Button("Browse...", look, Kind.SECONDARY, icon="folder-open-outline")
        self.rows = {
            "user": Row(look, "User", self._texts["user"]),
            "identity_file": Row(look, "Key file", self._texts["identity_file"], [self.browse]),
            "port": Row(look, "Port", self._texts["port"], narrow=True),
            "group": Row(look, "Group", self.group),
            "tags": Row(look, "Tags", self._texts["tags"], hint=BELOW["tags"]),
        }
        usual = Environment(name="", host="")
        self._texts["user"].setText(usual.user)
        self._texts["port"].setText(str(usual.port))
        self.setMaximumWidth(look.px(PANEL))
        self.parts.addWidget(PlainLabel("Login", look, Text.HEADING))
        self.parts.addWidget(PlainLabel(ABOUT, look, Text.CELL, "t3", wrap=True))
        for row in self.rows.values():
            self.parts.addWidget(row)
        self.parts.addStretch()
        for key, field in self._texts.items():
            field.textChanged.connect(lambda _, key=key: self._edited(key))
        self.group.currentTextChanged.connect(lambda _: self._edited("group"))
        self.browse.clicked.connect(lambda: session.bridge.spawn(self._browse(), name="choose a key file"))

    def text(self, key: str) -> QLineEdit:
        """The line of a key."""
        return self._texts[key]

    def environment(self) -> Environment:
        """What the fields say, for a machine without a name."""
        said = {key: field.text().strip() for key, field in self._texts.items()}
        return Environment(
            name="",
            host="",
            user=said["user"],
            identity_file=said["identity_file"],
            port=number_of(said["port"]),
            group=self.group.currentText().strip(),
            tags=tuple(said["tags"].split()),
        )

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show mistakes at their fields, each once however many machines have it."""
        for key, row in self.rows.items():
            said = [each.message.removeprefix(f"{key} ") for each in problems if field_of(each, self.rows) == key]
            row.problem.say([f"{row.label} {each}" for each in dict.fromkeys(said)])

    def _edited(self, key: str) -> None:
        self.rows[key].problem.say(())
        self.edited.emit()

    async def _browse(self) -> None:
        path = await self._session.asking.open_file("Private key", folder=KEYS)
        if path is not None:
            self._texts["identity_file"].setText(str(path))
