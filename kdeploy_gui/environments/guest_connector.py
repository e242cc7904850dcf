"""The way to guests whose address nobody wrote down: their hypervisor is asked for it, at each contact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.ports import Connector, Guests, Target


class GuestConnector:
    """The `Connector` port before another one. Raises what that raises, and what `Guests.address` raises."""

    def __init__(self, connector: Connector, guests: Guests) -> None:
        self._connector = connector
        self._guests = guests

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        return await self._connector.connect(await self._found(environment))

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        """See `Connector.approach`."""
        return await self._connector.approach(await self._found(environment), tell)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """See `Connector.host_key`."""
        return await self._connector.host_key(await self._found(environment), algorithm)

    async def _found(self, environment: Environment) -> Environment:
        if environment.host or not environment.is_guest:
            return environment
        return replace(environment, host=await self._guests.address(environment))
