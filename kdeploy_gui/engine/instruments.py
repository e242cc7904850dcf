"""How the instruments of one environment are, outside a run."""

from __future__ import annotations

import asyncio
from collections.abc import Container

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.engine.stages.instrument import state_of, with_kernels
from kdeploy_gui.errors import KdeployError, TargetError
from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.instrument import Finding
from kdeploy_gui.model.plan import Want
from kdeploy_gui.ports import Target


async def look(ports: Ports, environment: Environment, *, prove: bool = False) -> InstrumentLook:
    """Every instrument of the catalogue, as it is there now. Nothing changes, or only while it is proven."""
    mark = await asyncio.to_thread(ports.readiness.latest, environment.name)
    wanted = mark.instruments if mark is not None else {}
    try:
        target = await ports.connector.connect(environment)
        try:
            rows = await (_proven if prove else _seen)(ports, target, environment, wanted)
        finally:
            await target.close()
    except KdeployError as error:
        failure = failure_of(error, ports.remedies, environment.name, "")
        return InstrumentLook(environment.name, ports.clock.now(), failure=failure)
    return InstrumentLook(environment.name, ports.clock.now(), rows)


async def _seen(
    ports: Ports, target: Target, environment: Environment, wanted: Container[str]
) -> tuple[InstrumentState, ...]:
    found = await ports.instruments.detect(target, [each.name for each in ports.instruments.all()])
    return tuple(_row(each, environment, wanted) for each in found.values())


async def _proven(
    ports: Ports, target: Target, environment: Environment, wanted: Container[str]
) -> tuple[InstrumentState, ...]:
    """What can only be seen through a file system that is not mounted is looked for while it is."""
    instruments = ports.instruments
    machine = (await target.facts(FactsQuery())).machine
    found = await instruments.detect(target, [each.name for each in instruments.all()])
    hidden = [each for each in found.values() if instruments.curable(each)]
    mounted = await instruments.switch(target, hidden, mounts_only=True)
    try:
        if mounted:
            found = await instruments.detect(target, list(found))
        rows = [_row(await instruments.prove(target, each, machine), environment, wanted) for each in found.values()]
    finally:
        left = await asyncio.shield(asyncio.ensure_future(instruments.take_back(target, mounted)))
    if left:
        words = "; ".join(f"{path}: {why}" for path, why in left.items())
        raise TargetError(
            "E-NOT-RESTORED", f"what was mounted to prove instruments is still there: {words}", left=words
        )
    return tuple(rows)


def _row(found: Finding, environment: Environment, wanted: Container[str]) -> InstrumentState:
    want = Want.WANTED if found.instrument in wanted else Want.OFF
    return state_of(with_kernels(found, environment), want)
