"""The form in sections: those everybody fills in, and those that are folded until something is set in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Become, Environment, Kind, Power
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_form.fields import HINTS, POWER, Fields
from kdeploy_gui.ui.environment_form.parts import may_be_narrow
from kdeploy_gui.ui.environment_form.rows import Row
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, Hairline, PlainLabel
from kdeploy_gui.ui.widgets import Kind as Weight
from kdeploy_gui.ui.wizard.validation import span_of

FIELDS = 640
SECTIONS: Mapping[str, Sequence[str]] = {
    "Machine": ("name", "kind", "group", "tags"),
    "Guest of libvirt": ("uri", "domain", "snapshot"),
    "Connection": ("host", "port", "user", "identity_file", "host_key"),
}
GUEST = "Guest of libvirt"
FOLDED: Mapping[str, Sequence[str]] = {
    "Login": ("credential", "jump", "become", "become_credential", "legacy"),
    "Power and boot": (*POWER, "autostart", "boot_timeout", "kernel"),
    "Serial console": ("console", "console.tcp", "console.protocol", "console.command"),
    "Readiness": ("monitor",),
}
"""Sections of what is rarely set."""


class Section(QWidget):
    """A heading that folds rarely used rows; folded it says what is set in them."""

    def __init__(self, look: Look, title: str, rows: Mapping[str, Row]) -> None:
        super().__init__()
        self.title = title
        self.rows = rows
        self.is_open = False
        self.button = Button(title, look, Weight.LINK, icon="chevron-right")
        self.button.clicked.connect(lambda: self.open(not self.is_open))
        self.summary = PlainLabel("", look, Text.CELL, "t3", wrap=True)
        may_be_narrow(self.summary)
        self._applies: Callable[[str], bool] = lambda key: True
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(look.px(12))
        line.addWidget(self.button)
        line.addWidget(self.summary, 1)
        line.addStretch()
        self.open(False)

    def open(self, is_open: bool) -> None:
        """Show the rows, or hide them."""
        self.is_open = is_open
        self.button.set_icon("chevron-down" if is_open else "chevron-right")
        self.summary.setHidden(is_open)
        self._name()
        self._show()

    def say(self, set_values: Sequence[str], applies: Callable[[str], bool]) -> None:
        """What is set in it, and which rows mean something now."""
        self.summary.setText(", ".join(set_values) or "Nothing set")
        self._applies = applies
        self._name()
        self._show()

    def _name(self) -> None:
        self.button.setAccessibleName(
            f"{self.title}, open" if self.is_open else f"{self.title}, folded: {self.summary.text()}"
        )

    def _show(self) -> None:
        for key, row in self.rows.items():
            row.setVisible(self.is_open and self._applies(key))


class Sections:
    """All sections of one form."""

    def __init__(self, look: Look, fields: Fields) -> None:
        self._look = look
        self._fields = fields
        self.guest = QWidget()
        self.folded = {
            title: Section(look, title, {key: fields.rows[key] for key in keys}) for title, keys in FOLDED.items()
        }

    def lay_out(self, column: QVBoxLayout) -> None:
        """Put everything below each other."""
        rows = self._fields.rows
        within = QVBoxLayout(self.guest)
        within.setContentsMargins(0, 0, 0, 0)
        within.setSpacing(column.spacing())
        for heading, keys in SECTIONS.items():
            into = within if heading == GUEST else column
            into.addWidget(Hairline(self._look))
            into.addWidget(PlainLabel(heading, self._look, Text.HEADING))
            for key in keys:
                into.addWidget(rows[key])
            if heading == GUEST:
                column.addWidget(self.guest)
        for section in self.folded.values():
            column.addWidget(Hairline(self._look))
            column.addWidget(section)
            for row in section.rows.values():
                column.addWidget(row)
        for each in (*rows.values(), *self.folded.values()):
            each.setMaximumWidth(self._look.px(FIELDS))

    def open_set(self, environment: Environment) -> None:
        """Open those in which something is set, fold the others."""
        for title, section in self.folded.items():
            section.open(bool(set_values(title, environment)))

    def open_with(self, keys: Iterable[str]) -> None:
        """Open those that have one of these fields."""
        wanted = set(keys)
        for section in self.folded.values():
            if wanted & section.rows.keys():
                section.open(True)

    def arrange(self, environment: Environment) -> None:
        """Show what means something for a machine of this kind, and what is set where it is folded."""
        fields, is_guest = self._fields, environment.is_guest
        self.guest.setVisible(environment.kind is Kind.QEMU or bool(environment.uri or environment.domain))
        fields.console.setItemText(0, "That of its domain" if is_guest else "None")
        fields.text("host").setPlaceholderText("libvirt tells it" if is_guest else HINTS["host"])
        way = fields.console.currentData()

        def applies(key: str) -> bool:
            if key in POWER:
                return not is_guest or environment.power != Power()
            if key == "kernel":
                return bool(environment.kernels)
            _, _, part = key.partition("console.")
            return not part or part == way or (part == "protocol" and way == "tcp")

        for title, section in self.folded.items():
            section.say(set_values(title, environment), applies)


def set_values(title: str, environment: Environment) -> tuple[str, ...]:
    """What is set in a folded section, in few words."""
    said: Mapping[str, Sequence[str]] = {
        "Login": (
            environment.credential and f"credential {environment.credential}",
            environment.jump and f"by {environment.jump}",
            "root by sudo" if environment.become is not Become.NONE else "",
            environment.become_credential and f"sudo password {environment.become_credential}",
            "old algorithms" if environment.legacy else "",
        ),
        "Power and boot": (
            "power commands" if environment.power != Power() else "",
            "switched on by runs" if environment.autostart else "",
            f"boots within {span_of(environment.boot_timeout)}" if environment.boot_timeout > 0 else "",
            *(f"kernel {each.name}" for each in environment.kernels),
        ),
        "Serial console": (environment.console.words,),
        "Readiness": (f"looked at every {span_of(environment.monitor)}" if environment.monitor > 0 else "",),
    }
    return tuple(visible(each) for each in said[title] if each)
