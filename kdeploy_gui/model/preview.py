"""What a deployment would do to one environment: looked at, never done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Want


class FileChange(StrEnum):
    """What becomes of one file."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REFUSED = "refused"


class DependencyChange(StrEnum):
    """What becomes of one dependency; NOT_CHECKED: the environment did not get that far."""

    PRESENT = "present"
    INSTALL = "install"
    MISSING = "missing"
    NOT_CHECKED = "not checked"


class InstrumentPresence(StrEnum):
    """What detection can tell now: ABSENT is not in the kernel or its tool missing, OFF is there but not on."""

    ON = "on"
    OFF = "off"
    ABSENT = "absent"
    NOT_CHECKED = "not checked"


class Verdict(StrEnum):
    """What a run would do. SAME: one check, nothing to change."""

    DEPLOY = "deploy"
    SAME = "same"
    REFUSED = "refused"


DiffKind = Literal["context", "added", "removed", "hunk"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a diff; `old` and `new` are its line numbers from 1, 0 where it is not in that version."""

    kind: DiffKind
    old: int
    new: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePreview:
    """One planned file against what stands at its target. Sizes in bytes; `old_*` are 0 or empty where nothing stands.

    `artifact` is the source as the plan names it. Content, mode and owner that change are told apart. `diff` is empty
    for a new or equal file and where `note` says why there is none. `refusal` says why it cannot be sent.
    """

    source: str
    target: str
    change: FileChange
    size: int = 0
    old_size: int = 0
    mode: int = 0
    old_mode: int = 0
    owner: str = ""
    old_owner: str = ""
    content_changes: bool = False
    mode_changes: bool = False
    owner_changes: bool = False
    diff: tuple[DiffLine, ...] = ()
    note: str = ""
    refusal: Failure | None = None
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyPreview:
    """One dependency: `found`, `offered` and `wanted` are versions.

    `offered` is the one that would be installed, empty where that cannot be told without writing on the machine. `note`
    says why it is missing, or where it comes from.
    """

    label: str
    change: DependencyChange
    found: str = ""
    offered: str = ""
    wanted: str = ""
    required: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentPreview:
    """One instrument of the plan as detection tells it, with its evidence in `note`; `comes`: the run brings it."""

    name: str
    title: str
    want: Want
    presence: InstrumentPresence
    note: str = ""
    comes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPreview:
    """What a run would do to one environment now.

    `refusals` say why a run would fail there, all at once (unreachable, refused files, required things missing);
    `notices` what it would go on without, `switches` which folders would lead to a new version of their set, `reboot`
    which kernel would be booted with which further parameters. Without any contact files, dependencies and instruments
    are empty.
    """

    environment: str
    files: tuple[FilePreview, ...] = ()
    dependencies: tuple[DependencyPreview, ...] = ()
    instruments: tuple[InstrumentPreview, ...] = ()
    refusals: tuple[Failure, ...] = ()
    notices: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    reboot: str = ""

    @property
    def bytes_to_send(self) -> int:
        """Bytes of the files whose content is new or changes; 0 for a refused environment."""
        return sum(each.size for each in self.sent)

    @property
    def sent(self) -> tuple[FilePreview, ...]:
        """Files whose bytes would be sent."""
        if self.refusals:
            return ()
        return tuple(each for each in self.files if each.change is FileChange.NEW or each.content_changes)

    @property
    def installed(self) -> tuple[DependencyPreview, ...]:
        """Packages that would be installed."""
        if self.refusals:
            return ()
        return tuple(each for each in self.dependencies if each.change is DependencyChange.INSTALL)

    @property
    def verdict(self) -> Verdict:
        """Refused where anything refuses it; same where nothing would change."""
        if self.refusals:
            return Verdict.REFUSED
        changes = self.switches or any(each.change is not FileChange.SAME for each in self.files)
        return Verdict.DEPLOY if changes or self.installed or self.reboot else Verdict.SAME

    def count(self, change: FileChange) -> int:
        """How many files it becomes."""
        return sum(each.change is change for each in self.files)
