"""Packages of a machine that exists in memory only: what is there, what its package sources offer, what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from posixpath import basename

from kdeploy_gui.model.packages import PIP, Found, Installed, Kind, Meaning, Offers, Order, Presence, Wanted, number_of
from kdeploy_gui.model.version import Version, VersionRange


@dataclass
class MemoryDepot:
    """`installed` and `offered` versions by package, `python` and `index` the same for pip, and of `commands` that say
    one.

    `absent` is the state of a Python package that is not there. `endings` are how the next installations end, None for
    one that works; of `deaf` packages nothing is installed although the manager says so. `orders` were carried out.
    """

    installed: dict[str, str] = field(default_factory=dict)
    offered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    python: dict[str, str] = field(default_factory=dict)
    index: dict[str, tuple[str, ...]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    absent: Presence = Presence.MISSING
    endings: list[Installed | None] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    orders: list[Order] = field(default_factory=list)

    def look(self, wanted: Wanted, tools: Mapping[str, str], offers: Offers) -> Found:
        """What is there of something; `tools` are commands by their path."""
        match wanted.kind:
            case Kind.COMMAND:
                said = self.commands.get(wanted.name, tools.get(wanted.name, ""))
                return Found(Presence.PRESENT if said else Presence.MISSING, said)
            case Kind.PYTHON:
                version = self.python.get(wanted.name, "")
                return Found(Presence.PRESENT if version else self.absent, version)
            case Kind.PACKAGE:
                version = self.installed.get(wanted.name, "")
                offered = self.offered.get(wanted.name, ()) if offers is not Offers.NO else ()
                return Found(Presence.PRESENT if version else Presence.MISSING, version, offered)

    def install(self, order: Order, output: Callable[[bytes], None]) -> Installed:
        """Carry an order out: all of it or nothing."""
        self.orders.append(order)
        ending = self.endings.pop(0) if self.endings else None
        if ending is not None:
            output(f"{ending.said}\n".encode())
            return ending
        there, source = (self.python, self.index) if order.manager == PIP else (self.installed, self.offered)
        chosen = dict(_named(basename(each.entry.path)) for each in order.files)
        for word in order.names:
            name, _, wanted = word.partition(" ")
            version = _best(source.get(name, ()), wanted)
            if not version:
                said = f"E: Unable to locate package {name}"
                output(f"{said}\n".encode())
                return Installed(Meaning.UNKNOWN, 100, said)
            chosen[name] = version
        for name, version in chosen.items():
            output(f"Setting up {name} ({version})\n".encode())
            if name not in self.deaf:
                there[name] = version
        return Installed(Meaning.DONE)


def _named(file: str) -> tuple[str, str]:
    name, _, rest = file.partition("_")
    return name, number_of(rest)


def _best(versions: tuple[str, ...], wanted: str) -> str:
    """The newest version that was asked for: as it is written, or in a range; empty: there is none."""
    fit = [each for each in versions if not wanted or each == wanted or _lies_in(each, wanted)]
    return max(fit, key=lambda each: Version.parse(number_of(each)).numbers, default="")


def _lies_in(version: str, wanted: str) -> bool:
    return wanted.startswith((">", "<", "=", "!")) and VersionRange.parse(wanted).contains(
        Version.parse(number_of(version))
    )
