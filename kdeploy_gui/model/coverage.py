"""Coverage of a kernel: what gcov counted in one boot, collected on this workstation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kdeploy_gui.model.figures import size


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRequest:
    """What shall be collected to where; paths are those of this workstation.

    With the folder that the kernel was built in, `build_tree`, a report is made by lcov with the program `gcov`. With
    `reset` all counters of the kernel are set to zero after they were stored here.
    """

    out: Path
    build_tree: Path | None = None
    gcov: str = "gcov"
    reset: bool = False


@dataclass(frozen=True, slots=True)
class CoverageProgress:
    """How far it is: what is done, how many of it, of how many (0: nobody knows), and the bytes that have come."""

    step: str
    done: int = 0
    total: int = 0
    bytes: int = 0

    @property
    def words(self) -> str:
        """`storing: 100 of 2431 files`, `receiving: 3.4 MiB`, `connecting`."""
        if self.bytes:
            return f"{self.step}: {size(self.bytes)}"
        part = f"{self.done} of {self.total} files" if self.total else f"{self.done} files"
        return f"{self.step}: {part}" if self.done or self.total else self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageOrigin:
    """The machine and the boot that counters are of; `kernel_build_id` is empty where the kernel does not tell it."""

    environment: str
    time: datetime
    boot_id: str
    kernel_release: str
    kernel_build: str
    kernel_build_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageData:
    """Counters that are stored: `files` of them below `folder`; `unread` could not be read on the machine."""

    folder: Path
    origin: CoverageOrigin
    files: int
    bytes: int
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """The page to open, and lines of how many source files ran; of `without_notes` data files no notes were found."""

    page: Path
    sources: int
    lines: int
    lines_run: int
    without_notes: int = 0

    @property
    def words(self) -> str:
        """`12 of 40 lines (30.0 %) in 2 source files`."""
        part = f" ({100 * self.lines_run / self.lines:.1f} %)" if self.lines else ""
        files = f"{self.sources} source file{'' if self.sources == 1 else 's'}"
        return f"{self.lines_run} of {self.lines} lines{part} in {files}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What became of a request; without a build tree there is no report."""

    data: CoverageData
    report: CoverageReport | None = None
    reset: bool = False
