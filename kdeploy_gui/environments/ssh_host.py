"""A physical machine, or a guest, over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.environments.ssh_connect import Dialer
from kdeploy_gui.environments.ssh_gate import Gate
from kdeploy_gui.environments.ssh_keys import Keys
from kdeploy_gui.environments.ssh_pool import Connections, Lease
from kdeploy_gui.environments.ssh_shell import SshShell
from kdeploy_gui.environments.ssh_sudo import Ask, Plain, Sudo
from kdeploy_gui.environments.ssh_trust import Tell
from kdeploy_gui.errors import KdeployError, PlanError
from kdeploy_gui.model.environment import Become, Environment
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.ports import Clock, Content, Secrets, Target


class SshConnector:
    """The `Connector` port: pinned or certified host keys only, key files and the agent, few logins at once per server.

    `owner` tells those who share this workstation's environment locks from everybody else, `lookup` finds jump hosts.
    Connections stay open for `keep` seconds after their use; all verbs belong to one event loop.
    """

    def __init__(
        self,
        content: Content,
        secrets: Secrets,
        lookup: Callable[[str], Environment | None],
        owner: str = "",
        *,
        keep: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self._content = content
        self._secrets = secrets
        self._lookup = lookup
        self._owner = owner
        self._keys = Keys(secrets)
        self._passwords: dict[Environment, str] = {}
        self._dialer = Dialer(self._keys, Gate(clock or SystemClock()))
        self._connections = Connections(self._dialer.dial, keep)

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        return self._target(environment, await self._connections.lease(self._way(environment)))

    async def approach(self, environment: Environment, tell: Tell) -> Target:
        """See `Connector.approach`; never over a connection that was kept."""
        return self._target(environment, await self._connections.new(self._way(environment), tell))

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """See `Connector.host_key`."""
        async with self._connections.hop(self._way(environment)) as hop:
            return await self._dialer.host_key(hop, algorithm)

    async def locked_keys(self, environments: Iterable[Environment]) -> tuple[str, ...]:
        """Key files on the ways to machines that only a passphrase opens which is written down nowhere."""
        hops = dict.fromkeys(hop for each in environments for hop in self._way(each))
        return tuple(dict.fromkeys([each.identity_file for each in hops if await self._keys.is_locked(each)]))

    async def unlock(self, key: str, passphrase: str) -> None:
        """Open a key file for the life of this connector. Raises AuthError E-PASSPHRASE, PlanError E-KEYFILE."""
        await asyncio.to_thread(self._keys.unlock, key, passphrase)

    async def sudo_asks(self, environments: Sequence[Environment]) -> tuple[Environment, ...]:
        """Machines whose sudo asks for a password that is written down nowhere; those out of reach are left out."""
        candidates = [each for each in environments if self._is_unanswered(each)]
        answers = await asyncio.gather(*(self._sudo_refusal(each, None) for each in candidates))
        return tuple(each for each, code in zip(candidates, answers, strict=True) if code == "E-SUDO-MISSING")

    async def give_sudo(self, environment: Environment, password: str) -> bool:
        """Take a password of sudo for the life of this connector, unless the machine's sudo does not accept it."""
        if await self._sudo_refusal(environment, password) == "E-SUDO-PASSWORD":
            return False
        self._passwords[environment] = password
        return True

    def _is_unanswered(self, environment: Environment) -> bool:
        asks = environment.become is Become.SUDO and not environment.become_credential
        return asks and environment not in self._passwords

    async def _sudo_refusal(self, environment: Environment, password: str | None) -> str:
        """The code of the error that becoming root ends with, empty where it works."""
        try:
            lease = await self._connections.lease(self._way(environment))
            shell = SshShell(environment, lease, Sudo(environment, _always(password) if password else None))
            try:
                await shell.run("true")
            finally:
                await shell.close()
        except KdeployError as error:
            return error.code
        return ""

    async def close(self) -> None:
        """Close the connections that were kept."""
        await self._connections.close()

    def _target(self, environment: Environment, lease: Lease) -> Target:
        shell = SshShell(environment, lease, self._become(environment))
        owner = f"{self._owner}-{environment.name}" if self._owner else ""
        return ShellTarget(shell, self._content, owner, lease.unmoving)

    def _become(self, environment: Environment) -> Plain | Sudo:
        if environment.become is Become.NONE:
            return Plain()
        if name := environment.become_credential:
            return Sudo(environment, lambda: asyncio.to_thread(self._secrets.get, name))
        password = self._passwords.get(environment)
        return Sudo(environment, _always(password) if password else None)

    def _way(self, environment: Environment) -> tuple[Environment, ...]:
        """The jump hosts and the machine, in order. Raises PlanError E-LAB-UNKNOWN."""
        way: tuple[Environment, ...] = (environment,)
        while jump := way[0].jump:
            gateway = way[0].jump_address or self._lookup(jump)
            if gateway is None:
                raise PlanError("E-LAB-UNKNOWN", f"the jump host {jump} is not in the lab file")
            if gateway in way:
                raise PlanError("E-LAB-UNKNOWN", f"the jump hosts lead in a circle: {jump}")
            way = (gateway, *way)
        return way


def _always(password: str) -> Ask:
    async def answer() -> str:
        return password

    return answer
