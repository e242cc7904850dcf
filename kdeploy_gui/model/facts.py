"""What one round trip learns about a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FactsQuery:
    """What to ask for beyond the fixed facts: commands to look up and paths whose file system to measure."""

    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """Space on the file system that holds a path (or its nearest existing parent). Inodes None: not reported."""

    free_bytes: int
    total_bytes: int
    free_inodes: int | None = None
    mount: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A target at one moment.

    `kernel_release` is `uname -r`, `kernel_build` is `uname -v`, `boot_id` is
    /proc/sys/kernel/random/boot_id; memory in bytes, `clock_skew` in seconds (target minus workstation; the target's
    clock is read in whole seconds), `tools` maps each asked command to its path, empty if it is missing.
    """

    kernel_release: str
    kernel_build: str
    machine: str
    boot_id: str
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
    home: str = ""
    package_manager: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    disks: Mapping[str, Disk] = field(default_factory=dict)

    def expand(self, path: str) -> str:
        """`~/x` as an absolute path on this target; other paths unchanged."""
        if path == "~" or path.startswith("~/"):
            return self.home.rstrip("/") + path[1:]
        return path
