"""Every failure kdeploy can explain, sorted by who can act on it.

KdeployError
├── PlanError        CONFIG     the engineer: plan or lab file ask for what cannot be done
├── TrustError       TRUST      the engineer: the machine is not, or not known to be, the one that is meant
├── AuthError        AUTH       the engineer: credentials were refused or cannot be used
├── NetworkError     NET        nobody, mostly: try again
│   ├── NotBooted                   it was waited for long enough already
│   └── Rebooted                    what was done before must be looked at again
├── TargetError      TARGET     whoever owns the target: disk, permissions, tools
│   ├── TargetBusy                  somebody else is writing there: try again
│   │   └── PackagesLocked          another package manager is at work: wait for it
│   ├── ReadinessError              a validation check says no
│   └── KernelSplat                 its kernel reported trouble of its own
│       └── KernelDead              and does nothing more
├── ArtifactError    ARTIFACT   whoever built the artifact
│   └── ContentChanged              its bytes moved under us: try once more
├── GuestError       VM         the hypervisor
│   ├── GuestDied                   it ended by itself: started again once where that is wanted
│   └── HypervisorLost              libvirt does not answer; guests go on without it
├── LocalError       LOCAL      this workstation: disk, history, keyring
└── Cancelled        CANCELLED  somebody asked for it

Whatever else is raised is a bug of kdeploy: it is caught once, at the stage boundary, and never retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import ClassVar


class Category(StrEnum):
    """Who can act on a failure."""

    CONFIG = "CONFIG"
    TRUST = "TRUST"
    AUTH = "AUTH"
    NET = "NET"
    TARGET = "TARGET"
    ARTIFACT = "ARTIFACT"
    VM = "VM"
    LOCAL = "LOCAL"
    CANCELLED = "CANCELLED"
    BUG = "BUG"


class Retry(Enum):
    """How often the stage that raised an error may be run again."""

    NEVER = 0
    ONCE = 1
    AS_PLANNED = 2
    PATIENTLY = 3
    """Whatever the plan says: at a steady pace, for minutes."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the target said: the command, its exit status (None if it never ended) and the tail of its stderr.

    `console` are the last lines of its serial console.
    """

    command: str = ""
    exit_status: int | None = None
    stderr: str = ""
    console: str = ""

    @property
    def text(self) -> str:
        """All of it, for people."""
        console = f"last lines of the serial console:\n{self.console}" if self.console else ""
        return "\n".join(part for part in (self.command, self.stderr, console) if part)


class KdeployError(Exception):
    """A failure with a code, a place and a known state of the target.

    `code` names the remedy (`resources/remedies/`); `details` fill in its text. `path` is the file or folder it is
    about, `on_target` what the target holds now. `hop` names the jump host that it is about, if it is one.
    """

    category: ClassVar[Category]
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        code: str,
        message: str,
        *,
        path: str = "",
        on_target: str = "",
        evidence: Evidence | None = None,
        **details: str,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.on_target = on_target
        self.evidence = evidence or Evidence()
        self.details = details
        self.hop = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class PlanError(KdeployError):
    """The plan, the lab file or an environment's settings cannot work as written."""

    category = Category.CONFIG


class TrustError(KdeployError):
    """The machine's identity is unknown or not the pinned one; nothing was sent."""

    category = Category.TRUST


class AuthError(KdeployError):
    """The machine refused us, or a credential cannot be used here."""

    category = Category.AUTH


class NetworkError(KdeployError):
    """The machine could not be reached, or stopped answering."""

    category = Category.NET
    retry = Retry.AS_PLANNED


class NotBooted(NetworkError):
    """The machine did not answer in all the time that it may take to boot."""

    retry = Retry.NEVER


class Rebooted(NetworkError):
    """The machine runs, but in another boot than the one that the stage began in."""


class TargetError(KdeployError):
    """The target cannot do what was asked: space, permissions, tools, facts."""

    category = Category.TARGET


class TargetBusy(TargetError):
    """Something else holds what we need on the target; it will let go."""

    retry = Retry.AS_PLANNED


class PackagesLocked(TargetBusy):
    """Another package manager is at work on the target; such things take minutes."""

    retry = Retry.PATIENTLY


class NothingKept(TargetError):
    """No version that this run replaced is kept on the target."""


class ReadinessError(TargetError):
    """A validation check failed: the environment is not READY."""


class KernelSplat(TargetError):
    """The target's kernel reported a defect, a hang or a crash while the run was there."""


class KernelDead(KernelSplat):
    """The target's kernel panicked: nothing works there until it has been booted again."""


class ArtifactError(KdeployError):
    """An artifact is missing, unreadable or wrong for this target."""

    category = Category.ARTIFACT


class ContentChanged(ArtifactError):
    """The bytes that arrived are not the bytes that were planned."""

    retry = Retry.ONCE


class GuestError(KdeployError):
    """The hypervisor or the guest's lifecycle failed."""

    category = Category.VM


class GuestDied(GuestError):
    """The guest crashed, or its QEMU was killed."""

    retry = Retry.ONCE


class HypervisorLost(GuestError):
    """libvirt cannot be reached, or stopped answering."""

    retry = Retry.AS_PLANNED


class LocalError(KdeployError):
    """This workstation cannot go on: history, disk, keyring, locks."""

    category = Category.LOCAL


class Cancelled(KdeployError):
    """The run or this environment was cancelled on request."""

    category = Category.CANCELLED
