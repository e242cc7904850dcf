"""The fields of the environment form: what an environment says, as widgets, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Become, Environment, Kind, Power, PowerAction
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui import widgets
from kdeploy_gui.ui.environment_form.parts import LARGE, ProblemLine, clear, in_lines
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, IconButton, PlainLabel
from kdeploy_gui.ui.wizard.validation import seconds_of, span_of

LABELS = 112
NARROW = 96
WIDTH = 25
POWER = ("power.on", "power.off", "power.reset")
CONNECTION = frozenset({"host", "port", "user", "identity_file", "credential", "jump", "host_key"})
"""Fields that decide whether a machine can be reached: a change of one makes an old test worthless."""
STARTS = ((False, "By hand"), (True, "By a run that needs it"))
POWER_HINT = "Commands on this workstation, run without a shell. Without one for reset: off, then on."
BOOT_HINT = "So long a run waits for it to boot. Empty: 3 minutes once it was switched on, else not at all."
KINDS = ((Kind.BOARD, "Board over SSH"), (Kind.QEMU, "QEMU guest"))
SUDO = "Where sudo asks for a password, `become_credential` in the lab file names its entry in the keyring."


class Row(QWidget):
    """A label, the field, and below it what is wrong with it."""

    def __init__(
        self,
        look: Look,
        label: str,
        field: QWidget,
        beside: Sequence[QWidget] = (),
        hint: str = "",
        narrow: bool = False,
    ) -> None:
        super().__init__()
        self.field = field
        self.label = label
        self.problem = ProblemLine(look)
        name = PlainLabel(label, look, Text.BODY, "t2")
        name.setFixedWidth(look.px(LABELS))
        name.setBuddy(field)
        if not field.accessibleName():
            field.setAccessibleName(label)
        line = QHBoxLayout()
        line.setSpacing(look.px(8))
        line.addWidget(field, 0 if narrow else 1)
        for each in beside:
            line.addWidget(each)
        if narrow:
            field.setFixedWidth(look.px(NARROW))
            line.addStretch()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(look.px(4))
        grid.addWidget(name, 0, 0)
        grid.addLayout(line, 0, 1)
        if hint:
            grid.addWidget(PlainLabel(hint, look, Text.CELL, "t3", wrap=True), 1, 1)
        grid.addWidget(self.problem, 2, 1)


class Pins(QWidget):
    """The pinned fingerprints, each with a button that removes it."""

    changed = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.keys: tuple[str, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(look.px(4))
        self.set_keys(())

    def set_keys(self, keys: Iterable[str]) -> None:
        """Show these fingerprints."""
        self.keys = tuple(dict.fromkeys(keys))
        clear(self._column)
        for key in self.keys:
            self._column.addWidget(self._row(key))
        if not self.keys:
            text = "None yet. Test the connection, compare the offered key, pin it."
            self._column.addWidget(PlainLabel(text, self._look, Text.CELL, "t3", wrap=True))

    def _row(self, key: str) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        shape = in_lines(key, WIDTH if self._look.text_size > LARGE else len(key) or 1)
        shown = PlainLabel(shape, self._look, Text.LOG, selectable=True)
        line.addWidget(shown, 1)
        remove = IconButton("close", f"Remove the pin {visible(key)}", self._look)
        remove.clicked.connect(lambda: self._remove(key))
        line.addWidget(remove)
        return row

    def _remove(self, key: str) -> None:
        self.set_keys(each for each in self.keys if each != key)
        self.changed.emit()


class Fields(QObject):
    """All fields of one environment. `edited` tells the key of the field that the user changed."""

    edited = Signal(str)

    def __init__(self, look: Look, others: Sequence[Environment]) -> None:
        super().__init__()
        self._base = Environment(name="", host="")
        self.kind = _choice(KINDS)
        self.group = _open_choice(sorted({each.group for each in others if each.group}))
        self.jump = _choice([("", "None"), *((each.name, each.name) for each in others)])
        self.become = _choice([(Become.NONE, "None"), (Become.SUDO, "root by sudo")])
        self.become.setToolTip(SUDO)
        self.pins = Pins(look)
        self.browse = Button("Browse...", look, widgets.Kind.SECONDARY, icon="folder-open-outline")
        self._texts = _lines()
        self.autostart = _choice(STARTS)
        self.rows = self._made_rows(look)
        self._connect()

    def _made_rows(self, look: Look) -> Mapping[str, Row]:
        tags_hint = "Words with spaces between; tag:WORD selects by them."
        return {
            "name": Row(look, "Name", self._texts["name"]),
            "kind": Row(look, "Kind", self.kind),
            "group": Row(look, "Group", self.group),
            "tags": Row(look, "Tags", self._texts["tags"], hint=tags_hint),
            "host": Row(look, "Address", self._texts["host"]),
            "port": Row(look, "Port", self._texts["port"], narrow=True),
            "user": Row(look, "User", self._texts["user"]),
            "identity_file": Row(look, "Key file", self._texts["identity_file"], [self.browse]),
            "host_key": Row(look, "Pinned keys", self.pins),
            "credential": Row(
                look, "Credential", self._texts["credential"], hint="Password, or passphrase of the key."
            ),
            "jump": Row(look, "Jump host", self.jump),
            "become": Row(look, "Become", self.become, hint=SUDO),
            "power.on": Row(look, "Power on", self._texts["power.on"]),
            "power.off": Row(look, "Power off", self._texts["power.off"]),
            "power.reset": Row(look, "Power reset", self._texts["power.reset"], hint=POWER_HINT),
            "autostart": Row(look, "Switched on", self.autostart),
            "boot_timeout": Row(look, "Boot time", self._texts["boot_timeout"], hint=BOOT_HINT),
        }

    def text(self, key: str) -> QLineEdit:
        """The line of a key."""
        return self._texts[key]

    def show(self, environment: Environment) -> None:
        """Fill the fields; nothing counts as edited."""
        self._base = environment
        self.blockSignals(True)
        for key in ("name", "host", "user", "identity_file", "credential"):
            self._texts[key].setText(getattr(environment, key))
        self._texts["tags"].setText(" ".join(environment.tags))
        self._texts["port"].setText(str(environment.port))
        _choose(self.kind, environment.kind)
        _choose(self.jump, environment.jump)
        _choose(self.become, environment.become)
        for key in POWER:
            self._texts[key].setText(environment.power.command(PowerAction(key.removeprefix("power."))))
        self._texts["boot_timeout"].setText(span_of(environment.boot_timeout) if environment.boot_timeout else "")
        self.autostart.setCurrentIndex(int(environment.autostart))
        self.group.setEditText(environment.group)
        self.pins.set_keys(environment.host_keys)
        self.blockSignals(False)

    def environment(self) -> Environment:
        """What the fields say; what has no field stays as it was."""
        port = self._texts["port"].text().strip()
        return replace(
            self._base,
            name=self._texts["name"].text().strip(),
            kind=Kind(self.kind.currentData()),
            group=self.group.currentText().strip(),
            tags=tuple(self._texts["tags"].text().split()),
            host=self._texts["host"].text().strip(),
            port=int(port) if port.isascii() and port.isdecimal() and len(port) < 9 else 0,
            user=self._texts["user"].text().strip(),
            identity_file=self._texts["identity_file"].text().strip(),
            credential=self._texts["credential"].text().strip(),
            jump=self.jump.currentData() or "",
            become=Become(self.become.currentData()),
            host_keys=self.pins.keys,
            power=Power(*(self._texts[key].text().strip() for key in POWER)),
            autostart=bool(self.autostart.currentIndex()),
            boot_timeout=self._boot_timeout(),
        )

    def _boot_timeout(self) -> float:
        """Seconds; a number that no lab file may hold where the text is no duration."""
        text = self._texts["boot_timeout"].text().strip()
        try:
            return seconds_of(text) if text else 0.0
        except ValueError:
            return -1.0

    def pin(self, fingerprint: str) -> None:
        """Trust this key and no other: the machine has none of those before."""
        self.pins.set_keys([fingerprint])
        self.edited.emit("host_key")

    def _connect(self) -> None:
        for key, line in self._texts.items():
            line.textChanged.connect(lambda _, key=key: self.edited.emit(key))
        self.kind.currentIndexChanged.connect(lambda _: self.edited.emit("kind"))
        self.group.currentTextChanged.connect(lambda _: self.edited.emit("group"))
        self.jump.currentIndexChanged.connect(lambda _: self.edited.emit("jump"))
        self.become.currentIndexChanged.connect(lambda _: self.edited.emit("become"))
        self.autostart.currentIndexChanged.connect(lambda _: self.edited.emit("autostart"))
        self.pins.changed.connect(lambda: self.edited.emit("host_key"))


def _lines() -> dict[str, QLineEdit]:
    """Empty lines that say what goes into them."""
    keys = ("name", "tags", "host", "port", "user", "identity_file", "credential", *POWER, "boot_timeout")
    lines = {key: QLineEdit() for key in keys}
    shown = {
        "name": "such as rpi5-net",
        "host": "host name or address",
        "identity_file": "agent and default keys",
        "credential": "entry in the keyring",
        **{key: f"such as pdu 3 {key.removeprefix('power.')}" for key in POWER},
        "boot_timeout": "such as 90s or 5m",
    }
    for key, text in shown.items():
        lines[key].setPlaceholderText(text)
    return lines


def _choice(options: Iterable[tuple[object, str]]) -> QComboBox:
    box = QComboBox()
    for value, text in options:
        box.addItem(visible(text), value)
    return box


def _open_choice(options: Iterable[str]) -> QComboBox:
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems(["", *options])
    line = box.lineEdit()
    if line is not None:
        line.setPlaceholderText("such as rack-1/left")
        line.setAccessibleName("Group")
    return box


def _choose(box: QComboBox, value: str) -> None:
    at = box.findData(value)
    if at < 0:
        box.addItem(visible(value), value)
        at = box.count() - 1
    box.setCurrentIndex(at)
