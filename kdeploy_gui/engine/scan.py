"""Scanners run on one environment, their findings stored and compared with those of the time before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.scan import Scan, ScanReport, compared
from kdeploy_gui.ports import ScanLog, Scanners, Target

MISSING = "E-SCAN-MISSING"


@dataclass(frozen=True, slots=True)
class Scanning:
    """Runs scanners one after the other; `tell` hears which one begins."""

    ports: Ports
    scanners: Scanners
    log: ScanLog
    tell: Callable[[str], None] = lambda name: None

    async def run(self, environment: Environment, names: Sequence[str]) -> tuple[ScanReport, ...]:
        """One report for each, also where one failed. Raises what connecting to the environment raises."""
        target = await self.ports.connector.connect(environment)
        try:
            kernel = (await target.facts(FactsQuery())).kernel_release
            return tuple([await self._one(target, environment, name, kernel) for name in names])
        finally:
            await target.close()

    async def _one(self, target: Target, environment: Environment, name: str, kernel: str) -> ScanReport:
        self.tell(name)
        try:
            findings = await self.scanners.scan(target, name)
        except KdeployError as error:
            failure = failure_of(error, self.ports.remedies, environment.name, "")
            return ScanReport(
                environment=environment.name, scanner=name, failure=failure, missing=error.code == MISSING
            )
        before = await asyncio.to_thread(self.log.latest, environment.name, name)
        scan = Scan(
            environment=environment.name,
            scanner=name,
            time=self.ports.clock.now(),
            kernel=kernel,
            findings=findings,
        )
        await asyncio.to_thread(self.log.add, scan)
        return compared(scan, before)
