"""What one round trip learns about a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kdeploy_gui.model.abi import Abi
from kdeploy_gui.model.files import FileKind, FileState
from kdeploy_gui.model.health import Health


@dataclass(frozen=True, slots=True)
class FactsQuery:
    """What to ask for beyond the fixed facts: commands to look up and paths whose file system to measure.

    `programs` are paths that shall be executable, `folders` those that files go to; both may start with `~/`.
    `options` are options of the kernel's configuration, without CONFIG_. `health` asks how the machine is doing,
    `files` what stands at absolute paths.
    """

    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    health: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """Space on the file system that holds a path (or its nearest existing parent). Inodes None: not reported."""

    free_bytes: int
    total_bytes: int
    free_inodes: int | None = None
    mount: str = ""


class Presence(StrEnum):
    """Whether a path can be executed."""

    RUNS = "executable"
    NOT_EXECUTABLE = "not executable"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Parent:
    """An existing step of the way to a folder; `mode` holds the permission bits with the sticky one.

    `leads_to` is what a symbolic link says.
    """

    path: str
    kind: FileKind
    uid: int
    gid: int
    mode: int
    leads_to: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that files go to, there or not: what exists of the way to it, outermost first, and its file system.

    The way goes on behind links where they lead; `real` is the folder with all links followed. `disk` is None where
    it could not be measured.
    """

    path: str
    real: str
    parents: tuple[Parent, ...] = ()
    disk: Disk | None = None
    mount: str = ""
    read_only: bool = False
    noexec: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A target at one moment.

    `kernel_release` is `uname -r`, `kernel_build` is `uname -v`, `kernel_build_id` the GNU build id that the kernel was
    linked with (empty where it does not tell), `boot_id` is
    /proc/sys/kernel/random/boot_id; memory in bytes, `clock_skew` in seconds (target minus workstation; the target's
    clock is read in whole seconds), `tools` maps each asked command to its path, empty if it is missing. `userland` is
    what /bin/sh is made for, `emulated` what user-mode emulators are registered for, `loaders` are the dynamic loaders
    that are there; `folders` by their absolute paths. `options` are those asked for that the kernel is built with, None
    where its configuration cannot be read. `health` is None where it was not asked for. `files` are as
    `Target.survey` tells them.
    """

    kernel_release: str
    kernel_build: str
    machine: str
    boot_id: str
    kernel_build_id: str = ""
    os_id: str = ""
    os_version: str = ""
    os_name: str = ""
    memory_total: int = 0
    memory_available: int = 0
    load: float = 0.0
    uptime: float = 0.0
    clock_skew: float = 0.0
    uid: int = -1
    user: str = ""
    group: str = ""
    gid: int = -1
    home: str = ""
    package_manager: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    disks: Mapping[str, Disk] = field(default_factory=dict)
    userland: Abi | None = None
    emulated: tuple[Abi, ...] = ()
    loaders: tuple[str, ...] = ()
    programs: Mapping[str, Presence] = field(default_factory=dict)
    folders: Mapping[str, Folder] = field(default_factory=dict)
    options: frozenset[str] | None = None
    health: Health | None = None
    files: Mapping[str, FileState] = field(default_factory=dict)

    def expand(self, path: str) -> str:
        """`~/x` as an absolute path on this target; other paths unchanged."""
        if path == "~" or path.startswith("~/"):
            return self.home.rstrip("/") + path[1:]
        return path
