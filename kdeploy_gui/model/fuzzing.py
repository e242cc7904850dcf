"""A fuzzing set-up of syzkaller: what it is made of, and what has to be there for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

LIMITS = {"procs": (1, 32), "count": (1, 128), "cores": (1, 1024), "memory": (128, 1048576)}
"""What syz-manager takes: test processes in a machine, guests, their CPUs, and their MiB."""


class Sandbox(StrEnum):
    """What test programs are kept in."""

    NONE = "none"
    SETUID = "setuid"
    NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzRequest:
    """What shall be fuzzed how; paths are those of this workstation.

    `kernel_obj` is the folder with vmlinux and .config. Guests are booted by syz-manager itself: from `image`, with
    `kernel` of the lab file if that is not empty, `count` of them, each with `memory` MiB. Boards are logged in at;
    `target_dir` is there. `arch` is a word of `uname -m`; empty: asked for.
    """

    workdir: Path
    file: Path
    syzkaller: Path | None = None
    kernel_obj: Path | None = None
    image: Path | None = None
    kernel: str = ""
    arch: str = ""
    target_dir: str = "/root/syzkaller"
    reboot: bool = False
    count: int = 1
    memory: int = 2048
    cores: int = 2
    procs: int = 4
    sandbox: Sandbox = Sandbox.NONE
    cover: bool = True
    http: str = "127.0.0.1:56741"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """Something that has to be there. `met` None: nobody can tell, and `text` says why.

    Without those that are `required` nothing can be fuzzed; `environment` is empty where it is about this workstation.
    """

    subject: str
    met: bool | None
    text: str
    remedy: str = ""
    environment: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class KernelBuild:
    """The build in a folder: why vmlinux cannot be used (empty: it can), its build id, and the options that are set.

    `options` is None where there is no .config.
    """

    fault: str = ""
    build_id: str = ""
    debug_info: bool = False
    options: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzSetup:
    """A configuration of syz-manager, as text, with what was found about its preconditions."""

    type: str
    target: str
    syzkaller: Path
    text: str
    preconditions: tuple[Precondition, ...]

    @property
    def lacks(self) -> tuple[Precondition, ...]:
        """What is required and known not to be there."""
        return missing(self.preconditions)


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """How syz-manager's own test of a set-up ended. `passed` None: it did not end in time; `said` is its end."""

    passed: bool | None
    status: int | None
    seconds: float
    said: str


def missing(preconditions: Iterable[Precondition]) -> tuple[Precondition, ...]:
    """Those that are required and not met."""
    return tuple(each for each in preconditions if each.required and each.met is False)
