"""Is an environment READY right now? Looks, changes nothing there, and drops a mark that no longer holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kdeploy_gui.engine.context import Digests, Ports, manifest_entry
from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.errors import KdeployError, NetworkError
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import FileState, ManifestEntry
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.readiness import ReadyMark

PATIENCE = 120.0
"""Seconds for looking at a machine: slow boards hash slowly."""


async def check(
    ports: Ports, environment: Environment, *, files: bool = True, plan: Plan | None = None
) -> EnvironmentCheck:
    """Connect and compare the machine with its newest mark: boot, kernel, the files too unless `files` is False, and
    the manifest that `plan` would deploy where one is given."""
    mark = await asyncio.to_thread(ports.readiness.latest, environment.name)
    try:
        facts, states = await _look(ports, environment, mark if files else None)
        wanted = await _manifest(ports, plan, facts) if plan is not None else None
    except KdeployError as error:
        failure = failure_of(error, ports.remedies, environment.name, "")
        return EnvironmentCheck(environment.name, False, (failure.message,), mark=mark, failure=failure)
    if mark is None:
        return EnvironmentCheck(environment.name, False, ("no run has made it READY yet",), facts)
    if not mark.ready:
        return EnvironmentCheck(environment.name, False, (mark.because,), facts, mark)
    moved = mark.moved(facts, states)
    if moved and await asyncio.to_thread(ports.readiness.latest, environment.name) != mark:
        return await check(ports, environment, files=files, plan=plan)  # a run ended while we looked
    if moved:
        mark = replace(mark, ready=False, because="; ".join(moved), time=ports.clock.now())
        await asyncio.to_thread(ports.readiness.mark, mark)
        return EnvironmentCheck(environment.name, False, moved, facts, mark)
    missing = _differences(mark, wanted) if wanted is not None else ()
    return EnvironmentCheck(environment.name, not missing, missing or (mark.because,), facts, mark)


async def _look(
    ports: Ports, environment: Environment, mark: ReadyMark | None
) -> tuple[Facts, Mapping[str, FileState] | None]:
    target = await ports.connector.connect(environment)
    try:
        async with asyncio.timeout(PATIENCE):
            facts = await target.facts(FactsQuery(health=True))
            if mark is None:
                return facts, None
            return facts, await target.survey([each.path for each in mark.manifest])
    except TimeoutError as error:
        raise NetworkError(
            "E-STALLED",
            f"{environment.name} did not finish answering within {PATIENCE:.0f} s",
            address=environment.address,
        ) from error
    finally:
        await target.close()


async def _manifest(ports: Ports, plan: Plan, facts: Facts) -> tuple[ManifestEntry, ...]:
    digests = Digests(ports.content)
    return tuple([manifest_entry(file, facts, await digests.of(file.source)) for file in plan.files])


def _differences(mark: ReadyMark, wanted: Sequence[ManifestEntry]) -> tuple[str, ...]:
    """What the plan asks for and the mark's manifest does not have, and the other way round."""
    has = {each.path: each for each in mark.manifest}
    asked = {each.path: each for each in wanted}
    changed = [f"{path} is not what the plan has now" for path in asked if path in has and has[path] != asked[path]]
    new = [f"{path} is in the plan and was not deployed" for path in asked if path not in has]
    gone = [f"{path} was deployed and is not in the plan" for path in has if path not in asked]
    return (*changed, *new, *gone)
