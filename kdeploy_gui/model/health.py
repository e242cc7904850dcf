"""How a machine is doing: what a look at it finds besides what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOT = 85.0
"""Degrees Celsius from which boards slow down or fail."""
UNKNOWN_LOG = "unknown: the kernel log cannot be read"


@dataclass(frozen=True, slots=True)
class Health:
    """A machine's state at one moment.

    `temperature` is that of its hottest sensor in degrees Celsius, `read_only` maps mounts that ought to be writable to
    why, `kernel_errors` counts messages of level error and above in the kernel's log, of which `last_errors` are the
    newest. None: not known, which is not the same as none.
    """

    temperature: float | None = None
    read_only: Mapping[str, str] = field(default_factory=dict)
    kernel_errors: int | None = None
    last_errors: tuple[str, ...] = ()

    @property
    def heat(self) -> str:
        """The temperature in words."""
        return "unknown" if self.temperature is None else f"{self.temperature:.1f} °C"

    def described(self) -> tuple[tuple[str, str], ...]:
        """In the words and units in which people read it, by name."""
        return (
            ("temperature", self.heat),
            (
                "read_only",
                "; ".join(f"{mount}: {why}" for mount, why in self.read_only.items()) or "nothing unexpected",
            ),
            ("kernel_errors", self._errors()),
        )

    def warnings(self) -> tuple[tuple[str, str], ...]:
        """What somebody should look at, by name."""
        found = [(f"warning_read_only {mount}", why) for mount, why in self.read_only.items()]
        if self.temperature is not None and self.temperature >= HOT:
            found.append(("warning_temperature", self.heat))
        if self.kernel_errors:
            found.append(("warning_kernel_errors", self._errors()))
        return tuple(found)

    def _errors(self) -> str:
        if self.kernel_errors is None:
            return UNKNOWN_LOG
        return f"{self.kernel_errors}, last: {self.last_errors[-1]}" if self.last_errors else str(self.kernel_errors)
