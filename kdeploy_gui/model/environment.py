"""Machines under test: what lab.toml says about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Kind(StrEnum):
    """What sort of machine an environment is."""

    BOARD = "board"
    QEMU = "qemu"


class Become(StrEnum):
    """How root is reached on the target."""

    NONE = "none"
    SUDO = "sudo"


@dataclass(frozen=True, slots=True)
class Power:
    """Commands, run on the workstation, that switch a board's supply; empty: there is none."""

    on: str = ""
    off: str = ""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that a guest can be booted with; paths on the workstation."""

    name: str
    image: str
    initrd: str = ""
    cmdline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One machine. `host_keys` are the pinned SHA256 fingerprints of its host keys, never tied to its address.

    `roots` are the folders on it that files may go to or below; empty: all but those that no test suite belongs to.
    """

    name: str
    host: str
    kind: Kind = Kind.BOARD
    group: str = ""
    tags: tuple[str, ...] = ()
    port: int = 22
    user: str = "root"
    identity_file: str = ""
    credential: str = ""
    jump: str = ""
    become: Become = Become.NONE
    host_keys: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    power: Power = field(default_factory=Power)
    uri: str = ""
    domain: str = ""
    autostart: bool = False
    snapshot: str = "auto"
    kernels: tuple[Kernel, ...] = ()

    @property
    def address(self) -> str:
        """user@host:port, for messages."""
        return f"{self.user}@{self.host}:{self.port}"

    def matches(self, pattern: str) -> bool:
        """Whether `pattern` (a name, a glob, `tag:GLOB` or `group:GLOB`) selects this environment.

        A group pattern selects the folders below it, too.
        """
        if pattern.startswith("tag:"):
            return any(fnmatchcase(tag, pattern[4:]) for tag in self.tags)
        if pattern.startswith("group:"):
            wanted = pattern[6:].strip("/")
            return fnmatchcase(self.group, wanted) or fnmatchcase(self.group, f"{wanted}/*")
        return fnmatchcase(self.name, pattern)


@dataclass(frozen=True, slots=True)
class Lab:
    """All environments of a lab file, in its order."""

    environments: tuple[Environment, ...] = ()

    def get(self, name: str) -> Environment | None:
        """The environment of that name."""
        return next((each for each in self.environments if each.name == name), None)

    def select(self, patterns: Iterable[str]) -> tuple[Environment, ...]:
        """Environments that at least one pattern selects, each once, in the lab's order."""
        wanted: Sequence[str] = tuple(patterns)
        return tuple(each for each in self.environments if any(each.matches(pattern) for pattern in wanted))
