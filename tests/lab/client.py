"""A plain SSH client that owes nothing to kdeploy's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from kdeploy_gui.model.environment import Environment


@asynccontextmanager
async def client(environment: Environment) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection that is logged in; whether the host key is the pinned one is for the caller to look at."""
    async with asyncssh.connect(
        environment.host,
        environment.port,
        username=environment.user,
        client_keys=[environment.identity_file],
        known_hosts=None,
        config=None,
        agent_path=None,
    ) as connection:
        yield connection


def offered_key(connection: asyncssh.SSHClientConnection) -> str:
    """Fingerprint of the key that the server showed."""
    key = connection.get_server_host_key()
    assert key is not None
    return key.get_fingerprint()


async def output_of(environment: Environment, command: str) -> str:
    """stdout of a command that succeeds, stripped."""
    async with client(environment) as connection:
        done = await connection.run(command, check=True)
        return str(done.stdout).strip()
