"""Looks at READY environments now and then, and drops a mark that no longer holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from kdeploy_gui import defaults
from kdeploy_gui.engine import readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment

JITTER = 0.2
"""Part of an interval by which looks are spread, so that machines of a lab are not all asked at once."""
AT_ONCE = 8
"""Environments that are looked at together."""
TURN = 1.0
"""Seconds between two looks at what is due."""


class Monitor:
    """Looks at facts and instruments, not at files: one connection and one or two round trips each time.

    `environments` are those of now; `tell` is given every look, on the event loop.
    """

    def __init__(
        self,
        ports: Ports,
        environments: Callable[[], Sequence[Environment]],
        tell: Callable[[EnvironmentCheck], None],
    ) -> None:
        self._ports = ports
        self._environments = environments
        self._tell = tell
        self._due: dict[str, float] = {}
        self._doors = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as looks:
            going: dict[str, asyncio.Task[None]] = {}
            while True:
                for each in await asyncio.to_thread(self._environments):
                    ended = each.name not in going or going[each.name].done()
                    if ended and self._is_due(each):
                        going[each.name] = looks.create_task(self._look(each))
                await self._ports.clock.sleep(TURN)

    def _is_due(self, environment: Environment) -> bool:
        """Whether it is time; the first look at a machine comes at some moment of its first interval."""
        now = self._ports.clock.monotonic()
        if environment.name not in self._due:
            self._due[environment.name] = now + interval(environment) * random.random()  # noqa: S311 - no secret
        if now < self._due[environment.name]:
            return False
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        self._due[environment.name] = now + interval(environment) * spread
        return True

    async def _look(self, environment: Environment) -> None:
        mark = await asyncio.to_thread(self._ports.readiness.latest, environment.name)
        if mark is None or not mark.ready:
            return
        async with self._doors:
            self._tell(await readiness.check(self._ports, environment, files=False))


def interval(environment: Environment) -> float:
    """Seconds between two looks at an environment."""
    return environment.monitor or defaults.MONITOR_INTERVAL
