"""TCP connections, and which server an address stands for."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from kdeploy_gui import defaults
from kdeploy_gui.model.environment import Environment


class Address(NamedTuple):
    """What a name stands for (`socket.getaddrinfo`)."""

    family: socket.AddressFamily
    kind: socket.SocketKind
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        """The address in figures."""
        return str(self.sockaddr[0])

    @property
    def place(self) -> Hashable:
        """Which server that is: all loopback addresses are this machine."""
        is_own = ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        return ("loopback" if is_own else self.host, self.sockaddr[1])


async def resolved(environment: Environment) -> Sequence[Address]:
    """The addresses behind a name. Raises OSError, and TimeoutError after `defaults.CONNECT_TIMEOUT`."""
    async with asyncio.timeout(defaults.CONNECT_TIMEOUT):
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(environment.host, environment.port, type=socket.SOCK_STREAM)
    return [Address(family, kind, address) for family, kind, _, _, address in found]


async def connected(found: Sequence[Address]) -> socket.socket:
    """A connected socket. Raises OSError, and TimeoutError after `defaults.CONNECT_TIMEOUT`."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    async with asyncio.timeout(defaults.CONNECT_TIMEOUT):
        for each in found:
            with ExitStack() as unless_used:
                connection = unless_used.enter_context(socket.socket(each.family, each.kind))
                connection.setblocking(False)
                try:
                    await loop.sock_connect(connection, each.sockaddr)
                except OSError as error:
                    failure = error
                else:
                    unless_used.pop_all()
                    return connection
    raise failure
