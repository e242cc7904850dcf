"""One SSH connection: the TCP connection or the channel through a jump host, the machine's identity, the login."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.ssh_algorithms import first_signatures, signatures, transport
from kdeploy_gui.environments.ssh_errors import (
    NOTHING_SENT,
    closed_port,
    credential,
    explained,
    is_refusal,
    login_timeout,
    refused,
    unfinished_login,
)
from kdeploy_gui.environments.ssh_gate import Gate
from kdeploy_gui.environments.ssh_greeting import explain_hangup
from kdeploy_gui.environments.ssh_keys import Credentials, Keys
from kdeploy_gui.environments.ssh_trust import (
    HostKeyClient,
    Tell,
    not_trusted,
    passed,
    revoked_keys,
    untold,
)
from kdeploy_gui.environments.tcp import connected, resolved
from kdeploy_gui.errors import Evidence, KdeployError, PlanError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey


@dataclass(frozen=True, slots=True)
class Hop:
    """A machine, and the connection to the jump host it is reached through."""

    environment: Environment
    tunnel: asyncssh.SSHClientConnection | None = None
    jumps: tuple[Environment, ...] = ()


@dataclass(frozen=True, slots=True)
class _Route:
    """How bytes get to a machine, and the place at the gate that it is."""

    place: Hashable
    tunnel: asyncssh.SSHClientConnection | tuple[()] = ()
    connection: socket.socket | None = None


class Dialer:
    """Makes verified connections, a few at a time per server."""

    def __init__(self, keys: Keys, gate: Gate) -> None:
        self._keys = keys
        self._gate = gate

    async def dial(self, hop: Hop, tell: Tell = untold) -> asyncssh.SSHClientConnection:
        """A connection that is logged in; the machine has proved that it is the one meant. Raises KdeployError."""
        environment = hop.environment
        try:
            credentials = await self._keys.credentials(environment)
        except KdeployError:
            tell(CheckStep(CheckPart.LOGIN, CheckOutcome.FAILED))
            raise
        with explained(environment, NOTHING_SENT):
            connection = await self._verified(hop, credentials, tell)
        method = next(iter(connection.get_server_auth_methods()), "none")
        tell(passed(CheckPart.LOGIN, f"as {environment.user} with {credential(environment)} ({method})"))
        return connection

    async def host_key(self, hop: Hop, algorithm: str) -> HostKey:
        """The key that the machine offers; see `Connector.host_key`."""
        environment = hop.environment
        algorithms = transport(environment)
        with explained(environment, NOTHING_SENT):
            try:
                async with self._route(hop, untold) as route, _in_login_time(environment):
                    key = await asyncssh.get_server_host_key(
                        environment.host,
                        environment.port,
                        tunnel=route.tunnel,
                        sock=route.connection,
                        server_host_key_algs=signatures(environment, algorithm),
                        kex_algs=algorithms["kex_algs"],
                        options=asyncssh.SSHClientConnectionOptions(**algorithms, config=None),
                        config=None,
                    )
            except (asyncssh.Error, ConnectionError) as error:
                if not algorithm:
                    if isinstance(error, asyncssh.ConnectionLost | ConnectionError) and hop.tunnel is None:
                        await explain_hangup(environment)
                    raise
                message = f"{environment.address} proves itself with no {algorithm} key"
                raise PlanError("E-KEX", message, on_target=NOTHING_SENT, host=environment.address) from error
        if key is None:
            raise PlanError("E-PROTO", f"{environment.address} offers no host key", address=environment.address)
        return HostKey.read(key.public_data)

    async def _verified(self, hop: Hop, credentials: Credentials, tell: Tell) -> asyncssh.SSHClientConnection:
        """A login at the machine that is meant; it may offer a key of another algorithm than the pinned one first."""
        environment = hop.environment
        client = HostKeyClient(environment, tell)
        try:
            connection = await self._login(hop, client, credentials, tell, first_signatures(environment))
        except asyncssh.HostKeyNotVerifiable as error:
            return await self._verified_otherwise(hop, client, credentials, tell, error)
        except Exception as error:
            client.tell_port()
            client.tell_certificate()
            if is_refusal(error):
                raise refused(environment, error, client.accepted) from error
            raise
        client.tell_certificate()
        return connection

    async def _verified_otherwise(
        self,
        hop: Hop,
        first: HostKeyClient,
        credentials: Credentials,
        tell: Tell,
        error: asyncssh.HostKeyNotVerifiable,
    ) -> asyncssh.SSHClientConnection:
        """Ask for keys of the other algorithms. Raises TrustError where none of them is pinned."""
        environment = hop.environment
        seen = [first]
        is_revoked = "revoked" in error.reason
        for algorithm in ALGORITHMS if environment.host_keys and not is_revoked else ():
            if first.offered is None or algorithm != first.offered.algorithm:
                other = HostKeyClient(environment, lambda step: _tell_key(step, tell))
                seen.append(other)
                try:
                    return await self._login(hop, other, credentials, untold, signatures(environment, algorithm))
                except (asyncssh.Error, OSError, KdeployError):
                    if other.is_satisfied:  # else it has none of that algorithm, and most servers just hang up
                        raise
        offered = next((each.offered for each in seen if each.offered is not None), None)
        tell(CheckStep(CheckPart.HOST_KEY, CheckOutcome.FAILED, offered=offered))
        raise not_trusted(environment, seen, error.reason) from error

    async def _login(
        self, hop: Hop, client: HostKeyClient, credentials: Credentials, tell: Tell, algorithms: Sequence[str]
    ) -> asyncssh.SSHClientConnection:
        """The TCP connection gets its own, shorter time: a slow board may need long for its key exchange."""
        environment = hop.environment
        is_first = algorithms == first_signatures(environment)
        started = time.monotonic()
        async with credentials.shown() as shown, self._route(hop, tell) as route:
            if hop.tunnel is None:
                client.answered = f"answers in {duration(time.monotonic() - started)}, "
            try:
                return await asyncssh.connect(
                    environment.host,
                    environment.port,
                    tunnel=route.tunnel,
                    sock=route.connection,
                    username=environment.user,
                    client_factory=lambda: client,
                    known_hosts=([], [], revoked_keys(environment)),
                    server_host_key_algs=algorithms,
                    **transport(environment),
                    config=None,
                    login_timeout=login_timeout(environment),
                    keepalive_interval=defaults.KEEPALIVE_INTERVAL,
                    keepalive_count_max=defaults.KEEPALIVE_COUNT,
                    **shown,
                )
            except asyncssh.DisconnectError as error:
                if is_refusal(error):
                    self._gate.refused(route.place)
                if isinstance(error, asyncssh.ConnectionLost) and hop.tunnel is None and is_first:
                    await explain_hangup(environment)
                raise
            except ConnectionResetError:
                if hop.tunnel is None and is_first:
                    await explain_hangup(environment)
                raise
            except asyncssh.ChannelOpenError as error:
                message = f"{environment.jump} cannot reach {environment.host}:{environment.port}: {error.reason}"
                raise closed_port(environment, message, Evidence(stderr=str(error))) from error

    @asynccontextmanager
    async def _route(self, hop: Hop, tell: Tell) -> AsyncIterator[_Route]:
        """The route to a machine, while this visit is one of the few allowed at a time."""
        environment = hop.environment
        if hop.tunnel is not None:
            tell(passed(CheckPart.ADDRESS, f"{environment.host}, as {environment.jump} knows it"))
            inner: Hashable = (hop.jumps, environment.host, environment.port)
            async with self._gate.visit(inner, hop.jumps):
                yield _Route(inner, tunnel=hop.tunnel)
            return
        found = await resolved(environment)
        tell(passed(CheckPart.ADDRESS, ", ".join(dict.fromkeys(each.host for each in found))))
        place = found[0].place
        async with self._gate.visit(place):
            connection = await connected(found)
            try:
                yield _Route(place, connection=connection)
            except asyncio.CancelledError:
                connection.close()  # asyncssh closes it only once it has begun to use it
                raise


@asynccontextmanager
async def _in_login_time(environment: Environment) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(login_timeout(environment)):
            yield
    except TimeoutError as error:
        raise unfinished_login(environment, NOTHING_SENT) from error


def _tell_key(step: CheckStep, tell: Tell) -> None:
    if step.part is CheckPart.HOST_KEY:
        tell(step)
