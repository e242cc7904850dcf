"""Ports for servers that are started later than they get their port, or again on the same one."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

ADDRESS = "127.0.0.1"
RESERVED = range(20_000, 32_000)
"""The kernel takes those that it gives away itself from 32768 on (ip_local_port_range): nobody gets one of these."""


def free_port(address: str = ADDRESS) -> int:
    """A TCP port that nobody uses now, and nobody is given by chance before its server has started."""
    for port in random.SystemRandom().sample(RESERVED, 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, port))
            return port
    raise AssertionError("no port is free")
