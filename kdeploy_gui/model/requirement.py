"""What a file needs of the machine that it is to work on, as far as the file itself tells."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy_gui.model.abi import Abi
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.plan import ArtifactType


@dataclass(frozen=True, slots=True)
class Program:
    """A program or library. `loader` is the path of its dynamic loader, empty without one."""

    abi: Abi
    loader: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module. With `checksums` of the symbols that it uses, a kernel may take it for another release."""

    abi: Abi
    vermagic: str
    checksums: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A file that starts with `#!`. `tool` is the command that an interpreter called `env` looks up."""

    interpreter: str
    tool: str = ""
    carriage_return: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """An ELF file that no machine can run, and why."""

    reason: str


Requirement = Program | Module | Script | Broken | None
"""None: it needs nothing that could be told beforehand."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file as it shall stand on a machine, and what it needs to work there; `link` as in a `Placement`."""

    entry: ManifestEntry
    type: ArtifactType
    requirement: Requirement = None
    link: str = ""
