"""What an environment shall be able to reach: `tcp://HOST:PORT`, `dns:NAME`, `icmp:HOST`."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORKSTATION = "workstation"
"""Stands for the address that the machine sees us come from: the way back."""
_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})"
_SIX = r"[0-9A-Fa-f:.]{2,45}"
_TCP = re.compile(rf"tcp://(?:\[(?P<six>{_SIX})\]|(?P<host>{_HOST})):(?P<port>[0-9]{{1,5}})", re.ASCII)
_OTHER = re.compile(rf"(?P<kind>dns|icmp):(?P<host>{_HOST}|{_SIX})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reach:
    """One thing to reach; `port` 0 where there is none."""

    kind: str
    host: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Reach:
        """Read one. Raises ValueError that says how they are written."""
        if found := _TCP.fullmatch(text):
            port = int(found["port"])
            if 1 <= port <= 65535:
                return cls("tcp", found["six"] or found["host"], port)
        elif found := _OTHER.fullmatch(text):
            return cls(found["kind"], found["host"])
        raise ValueError('must be like "tcp://192.0.2.1:80", "dns:example.org" or "icmp:192.0.2.1"')

    def __str__(self) -> str:
        if self.kind == "tcp":
            return f"tcp://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        return f"{self.kind}:{self.host}"
