"""What a server says before it hangs up on us: no SSH at all, or algorithms of which we have none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket

from kdeploy_gui.environments.ssh_algorithms import first_signatures, transport
from kdeploy_gui.environments.ssh_errors import full_server, no_common_algorithm, other_protocol
from kdeploy_gui.environments.tcp import connected, resolved
from kdeploy_gui.model.environment import Environment

_TIMEOUT = 3.0
_FULL = ("Exceeded MaxStartups", "Not allowed at this time")
"""What an OpenSSH server says instead of a greeting when it takes no more logins for now (sshd.c)."""
_LIMIT = 35_000
"""Bytes of a packet that every implementation must take (RFC 4253, 6.1)."""
_KEXINIT, _COOKIE = 20, 16


async def explain_hangup(environment: Environment) -> None:
    """Look once more what a server says first, and raise what explains why it hung up.

    Raises PlanError E-PROTO or E-KEX, or NetworkError E-FULL.
    Its reset may have overtaken what it said on the connection that was lost.
    """
    said = b""
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection(sock=await connected(await resolved(environment)))
        try:
            async with asyncio.timeout(_TIMEOUT):
                writer.write(b"SSH-2.0-kdeploy\r\n\r\n")
                while len(said) < _LIMIT and not _is_whole(said) and (data := await reader.read(4096)):
                    said += data
        finally:
            writer.close()
    line, _, packet = said[:_LIMIT].partition(b"\n")
    if line.startswith(b"SSH-"):
        with suppress(PacketDecodeError, UnicodeDecodeError):
            for reason in _mismatches(packet, environment):
                raise no_common_algorithm(environment, reason)
        return
    greeting = line[:200].strip().decode(errors="replace")
    if greeting.startswith(_FULL):
        raise full_server(environment, greeting)
    if greeting:
        raise other_protocol(environment, greeting)


def _is_whole(said: bytes) -> bool:
    """Whether that is all we want to know: a line, and after one of SSH the packet behind it."""
    line, end, packet = said.partition(b"\n")
    if not line.startswith(b"SSH-"):
        return bool(end) or len(line) > 200
    return len(packet) >= 4 and len(packet) >= 4 + int.from_bytes(packet[:4])


def _mismatches(packet: bytes, environment: Environment) -> Iterator[str]:
    """Kinds of algorithms that the server's first packet and we have none of in common."""
    start = SSHPacket(packet[5:])
    if len(packet) < 5 or start.get_byte() != _KEXINIT:
        return
    start.get_bytes(_COOKIE)
    options = asyncssh.SSHClientConnectionOptions(
        server_host_key_algs=first_signatures(environment), config=None, **transport(environment)
    )
    ours: Sequence[tuple[str, Sequence[bytes]]] = (
        ("key exchange", options.kex_algs),
        ("server host key", [each.encode() for each in first_signatures(environment)]),
        ("encryption", options.encryption_algs),
    )
    for kind, sent in ours:
        received = start.get_namelist()
        if set(sent).isdisjoint(received):
            yield f"No matching {kind} algorithm found, sent {_joined(sent)} and received {_joined(received)}"


def _joined(names: Sequence[bytes]) -> str:
    return ",".join(each.decode("ascii") for each in names)
