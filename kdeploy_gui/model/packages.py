"""Packages and commands on a machine: what is asked for, what was found, and what an installation came to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kdeploy_gui.model.abi import AARCH64, ARM, I386, RISCV, X86_64
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import Placement

PIP = "pip"
MANAGERS: Mapping[str, tuple[str, ...]] = {
    "apk": (".apk",),
    "apt": (".deb",),
    "dnf": (".rpm",),
    "dpkg": (".deb",),
    "opkg": (".ipk",),
    "pacman": (".pkg.tar", ".pkg.tar.gz", ".pkg.tar.xz", ".pkg.tar.zst"),
    "rpm": (".rpm",),
    "yum": (".rpm",),
    "zypper": (".rpm",),
}
"""Package managers by the name that plans use, and how the names of their files end."""
WHEEL = ".whl"
SUFFIXES = tuple(sorted({suffix for endings in MANAGERS.values() for suffix in endings}))
SOURCELESS = ("dpkg", "rpm")
"""Managers that install files and know no package sources."""

DOWNLOADS: Mapping[str, str] = {
    "apk": "apk fetch --recursive",
    "apt": "apt-get download",
    "dnf": "dnf download --resolve",
    "opkg": "opkg download",
    "pacman": "pacman -Sw --cachedir .",
    PIP: "python3 -m pip download",
    "yum": "yumdownloader --resolve",
    "zypper": "zypper --pkg-cache-dir . install --download-only",
}
"""Commands that fetch package files on a machine that reaches the package sources."""

_MACHINES: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("amd64", "x86_64", "x86-64"), (X86_64, 64)),
    **dict.fromkeys(("i386", "i486", "i586", "i686"), (I386, 32)),
    **dict.fromkeys(("arm64", "aarch64"), (AARCH64, 64)),
    **dict.fromkeys(("armhf", "armel", "armv5tel", "armv6l", "armv7l", "armv7", "armv7hl"), (ARM, 32)),
    **dict.fromkeys(("riscv64",), (RISCV, 64)),
}
_WORD = re.compile(r"x86[_-]64|[A-Za-z0-9]+")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})+(?:[-~.]?rc\d{1,9})?|\d{1,9}")


def manager_of(facts: Facts) -> str:
    """The machine's package manager by the name that plans use; empty: it has none that is known."""
    name = "apt" if facts.package_manager == "apt-get" else facts.package_manager
    return name if name in MANAGERS else ""


def number_of(version: str) -> str:
    """The number in what a program or a package manager says of a version, without the epoch; empty: there is none."""
    found = _NUMBER.search(version.partition(":")[2] or version)
    return found.group() if found else ""


def is_for(file: str, facts: Facts) -> bool:
    """Whether a package file may be for this machine, by its name: its kind, and the architecture that it tells."""
    endings = MANAGERS.get(manager_of(facts), ())
    ending = next((each for each in endings if file.endswith(each)), None)
    if ending is None:
        return False
    told = {_MACHINES[word] for word in _WORD.findall(file.removesuffix(ending)) if word in _MACHINES}
    own = (facts.userland.machine, facts.userland.bits) if facts.userland else _MACHINES.get(facts.machine)
    return not told or own is None or own in told


class Kind(StrEnum):
    """What a dependency is: a package of the system, one of its Python, or a command."""

    PACKAGE = "package"
    PYTHON = "python"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to look for, by the machine's own name for it; `versioned`: its version matters."""

    kind: Kind
    name: str
    versioned: bool = False


class Presence(StrEnum):
    """MANAGED: not there, and the system does not let pip bring it (PEP 668); NO_PIP: nor is there a pip."""

    PRESENT = "present"
    MISSING = "missing"
    BROKEN = "broken"
    MANAGED = "managed"
    NO_PIP = "no_pip"


@dataclass(frozen=True, slots=True)
class Found:
    """What the target says: its version in its own words, and the versions that its package sources offer."""

    state: Presence
    version: str = ""
    offered: tuple[str, ...] = ()


class Offers(StrEnum):
    """Whether offered versions are asked for: NO, QUIET (only where asking writes nothing on the machine), ALL."""

    NO = "no"
    QUIET = "quiet"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a package manager is to do: install `names`, or the package `files`, or with neither fetch its lists.

    A name may be followed by a space and the version; for pip that is a range. `files` wait at their paths, all in one
    folder, until they are installed.
    """

    run: int
    manager: str
    names: tuple[str, ...] = ()
    files: tuple[Placement, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(each.entry.size for each in self.files)

    @property
    def title(self) -> str:
        """The command, for people."""
        verb = "install" if self.names or self.files else "refresh"
        return f"{'apt-get' if self.manager == 'apt' else self.manager} {verb}"


class Meaning(StrEnum):
    """What an installation came to.

    LOCKED: another package manager is at work; STALE: a lock file of a dead one; HALF: an earlier installation was
    interrupted; UNREACHABLE: the package sources cannot be read; UNKNOWN: they do not have it; MANAGED, NO_PIP: as
    `Presence`.
    """

    DONE = "done"
    LOCKED = "locked"
    STALE = "stale"
    HALF = "half"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    MANAGED = "managed"
    NO_PIP = "no_pip"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Installed:
    """How an installation ended: the manager's exit status and the end of what it said.

    `details` are the process and program that hold a lock, the lock file that was left over, the command that repairs
    the machine, or what was said of the package sources.
    """

    meaning: Meaning
    status: int = 0
    said: str = ""
    details: tuple[str, ...] = ()
