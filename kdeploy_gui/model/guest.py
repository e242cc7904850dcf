"""Guests as their hypervisor sees them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kdeploy_gui.model.environment import Kernel


class GuestState(StrEnum):
    """What a guest is doing; the value is what people read."""

    RUNNING = "running"
    PAUSED = "paused"
    FROZEN = "frozen"
    """It counts as running, but its QEMU answers nothing."""
    SHUTTING_DOWN = "shutting down"
    OFF = "shut off"
    CRASHED = "crashed"

    @property
    def is_down(self) -> bool:
        """Whether it has to be started before anything can be done with it."""
        return self in {GuestState.OFF, GuestState.CRASHED}


@dataclass(frozen=True, slots=True)
class GuestStatus:
    """A state and why it is so, in words; the reason is empty where the hypervisor gives none."""

    state: GuestState
    reason: str = ""

    @property
    def text(self) -> str:
        """Both, for messages."""
        return f"{self.state.value} ({self.reason})" if self.reason else self.state.value


@dataclass(frozen=True, slots=True)
class GuestSeen:
    """A guest that a hypervisor has. `arch` is the machine that it emulates (x86_64, aarch64, ...)."""

    name: str
    status: GuestStatus
    uuid: str = ""
    arch: str = ""
    persistent: bool = True


@dataclass(frozen=True, slots=True)
class GuestFigures:
    """What a guest has used up since it started, at one moment of a clock that never jumps (`at`, seconds).

    `memory_used` is None where the guest does not tell; what it has is in `memory`. All sizes in bytes.
    """

    at: float
    cpu_seconds: float
    cores: int
    memory: int
    memory_used: int | None = None
    disk_read: int = 0
    disk_written: int = 0
    received: int = 0
    sent: int = 0

    def cpu_since(self, before: GuestFigures) -> float:
        """Percent of all its cores that it used since earlier figures; 0 over no time or across a restart."""
        passed = (self.at - before.at) * self.cores
        used = self.cpu_seconds - before.cpu_seconds
        return max(0.0, min(100.0, 100.0 * used / passed)) if passed > 0 else 0.0


@dataclass(frozen=True, slots=True)
class DirectBoot:
    """A kernel that a guest is booted with by its hypervisor; paths of the hypervisor's host."""

    image: str
    initrd: str
    cmdline: str

    def is_of(self, kernel: Kernel | DirectBoot) -> bool:
        """Whether these are that kernel's files, whatever the command line."""
        return (self.image, self.initrd) == (kernel.image, kernel.initrd)


@dataclass(frozen=True, slots=True)
class BootSource:
    """What a guest boots: its machine, and the kernels it is defined with and runs now; None: its own boot loader."""

    arch: str
    defined: DirectBoot | None = None
    running: DirectBoot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestDescription:
    """A guest to be defined; paths are those of the hypervisor's host, `memory` is in MiB.

    With `forward_port` that port of the host's loopback leads to its SSH server, for hypervisors of a single user that
    have no networks of their own; else it gets a card in `network`. Without `kernel` it boots from its disk.
    """

    name: str
    disk: str
    memory: int = 1024
    cores: int = 1
    arch: str = "x86_64"
    kernel: DirectBoot | None = None
    network: str = "default"
    forward_port: int = 0
