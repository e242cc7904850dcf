"""The way to a machine that may be switched off, or still be booting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kdeploy_gui import defaults
from kdeploy_gui.engine.guest import state_error
from kdeploy_gui.errors import GuestError, HypervisorLost, KdeployError, NetworkError, NotBooted
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.event import Body, FactFound, StageProgress
from kdeploy_gui.model.guest import GuestStatus
from kdeploy_gui.ports import Clock, Connector, Guests, PowerSupply, Target

DOWN = frozenset({"E-REFUSED", "E-TIMEOUT", "E-UNREACHABLE", "E-LOST", "E-GUEST-ADDRESS"})
"""How machines fail to answer that are off or booting: closed port, silence, no neighbour, no greeting, no lease."""


@dataclass(kw_only=True)
class Boot:
    """Reaches one machine of one run; `output` stores what a power command says, `switched_on` is told then."""

    environment: Environment
    connector: Connector
    power: PowerSupply
    guests: Guests
    clock: Clock
    emit: Callable[[Body], None]
    output: Callable[[bytes], None]
    switched_on: Callable[[], None] = lambda: None
    _is_switched: bool = False

    async def reach(self) -> Target:
        """The connected machine. One that does not answer is switched on, once a run, and waited for.

        With `autostart` and a command for it, that is, or a hypervisor; one that kdeploy switched on a moment ago, or
        that has a `boot_timeout`, is only waited for. Raises NotBooted, else what `Connector.connect`,
        `PowerSupply.run` and `Guests.start` raise.
        """
        try:
            return await self.connector.connect(self.environment)
        except (NetworkError, GuestError) as error:
            limit = await self._limit() if is_down(error) else 0.0
            if not limit:
                raise
            return await self._waited_for(limit, error)

    async def come_up(self) -> Target:
        """The machine that was started a moment ago, however long it may take to boot. Raises as `reach`."""
        self._is_switched = True
        started = NetworkError("E-TIMEOUT", "it was started a moment ago")
        return await self._waited_for(self.environment.boot_timeout or defaults.BOOT_TIMEOUT, started)

    async def _limit(self) -> float:
        """Seconds to wait, 0: not at all; switches it on where that is due."""
        environment = self.environment
        limit = environment.boot_timeout or defaults.BOOT_TIMEOUT
        if environment.is_guest:
            return limit if environment.autostart and await self._start() else environment.boot_timeout
        on_for = await self.power.on_for(environment)
        if on_for is not None and on_for < limit:
            return limit
        if environment.autostart and environment.power.on:
            await self._switch_on()
            return limit
        return environment.boot_timeout

    async def _start(self) -> bool:
        """Start a guest that is off, once a run; False: it is not ours to wait for. Raises GuestError."""
        status = await self.guests.status(self.environment)
        if not status.state.is_down:
            down = state_error(self.environment, status)
            if down is not None:
                raise down
            return True
        if self._is_switched:
            return False
        self._is_switched = True
        self.emit(StageProgress(0, 0, "", f"starting the guest {self.environment.domain}"))
        await self.guests.start(self.environment)
        self.switched_on()
        self.emit(FactFound("power", f"started by this run: it was {status.text}"))
        return True

    async def _switch_on(self) -> None:
        if self._is_switched:
            return
        self._is_switched = True
        self.emit(StageProgress(0, 0, "", f"switching it on: {self.environment.power.on}"))
        done = await self.power.run(self.environment, PowerAction.ON)
        self.switched_on()
        self.emit(FactFound("power", "switched on by this run: it did not answer"))
        if done.stdout:
            self.output(done.stdout)

    async def _waited_for(self, limit: float, last: KdeployError) -> Target:
        started = tried = self.clock.monotonic()
        while (passed := self.clock.monotonic() - started) < limit:
            words = f"waiting for boot, {passed:.0f} s of {limit:.0f} s"
            self.emit(StageProgress(round(passed), 0, "s", words))
            pause = tried + defaults.BOOT_POLL - self.clock.monotonic()
            await self.clock.sleep(max(0.0, min(pause, limit - passed)))
            tried = self.clock.monotonic()
            try:
                target = await self.connector.connect(self.environment)
            except (NetworkError, GuestError) as error:
                if not is_down(error):
                    raise
                last = error
                await self._look_after()
            else:
                self.emit(StageProgress(0, 0, "", f"it answers after {self.clock.monotonic() - started:.0f} s"))
                return target
        raise self._not_booted(limit, last)

    async def _look_after(self) -> None:
        """Raise GuestError where the guest that this run started has ended while it is waited for.

        A hypervisor that is too busy to answer says nothing about that.
        """
        if not self.environment.is_guest or not self._is_switched:
            return
        try:
            status: GuestStatus = await self.guests.status(self.environment)
        except HypervisorLost:
            return
        down = state_error(self.environment, status)
        if down is not None:
            raise down

    def _not_booted(self, limit: float, last: KdeployError) -> NotBooted:
        since = " after it was switched on" if self._is_switched else ""
        message = f"{self.environment.name} did not answer within {limit:.0f} s{since}: {last.message}"
        return NotBooted("E-BOOT", message, on_target=last.on_target, evidence=last.evidence, limit=f"{limit:.0f}")


@asynccontextmanager
async def connected(connector: Connector, environment: Environment) -> AsyncIterator[Target]:
    """The machine as long as it is needed. Raises what `Connector.connect` raises."""
    target = await connector.connect(environment)
    try:
        yield target
    finally:
        await target.close()


def is_down(error: KdeployError) -> bool:
    """Whether the machine itself, no jump host before it, may just not be up."""
    return error.code in DOWN and not error.hop
