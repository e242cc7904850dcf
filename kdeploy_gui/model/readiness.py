"""READY, bound to a boot: what was proven, when, of which kernel, with which files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import FileState, ManifestEntry, manifest_hash
from kdeploy_gui.model.instrument import Finding, State

ON = frozenset({State.ACTIVE.value, State.PROVEN.value, "on"})
"""States in which an instrument works; `on` is the word of older marks."""

DEPLOYED_NOT_READY = "The files are deployed; the environment is not READY."
"""What an environment holds that failed behind the deployment, unless its previous version was put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMark:
    """An environment's last readiness. `ready` False: `because` says which fact moved or which check failed.

    `instruments` maps an instrument to the state that it was found in (`instrument.State`).
    """

    environment: str
    ready: bool
    because: str
    time: datetime
    run: int = 0
    boot_id: str = ""
    kernel_release: str = ""
    kernel_build: str = ""
    kernel_build_id: str = ""
    manifest: tuple[ManifestEntry, ...] = ()
    instruments: Mapping[str, str] = field(default_factory=dict)

    @property
    def manifest_hash(self) -> str:
        """Identity of the deployed set."""
        return manifest_hash(self.manifest)

    def moved(self, facts: Facts, files: Mapping[str, FileState] | None = None) -> tuple[str, ...]:
        """Facts that are no longer those of this mark, in words; files are compared where given."""
        changed: list[str] = []
        if not facts.boot_id or facts.boot_id != self.boot_id:
            changed.append(f"the machine has rebooted (boot id {facts.boot_id}, was {self.boot_id})")
        if (facts.kernel_release, facts.kernel_build) != (self.kernel_release, self.kernel_build):
            was = f"{self.kernel_release} {self.kernel_build}"
            changed.append(f"another kernel runs ({facts.kernel_release} {facts.kernel_build}, was {was})")
        elif self.kernel_build_id and facts.kernel_build_id != self.kernel_build_id:
            now = facts.kernel_build_id or "unknown"
            changed.append(f"another build of the same kernel runs (build id {now}, was {self.kernel_build_id})")
        for entry in self.manifest if files is not None else ():
            found = (files or {}).get(entry.path)
            changed.extend(entry.differences(found) if found else (f"{entry.path} was not looked at",))
        return tuple(changed)

    @property
    def relied_on(self) -> tuple[str, ...]:
        """The instruments that worked when it was set."""
        return tuple(name for name, state in self.instruments.items() if state in ON)

    def lost(self, found: Mapping[str, Finding]) -> tuple[str, ...]:
        """Instruments that no longer work as they did, in words."""
        return tuple(
            f"{name} was {self.instruments[name]} and is {found[name].state}: {found[name].note or 'nobody says why'}"
            for name in self.relied_on
            if name in found and not found[name].state.is_on
        )
