"""What the boards of the embedded lab are: their names, their faults and their folders."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kdeploy_gui.environments.demo_process import MARKER

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Fault(StrEnum):
    """What is wrong with a board; the value is its tag."""

    NONE = "healthy"
    FLAKY = "flaky"
    REFLASHED = "reflashed"
    LOCKED = "locked"
    BARE = "bare"


_FIRST = (
    ("board-1", Fault.NONE),
    ("board-2", Fault.NONE),
    ("board-3-flaky", Fault.FLAKY),
    ("board-4-reflashed", Fault.REFLASHED),
    ("board-5-locked", Fault.LOCKED),
    ("board-6-bare", Fault.BARE),
)


@dataclass(frozen=True, slots=True)
class BoardSetup:
    """A board before its server runs. `folder` holds its home, its temporary folder and its own tools, if any."""

    name: str
    fault: Fault
    folder: Path
    lab: Path

    @property
    def home(self) -> Path:
        """Home folder of the one user."""
        return self.folder / "home"

    @property
    def group(self) -> str:
        """The tree's folder: healthy boards in one rack, faulty ones in the other."""
        return "demo/rack-1" if self.fault is Fault.NONE else "demo/rack-2"

    @property
    def tags(self) -> tuple[str, ...]:
        """Machine and fault."""
        return ("demo", platform.machine(), self.fault.value)

    def variables(self, user: str) -> Mapping[str, str]:
        """Environment of the board's processes; nothing of the workstation's own but PATH."""
        path = str(self.folder / "bin") if self.fault is Fault.BARE else ":".join(_search_path())
        return {
            "HOME": str(self.home),
            "KDEPLOY_KERNEL_LOG": "no",
            "LANG": "C.UTF-8",
            "LOGNAME": user,
            MARKER: str(self.lab),
            "PATH": path,
            "SHELL": "/bin/sh",
            "TMPDIR": str(self.folder / "tmp"),
            "USER": user,
        }

    def create(self) -> None:
        """Make the folders. Raises OSError."""
        for folder in (self.folder, self.home, self.folder / "tmp"):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.fault is Fault.BARE:
            _link_tools(self.folder / "bin")


def setups(count: int, lab: Path) -> tuple[BoardSetup, ...]:
    """The first `count` boards: six with a story, healthy ones after them."""
    further = ((f"board-{number}", Fault.NONE) for number in range(len(_FIRST) + 1, count + 1))
    return tuple(BoardSetup(name, fault, lab / name, lab) for name, fault in (*_FIRST[:count], *further))


def _search_path() -> tuple[str, ...]:
    """Folders of executables: the standard ones, then the workstation's own."""
    folders = f"{_STANDARD_PATH}:{os.environ.get('PATH', '')}".split(":")
    return tuple(dict.fromkeys(each for each in folders if os.path.isabs(each) and os.path.isdir(each)))


def _link_tools(folder: Path) -> None:
    """Fill `folder` with links to every executable of the search path but awk, its relatives and busybox."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in _search_path():
        with os.scandir(place) as entries:
            for entry in entries:
                link = folder / entry.name
                if _is_wanted(entry) and not link.is_symlink():
                    link.symlink_to(entry.path)


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    if "awk" in entry.name or entry.name == "busybox":
        return False
    return os.access(entry.path, os.X_OK) and not entry.is_dir()
