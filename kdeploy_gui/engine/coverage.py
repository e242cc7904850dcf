"""Coverage of a machine's kernel: its gcov counters copied here, and a report where its build is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from kdeploy_gui import resources
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.errors import Evidence, TargetError
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.coverage import Coverage, CoverageData, CoverageOrigin, CoverageProgress, CoverageRequest
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.ports import CoverageKeeper, CoverageReceiving, Target

GCOV = "/sys/kernel/debug/gcov"
RESET_TIMEOUT = 60.0
Tell = Callable[[CoverageProgress], None]


def unheard(progress: CoverageProgress) -> None:
    """For whoever wants to hear nothing of the progress."""


@dataclass(frozen=True, slots=True)
class CoverageCollecting:
    """Collects coverage; `tell` hears how far it is, on the engine's thread. `folder` is that of gcov on machines."""

    ports: Ports
    keeper: CoverageKeeper
    tell: Tell = unheard
    folder: str = GCOV

    async def run(self, environment: Environment, request: CoverageRequest) -> Coverage:
        """Copy the counters, set them to zero where that is asked for, and make a report where a build tree is named.

        No run works on the machine meanwhile. Raises what connecting and the keeper raise, and TargetError
        E-COVERAGE-RESET where the counters are stored and were not reset.
        """
        async with self.ports.locks.hold(environment.name, 0, self._waits):
            self.tell(CoverageProgress("connecting"))
            target = await self.ports.connector.connect(environment)
            try:
                found = Coverage(data=await self._collected(target, environment, request))
                if request.reset:
                    await self._reset(target, found.data)
                    found = replace(found, reset=True)
            finally:
                await target.close()
        if request.build_tree is None:
            return found
        return replace(found, report=await self.keeper.report(found.data, request, self.tell))

    def _waits(self, holder: str) -> None:
        self.tell(CoverageProgress(f"waiting: it is {holder}"))

    async def _collected(self, target: Target, environment: Environment, request: CoverageRequest) -> CoverageData:
        facts = await target.facts(FactsQuery())
        await asyncio.to_thread(self.keeper.check, request, facts.kernel_release, facts.kernel_build_id)
        origin = CoverageOrigin(
            environment=environment.name,
            time=self.ports.clock.now(),
            boot_id=facts.boot_id,
            kernel_release=facts.kernel_release,
            kernel_build=facts.kernel_build,
            kernel_build_id=facts.kernel_build_id,
        )
        with self.keeper.receive(request, environment.name, self.tell) as receiving:
            done = await _received(target, self._command("coverage"), receiving)
            keeping = asyncio.ensure_future(asyncio.to_thread(receiving.keep, done, origin))
            try:
                return await asyncio.shield(keeping)
            finally:
                await asyncio.wait({keeping})

    async def _reset(self, target: Target, data: CoverageData) -> None:
        command = replace(self._command("coverage_reset"), title="resetting gcov", timeout=RESET_TIMEOUT)
        done = await target.execute(command)
        if "reset\tyes\n" not in done.text:
            raise TargetError(
                "E-COVERAGE-RESET",
                f"the counters are stored in {data.folder}, and could not be set to zero",
                path=str(data.folder),
                on_target="The counters go on from what they were.",
                evidence=Evidence(command.title, done.status, done.error_text),
            )

    def _command(self, name: str) -> Command:
        script = resources.text("remote/proofs/common.sh") + resources.text(f"remote/{name}.sh")
        return Command(script, (self.folder,), title="collecting coverage", gentle=True)


async def _received(target: Target, command: Command, receiving: CoverageReceiving) -> Completed:
    """Have a command's output taken; what cannot be taken ends it. Raises what that was."""
    work = asyncio.ensure_future(target.execute(command, receiving.take))
    receiving.stop = work.cancel
    try:
        return await work
    except asyncio.CancelledError:
        if receiving.fault is not None:
            raise receiving.fault from None
        raise
    finally:
        work.cancel()
        await asyncio.wait({work})
