"""Is an environment READY right now? Looks, changes nothing there, and drops a mark that no longer holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kdeploy_gui.engine.context import Digests, Ports, manifest_entry
from kdeploy_gui.engine.guest import explained, told_state
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
    ports: Ports, environment: Environment, *, files: bool = True, plan: Plan | None = None, folders: Sequence[str] = ()
) -> EnvironmentCheck:
    """Connect and compare the machine with its newest mark: boot, kernel, instruments, the files too unless `files` is
    False, and the manifest that `plan` would deploy where one is given. The facts tell `folders`, too. Of a guest its
    hypervisor is asked."""
    found = await _checked(ports, environment, files=files, plan=plan, folders=folders)
    return replace(found, guest=await told_state(ports.guests, environment)) if environment.is_guest else found


async def _checked(
    ports: Ports, environment: Environment, *, files: bool, plan: Plan | None, folders: Sequence[str]
) -> EnvironmentCheck:
    mark = await asyncio.to_thread(ports.readiness.latest, environment.name)
    try:
        facts, states, lost = await _look(ports, environment, mark, files, folders)
        wanted = await _manifest(ports, plan, facts) if plan is not None else None
    except KdeployError as error:
        told = await explained(ports.guests, environment, error)
        failure = failure_of(told, ports.remedies, environment.name, "")
        return EnvironmentCheck(environment.name, False, (failure.message,), mark=mark, failure=failure)
    if mark is None:
        return EnvironmentCheck(environment.name, False, ("no run has made it READY yet",), facts)
    if not mark.ready:
        return EnvironmentCheck(environment.name, False, (mark.because,), facts, mark)
    moved = (*mark.moved(facts, states), *lost)
    if moved and await asyncio.to_thread(ports.readiness.latest, environment.name) != mark:
        # a run ended while we looked
        return await _checked(ports, environment, files=files, plan=plan, folders=folders)
    if moved:
        mark = replace(mark, ready=False, because="; ".join(moved), time=ports.clock.now())
        await asyncio.to_thread(ports.readiness.mark, mark)
        return EnvironmentCheck(environment.name, False, moved, facts, mark)
    missing = _differences(mark, wanted) if wanted is not None else ()
    return EnvironmentCheck(environment.name, not missing, missing or (mark.because,), facts, mark)


async def _look(
    ports: Ports, environment: Environment, mark: ReadyMark | None, files: bool, folders: Sequence[str]
) -> tuple[Facts, Mapping[str, FileState] | None, tuple[str, ...]]:
    """Facts, files where they matter, and instruments that were lost; of another boot nothing else is worth asking."""
    target = await ports.connector.connect(environment)
    try:
        async with asyncio.timeout(PATIENCE):
            paths = tuple(each.path for each in mark.manifest) if files and mark is not None and mark.ready else ()
            facts = await target.facts(FactsQuery(folders=tuple(folders), health=True, files=paths))
            if mark is None or not mark.ready:
                return facts, None, ()
            lost: tuple[str, ...] = ()
            if mark.relied_on and facts.boot_id == mark.boot_id:
                lost = mark.lost(await ports.instruments.detect(target, mark.relied_on))
            return replace(facts, files={}), facts.files if files else None, lost
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
