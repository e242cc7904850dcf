"""The fields of the environment form: what an environment says, as widgets, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from kdeploy_gui.defaults import MONITOR_INTERVAL
from kdeploy_gui.model.environment import (
    OWN_HYPERVISOR,
    Become,
    Console,
    ConsoleProtocol,
    Environment,
    Kind,
    Power,
    PowerAction,
)
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui import widgets
from kdeploy_gui.ui.environment_form.rows import Pins, Row, choice, choose, line, open_choice
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, PlainLabel
from kdeploy_gui.ui.wizard.validation import seconds_of, span_of

KEYS = Path("~/.ssh").expanduser()
"""Where key files are looked for first."""
POWER = ("power.on", "power.off", "power.reset")
CONNECTION = frozenset(
    {"host", "port", "user", "identity_file", "credential", "jump", "host_key", "uri", "domain", "legacy"}
)
"""Fields that decide whether a machine can be reached: a change of one makes an old test worthless."""
DURATIONS = ("boot_timeout", "monitor")
HYPERVISORS = ("qemu:///system", OWN_HYPERVISOR)
KINDS = ((Kind.BOARD, "Board over SSH"), (Kind.QEMU, "QEMU guest"))
STARTS = ((False, "By hand"), (True, "By a run that needs it"))
SNAPSHOTS = (("auto", "Before a run changes it"), ("never", "Never"))
ALGORITHMS = ((False, "Safe ones only"), (True, "Old ones, too"))
WAYS = (("", "None"), ("tcp", "TCP port of a serial server"), ("command", "Command"))
PROTOCOLS = ((ConsoleProtocol.RAW, "Raw"), (ConsoleProtocol.RFC2217, "RFC 2217"))
HINTS: Mapping[str, str] = {
    "name": "such as rpi5-net",
    "host": "host name or address",
    "identity_file": "agent and default keys",
    "credential": "entry in the keyring",
    "become_credential": "entry in the keyring",
    "domain": "its name there, such as kd-debug",
    **{key: f"such as pdu 3 {key.removeprefix('power.')}" for key in POWER},
    "boot_timeout": "such as 90s or 5m",
    "monitor": "such as 30s or 5m",
    "console.tcp": "such as ser2net.lab:4001",
    "console.command": "such as picocom -q -b 115200 /dev/ttyUSB0",
}
"""What stands in empty lines."""
BELOW: Mapping[str, str] = {
    "tags": "Words with spaces between; tag:WORD selects by them.",
    "uri": f"Empty: {OWN_HYPERVISOR}, of this user alone.",
    "domain": "libvirt starts, resets and keeps it, and tells its address where none is given.",
    "snapshot": "Of its disks and memory, where they are qcow2; a failed run goes back to it.",
    "credential": "Password, or passphrase of the key.",
    "become_credential": "Password of sudo, where it asks for one.",
    "power.reset": "Commands on this workstation, run without a shell. Without one for reset: off, then on.",
    "boot_timeout": "So long a run waits for it to boot. Empty: 3 minutes once it was switched on, else not at all.",
    "kernel": "What it can be booted with, as the lab file says.",
    "console.command": "A program on this workstation: its terminal is the console.",
    "monitor": f"So often it is looked at while it is READY. Empty: every {MONITOR_INTERVAL:.0f} s.",
}
"""What is said below fields."""
_PLAIN = ("name", "host", "user", "identity_file", "credential", "become_credential", "domain")
_OWN_FIELD = re.compile(r"environment\[\d+\]\.([\w.]+)")


class Fields(QObject):
    """All fields of one environment. `edited` tells the key of the field that the user changed."""

    edited = Signal(str)

    def __init__(self, look: Look, others: Sequence[Environment]) -> None:
        super().__init__()
        self._base = Environment(name="", host="")
        self.kind = choice(KINDS)
        self.group = open_choice("Group", sorted({each.group for each in others if each.group}), "such as rack-1/left")
        uris = hypervisors(others)
        self.uri = open_choice("Hypervisor", uris, "such as qemu+ssh://lab@host/system", completes=False)
        self.snapshot = choice(SNAPSHOTS)
        self.jump = choice([("", "None"), *((each.name, each.name) for each in others)])
        self.become = choice([(Become.NONE, "None"), (Become.SUDO, "root by sudo")])
        self.become.setToolTip("Everything on the machine then runs as root by sudo")
        self.legacy = choice(ALGORITHMS)
        self.pins = Pins(look)
        self.browse = Button("Browse...", look, widgets.Kind.SECONDARY, icon="folder-open-outline")
        self.autostart = choice(STARTS)
        self.console = choice(WAYS)
        self.protocol = choice(PROTOCOLS)
        self.kernels = PlainLabel("", look, Text.BODY, "t2", selectable=True, wrap=True)
        self._texts: dict[str, QLineEdit] = {}
        self.rows = self._made_rows(look)
        self._connect()

    def _made_rows(self, look: Look) -> Mapping[str, Row]:
        def row(key: str, label: str, field: QWidget | None = None, **more: Any) -> tuple[str, Row]:
            if field is None:
                field = self._texts[key] = line(HINTS.get(key, ""))
            return key, Row(look, label, field, hint=BELOW.get(key, ""), **more)

        return dict(
            (
                row("name", "Name"),
                row("kind", "Kind", self.kind),
                row("group", "Group", self.group),
                row("tags", "Tags"),
                row("uri", "Hypervisor", self.uri),
                row("domain", "Domain"),
                row("snapshot", "Snapshot", self.snapshot),
                row("host", "Address"),
                row("port", "Port", narrow=True),
                row("user", "User"),
                row("identity_file", "Key file", beside=[self.browse]),
                row("host_key", "Pinned keys", self.pins),
                row("credential", "Credential"),
                row("jump", "Jump host", self.jump),
                row("become", "Become", self.become),
                row("become_credential", "Sudo password"),
                row("legacy", "Algorithms", self.legacy),
                *(row(f"power.{each.value}", f"Power {each.value}") for each in PowerAction),
                row("autostart", "Switched on", self.autostart),
                row("boot_timeout", "Boot time"),
                row("kernel", "Kernels", self.kernels),
                row("console", "Way to it", self.console),
                row("console.tcp", "Host and port"),
                row("console.protocol", "Protocol", self.protocol),
                row("console.command", "Command"),
                row("monitor", "Looked at"),
            )
        )

    def text(self, key: str) -> QLineEdit:
        """The line of a key."""
        return self._texts[key]

    def show(self, environment: Environment) -> None:
        """Fill the fields; nothing counts as edited."""
        self._base = environment
        self.blockSignals(True)
        for key in _PLAIN:
            self._texts[key].setText(getattr(environment, key))
        self._texts["tags"].setText(" ".join(environment.tags))
        self._texts["port"].setText(str(environment.port))
        choose(self.kind, environment.kind)
        choose(self.jump, environment.jump)
        choose(self.become, environment.become)
        choose(self.snapshot, environment.snapshot)
        self.legacy.setCurrentIndex(int(environment.legacy))
        for key in POWER:
            self._texts[key].setText(environment.power.command(PowerAction(key.removeprefix("power."))))
        for key in DURATIONS:
            seconds = getattr(environment, key)
            self._texts[key].setText(span_of(seconds) if seconds else "")
        self.autostart.setCurrentIndex(int(environment.autostart))
        self._show_console(environment.console)
        self.group.setEditText(environment.group)
        self.uri.setEditText(environment.uri)
        self.pins.set_keys(environment.host_keys)
        self.kernels.setText(", ".join(each.name for each in environment.kernels))
        self.blockSignals(False)

    def _show_console(self, console: Console) -> None:
        choose(self.console, "command" if console.command else "tcp" if console.tcp else "")
        self._texts["console.tcp"].setText(console.tcp)
        choose(self.protocol, console.protocol)
        self._texts["console.command"].setText(console.command)

    def environment(self) -> Environment:
        """What the fields say; what has no field stays as it was."""
        return replace(
            self._base,
            name=self._said("name"),
            host=self._said("host"),
            user=self._said("user"),
            identity_file=self._said("identity_file"),
            credential=self._said("credential"),
            become_credential=self._said("become_credential"),
            domain=self._said("domain"),
            kind=Kind(self.kind.currentData()),
            group=self.group.currentText().strip(),
            tags=tuple(self._said("tags").split()),
            port=number_of(self._said("port")),
            jump=self.jump.currentData() or "",
            become=Become(self.become.currentData()),
            legacy=bool(self.legacy.currentIndex()),
            host_keys=self.pins.keys,
            uri=self.uri.currentText().strip(),
            snapshot=str(self.snapshot.currentData()),
            power=Power(*map(self._said, POWER)),
            console=self._said_console(),
            autostart=bool(self.autostart.currentIndex()),
            boot_timeout=self._seconds("boot_timeout"),
            monitor=self._seconds("monitor"),
        )

    def gaps(self) -> tuple[Problem, ...]:
        """What was begun and not filled in, which the lab file would not know of."""
        key = f"console.{self.console.currentData()}"
        return (Problem("is missing", key),) if key in self._texts and not self._said(key) else ()

    def _said(self, key: str) -> str:
        return self._texts[key].text().strip()

    def _said_console(self) -> Console:
        way, port = self.console.currentData(), self._said("console.tcp")
        if way == "tcp" and port:
            return Console(tcp=port, protocol=ConsoleProtocol(self.protocol.currentData()))
        return Console(command=self._said("console.command") if way == "command" else "")

    def _seconds(self, key: str) -> float:
        """A number that no lab file may hold where the text is no duration."""
        text = self._said(key)
        try:
            return seconds_of(text) if text else 0.0
        except ValueError:
            return -1.0

    def pin(self, fingerprint: str) -> None:
        """Trust this key and no other: the machine has none of those before."""
        self.pins.set_keys([fingerprint])
        self.edited.emit("host_key")

    def _connect(self) -> None:
        for key, field in self._texts.items():
            field.textChanged.connect(lambda _, key=key: self.edited.emit(key))
        for key, row in self.rows.items():
            box = row.field
            if isinstance(box, QComboBox) and box.isEditable():
                box.currentTextChanged.connect(lambda _, key=key: self.edited.emit(key))
            elif isinstance(box, QComboBox):
                box.currentIndexChanged.connect(lambda _, key=key: self.edited.emit(key))
        self.pins.changed.connect(lambda: self.edited.emit("host_key"))


def hypervisors(lab: Iterable[Environment]) -> tuple[str, ...]:
    """URIs that one may mean: those of the lab, then those of this workstation."""
    return tuple(dict.fromkeys((*sorted({each.uri for each in lab if each.uri}), *HYPERVISORS)))


def number_of(text: str) -> int:
    """A port as it was typed; 0, which none is, where that is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def field_of(problem: Problem, rows: Mapping[str, Row]) -> str:
    """The field a mistake is about; empty where it is about none of the form."""
    found = _OWN_FIELD.match(problem.field)
    key = found.group(1) if found else problem.field
    return key if key in rows else ""
