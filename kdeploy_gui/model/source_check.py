"""What semantic patches find in a kernel's source, and how that differs from its baseline."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from kdeploy_gui.model.failure import Failure

_LINE_NUMBER = re.compile(r"(\bline |::)\d+")


class Mode(StrEnum):
    """What a semantic patch says of what it finds, as in `make coccicheck MODE=...`."""

    REPORT = "report"
    CONTEXT = "context"
    ORG = "org"
    PATCH = "patch"
    CHAIN = "chain"


CHAIN = (Mode.PATCH, Mode.REPORT, Mode.CONTEXT, Mode.ORG)
"""The modes that `chain` tries, the first one that a semantic patch has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticPatch:
    """A .cocci file. `name` is its path in the source tree, or an absolute one elsewhere.

    `modes` are its virtual rules that are modes; `plain` is one without any virtual rule. `requires` is the oldest
    spatch that understands it, empty: any.
    """

    name: str
    path: Path
    confidence: str = ""
    options: tuple[str, ...] = ()
    requires: str = ""
    modes: frozenset[Mode] = frozenset()
    plain: bool = False

    def runs_as(self, mode: Mode) -> Mode | None:
        """The mode it is run in where `mode` is asked for; None: it has no such mode."""
        if self.plain:
            return {Mode.CHAIN: Mode.PATCH, Mode.PATCH: Mode.PATCH, Mode.CONTEXT: Mode.CONTEXT}.get(mode)
        if mode is Mode.CHAIN:
            return next((each for each in CHAIN if each in self.modes), None)
        return mode if mode in self.modes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What shall be looked for where. `patches` are files and folders, empty: those of the source itself.

    `folder` of `source` is looked at, empty: all of it. `arch` is the kernel's word for an architecture; empty: this
    workstation's. `limit` are seconds for one semantic patch. With `rebase` what is found becomes the baseline.
    """

    source: Path
    mode: Mode = Mode.REPORT
    patches: tuple[Path, ...] = ()
    folder: str = ""
    arch: str = ""
    jobs: int = 1
    limit: float = 3600.0
    rebase: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What a check will run: semantic patches on `folder` of `source`, which has so many C files and headers.

    `version` is that of spatch, `options` are those of every run of it.
    """

    source: Path
    folder: str
    patches: tuple[SemanticPatch, ...]
    files: int
    version: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class SourceFinding:
    """One thing that a semantic patch found; `line` and `column` are 0 where it did not say."""

    file: str
    line: int
    column: int
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same finding although lines were added above it."""
        return self.file, _LINE_NUMBER.sub(r"\1N", self.text)


@dataclass(frozen=True, slots=True)
class PatchFound:
    """What one semantic patch said.

    `skipped` are files that it could not look at; `unread` are lines of its output that name no file of the source.
    """

    findings: tuple[SourceFinding, ...] = ()
    skipped: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchResult:
    """What one semantic patch found in one run to its end."""

    source: str
    mode: Mode
    patch: str
    time: datetime
    found: PatchFound


class PatchOutcome(StrEnum):
    """How the run of one semantic patch ended."""

    DONE = "done"
    LEFT_OUT = "left_out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchReport:
    """A result compared with the baseline; `baseline` is when that was made, None where this result became it.

    `why` says why it was left out.
    """

    patch: str
    confidence: str
    outcome: PatchOutcome
    mode: Mode
    seconds: float = 0.0
    result: PatchResult | None = None
    baseline: datetime | None = None
    new: tuple[SourceFinding, ...] = ()
    gone: tuple[SourceFinding, ...] = ()
    failure: Failure | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckProgress:
    """How far a check is: `handled` are the files that a running semantic patch has looked at so far.

    `ended` is set once, when that patch ends.
    """

    patch: str
    handled: int
    done: int
    total: int
    ended: PatchReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """All semantic patches of one check, in the order of their names."""

    source: str
    mode: Mode
    version: str
    files: int
    patches: tuple[PatchReport, ...]

    def with_outcome(self, outcome: PatchOutcome) -> tuple[PatchReport, ...]:
        """Those that ended so."""
        return tuple(each for each in self.patches if each.outcome is outcome)


def changes(now: PatchResult, baseline: PatchResult) -> tuple[tuple[SourceFinding, ...], tuple[SourceFinding, ...]]:
    """What is new and what is gone since the baseline; of files that one of them could not look at neither is said."""
    unknown = {*now.found.skipped, *baseline.found.skipped}
    return (
        _without(now.found.findings, baseline.found.findings, unknown),
        _without(baseline.found.findings, now.found.findings, unknown),
    )


def _without(
    findings: Iterable[SourceFinding], others: Iterable[SourceFinding], unknown: Collection[str]
) -> tuple[SourceFinding, ...]:
    """The findings beyond those in `others`, each counted: which of equal ones is meant cannot be known."""
    known = Counter(each.key for each in others)
    left: list[SourceFinding] = []
    for each in findings:
        if known[each.key]:
            known[each.key] -= 1
        elif each.file not in unknown:
            left.append(each)
    return tuple(left)
