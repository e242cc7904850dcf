"""The way to a machine, part by part: what a form shows before an environment is saved. Changes nothing anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.guest import explained
from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.errors import KdeployError, NetworkError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep, EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.figures import size

PATIENCE = 30.0
"""Seconds for the facts of a machine that has let us in."""


async def examine(ports: Ports, environment: Environment, tell: Callable[[CheckStep], None]) -> EnvironmentCheck:
    """Go to a machine and `tell` every part of the way once, in order; those that a failure leaves out as not tried.

    Nothing is sent to a machine that is not trusted. The environment need not be in a lab file.
    """
    way = _Way(tell)
    try:
        target = await ports.connector.approach(environment, way.heard)
        try:
            facts = await _facts(target.facts(FactsQuery(health=True)), environment)
        finally:
            await target.close()
    except KdeployError as error:
        told = await explained(ports.guests, environment, error)
        failure = failure_of(told, ports.remedies, environment.name, "")
        way.failed(failure)
        return EnvironmentCheck(environment.name, False, (failure.message,), failure=failure)
    way.heard(CheckStep(CheckPart.FACTS, CheckOutcome.OK, _words(facts)))
    return EnvironmentCheck(environment.name, False, (), facts)


async def _facts(asked: Awaitable[Facts], environment: Environment) -> Facts:
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked
    except TimeoutError as error:
        message = f"{environment.name} let us in, but did not answer within {PATIENCE:.0f} s"
        raise NetworkError("E-STALLED", message, address=environment.address) from error


def _words(facts: Facts) -> str:
    memory = f"{size(facts.memory_available)} of {size(facts.memory_total)} memory free"
    return ", ".join((facts.kernel_release, facts.machine, memory, facts.package_manager or "no package manager"))


class _Way:
    """Which parts were told. A connector names the failed one where it is not simply the next."""

    def __init__(self, tell: Callable[[CheckStep], None]) -> None:
        self._tell = tell
        self._left = list(CheckPart)
        self._refused: CheckStep | None = None

    def heard(self, step: CheckStep) -> None:
        if step.outcome is CheckOutcome.OK and step.part in self._left:
            self._left.remove(step.part)
            self._tell(step)
        elif step.outcome is CheckOutcome.FAILED:
            self._refused = step

    def failed(self, failure: Failure) -> None:
        broken = self._refused or CheckStep(self._left[0], CheckOutcome.FAILED)
        for part in self._left:
            if part is broken.part:
                self._tell(replace(broken, text=failure.message, failure=failure))
            else:
                self._tell(CheckStep(part, CheckOutcome.NOT_TRIED))
