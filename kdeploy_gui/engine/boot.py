"""The way to a machine that may be switched off, or still be booting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kdeploy_gui import defaults
from kdeploy_gui.errors import NetworkError, NotBooted
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.event import Body, FactFound, StageProgress
from kdeploy_gui.ports import Clock, Connector, PowerSupply, Target

DOWN = frozenset({"E-REFUSED", "E-TIMEOUT", "E-UNREACHABLE", "E-LOST"})
"""How machines fail to answer that are off or booting: closed port, silence, no such neighbour, no greeting."""


@dataclass(kw_only=True)
class Boot:
    """Reaches one machine of one run; `output` stores what a power command says."""

    environment: Environment
    connector: Connector
    power: PowerSupply
    clock: Clock
    emit: Callable[[Body], None]
    output: Callable[[bytes], None]
    _is_switched: bool = False

    async def reach(self) -> Target:
        """The connected machine. One that does not answer is switched on, once a run, and waited for.

        With `autostart` and a command for it, that is; one that kdeploy switched on a moment ago, or that has a
        `boot_timeout`, is only waited for. Raises NotBooted, else what `Connector.connect` and `PowerSupply.run` raise.
        """
        try:
            return await self.connector.connect(self.environment)
        except NetworkError as error:
            limit = await self._limit() if is_down(error) else 0.0
            if not limit:
                raise
            return await self._waited_for(limit, error)

    async def _limit(self) -> float:
        """Seconds to wait, 0: not at all; switches it on where that is due."""
        environment = self.environment
        limit = environment.boot_timeout or defaults.BOOT_TIMEOUT
        on_for = await self.power.on_for(environment)
        if on_for is not None and on_for < limit:
            return limit
        if environment.autostart and environment.power.on:
            await self._switch_on()
            return limit
        return environment.boot_timeout

    async def _switch_on(self) -> None:
        if self._is_switched:
            return
        self._is_switched = True
        self.emit(StageProgress(0, 0, "", f"switching it on: {self.environment.power.on}"))
        done = await self.power.run(self.environment, PowerAction.ON)
        self.emit(FactFound("power", "switched on by this run: it did not answer"))
        if done.stdout:
            self.output(done.stdout)

    async def _waited_for(self, limit: float, last: NetworkError) -> Target:
        started = tried = self.clock.monotonic()
        while (passed := self.clock.monotonic() - started) < limit:
            words = f"waiting for boot, {passed:.0f} s of {limit:.0f} s"
            self.emit(StageProgress(round(passed), 0, "s", words))
            pause = tried + defaults.BOOT_POLL - self.clock.monotonic()
            await self.clock.sleep(max(0.0, min(pause, limit - passed)))
            tried = self.clock.monotonic()
            try:
                target = await self.connector.connect(self.environment)
            except NetworkError as error:
                if not is_down(error):
                    raise
                last = error
            else:
                self.emit(StageProgress(0, 0, "", f"it answers after {self.clock.monotonic() - started:.0f} s"))
                return target
        raise self._not_booted(limit, last)

    def _not_booted(self, limit: float, last: NetworkError) -> NotBooted:
        since = " after it was switched on" if self._is_switched else ""
        message = f"{self.environment.name} did not answer within {limit:.0f} s{since}: {last.message}"
        return NotBooted("E-BOOT", message, on_target=last.on_target, evidence=last.evidence, limit=f"{limit:.0f}")


def is_down(error: NetworkError) -> bool:
    """Whether the machine itself, no jump host before it, may just not be up."""
    return error.code in DOWN and not error.hop
