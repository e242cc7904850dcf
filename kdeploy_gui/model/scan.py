"""Findings of scanners: what each said of one machine, and how that differs from the time before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.instrument import Where


@dataclass(frozen=True, slots=True)
class Scanner:
    """A tool that looks for weak spots; `packages` says where it is had."""

    name: str
    title: str
    where: Where
    packages: str = ""


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """One thing that a scanner found; `id` is the scanner's own name for it, the same each time."""

    id: str
    title: str
    severity: str = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one scanner said of one environment; `kernel` is the release that ran then."""

    environment: str
    scanner: str
    time: datetime
    kernel: str
    findings: tuple[ScanFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """A scan compared with the one before; `missing`: the scanner is not there, and `failure` says where it is had."""

    environment: str
    scanner: str
    scan: Scan | None = None
    before: datetime | None = None
    new: tuple[ScanFinding, ...] = ()
    gone: tuple[ScanFinding, ...] = ()
    failure: Failure | None = None
    missing: bool = False


def compared(scan: Scan, before: Scan | None) -> ScanReport:
    """What is new and what is gone since the time before; the first time nothing is called new."""
    known = {each.id for each in before.findings} if before is not None else set()
    now = {each.id for each in scan.findings}
    return ScanReport(
        environment=scan.environment,
        scanner=scan.scanner,
        scan=scan,
        before=before.time if before is not None else None,
        new=tuple(each for each in scan.findings if before is not None and each.id not in known),
        gone=tuple(each for each in before.findings if each.id not in now) if before is not None else (),
    )
