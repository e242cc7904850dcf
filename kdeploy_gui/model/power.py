"""What switching a machine's supply came to."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy_gui.model.environment import PowerAction


@dataclass(frozen=True, slots=True)
class PowerStep:
    """One command that ended well; `output` is the end of what it said, `seconds` how long it took."""

    action: PowerAction
    command: str
    seconds: float
    output: str = ""


@dataclass(frozen=True, slots=True)
class PowerDone:
    """An action with the commands that it took: a reset may be off and on."""

    environment: str
    action: PowerAction
    steps: tuple[PowerStep, ...]


@dataclass(frozen=True, slots=True)
class Rebooted:
    """A machine that restarted itself: the boot that it is in since, and how long that took."""

    environment: str
    boot_id: str
    release: str
    seconds: float
