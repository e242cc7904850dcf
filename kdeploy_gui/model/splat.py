"""A kernel's report of its own trouble, as it was found on a console or in its log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SplatClass(StrEnum):
    """What sort of report it is: which part of the kernel noticed, and what."""

    KASAN = "kasan"
    KCSAN = "kcsan"
    KMSAN = "kmsan"
    KFENCE = "kfence"
    UBSAN = "ubsan"
    LOCKDEP = "lockdep"
    ATOMIC = "atomic"
    SPINLOCK = "spinlock"
    SOFT_LOCKUP = "soft_lockup"
    HARD_LOCKUP = "hard_lockup"
    RCU_STALL = "rcu_stall"
    HUNG_TASK = "hung_task"
    WORKQUEUE = "workqueue"
    OOPS = "oops"
    BUG = "bug"
    WARNING = "warning"
    REFCOUNT = "refcount"
    LIST = "list"
    OBJECT = "object"
    MEMORY = "memory"
    OOM = "oom"
    PANIC = "panic"
    KMEMLEAK = "kmemleak"


class Severity(StrEnum):
    """How bad it is: a dead task or kernel, something stuck, a proven defect, a broken assumption, worth knowing."""

    CRASH = "crash"
    HANG = "hang"
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Grade(StrEnum):
    """How far a report is to be believed.

    `EXPECTED`: a running test suite provoked it. `SUSPECT`: an emulated or booting machine is slow enough to be
    reported as stuck.
    """

    REAL = "real"
    SUSPECT = "suspect"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Splat:
    """One report. Equal titles mean the same defect: no address, number or time of the occasion is in them.

    `frames` are functions, innermost first, without those that only report; `printed` is the kernel's own time in
    seconds as it stood there, empty if none did. `follows` is the title of the report within two seconds before, of
    which this one is probably a consequence. Not `whole`: the kernel dropped lines meanwhile.
    """

    kind: SplatClass
    title: str
    severity: Severity
    grade: Grade = Grade.REAL
    frames: tuple[str, ...] = ()
    excerpt: str = ""
    printed: str = ""
    follows: str = ""
    whole: bool = True

    @property
    def counts(self) -> bool:
        """Whether it speaks against the machine: it is real, and more than a note."""
        return self.grade is Grade.REAL and self.severity is not Severity.NOTE

    @property
    def words(self) -> str:
        """The report in one line for people."""
        beside = [self.severity.value, *([] if self.grade is Grade.REAL else [self.grade.value])]
        return f"{self.title} ({', '.join(beside)})"


@dataclass(frozen=True, slots=True)
class SplatSeen:
    """The kernel of an environment reported trouble; where it `fails`, the running stage ends by it."""

    splat: Splat
    fails: bool
