"""Scanners for front ends: run on a machine, and compared with the time before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kdeploy_gui.app.inventory import Inventory
from kdeploy_gui.engine.scan import Scanning
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.problem import did_you_mean
from kdeploy_gui.model.scan import Scanner, ScanReport


class Scans:
    """Scanners of one lab; verbs may be called from any thread but the engine's."""

    def __init__(self, scanning: Scanning, inventory: Inventory, engine: EngineThread) -> None:
        self._scanning = scanning
        self._inventory = inventory
        self._engine = engine

    def all(self) -> tuple[Scanner, ...]:
        """Every scanner."""
        return self._scanning.scanners.all()

    def run(
        self, name: str, scanners: Sequence[str] = (), tell: Callable[[str], None] = lambda name: None
    ) -> tuple[ScanReport, ...]:
        """Run these scanners, or all, on an environment; `tell` hears on the engine's thread which one begins.

        Raises PlanError E-SCAN-UNKNOWN for a name that no scanner has, and what connecting raises.
        """
        known = [each.name for each in self.all()]
        for each in scanners:
            if each not in known:
                raise PlanError("E-SCAN-UNKNOWN", f"no scanner is called '{each}'{did_you_mean(each, known)}")
        work = replace(self._scanning, tell=tell).run(self._inventory.get(name), tuple(scanners) or known)
        return self._engine.ask(work)
