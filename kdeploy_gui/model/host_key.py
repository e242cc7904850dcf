"""The key that proves which machine answers, and its picture that people compare."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

ALGORITHMS = ("ED25519", "ECDSA", "RSA")
"""What hosts prove themselves with, the one that is asked for first in front."""

_CURVE = re.compile(r"ecdsa-sha2-nistp(\d{3})", re.ASCII)
_COLUMNS, _ROWS = 17, 9
_MARKS = " .o+=*BOX@%&#/^SE"
"""One for each number of visits, the most for the rest, then those of start and end (OpenSSH: sshkey.c)."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host key as `ssh-keygen -lv` shows it: `SHA256:...`, `ED25519`, and the picture, 11 lines."""

    fingerprint: str
    algorithm: str
    randomart: str

    @classmethod
    def read(cls, blob: bytes) -> Self:
        """The public key in the form in which SSH sends it (RFC 4253, 6.6). Raises ValueError where it is none."""
        kind, *numbers = _strings(blob)
        name = kind.decode("ascii")
        fingerprint = f"SHA256:{b64encode(sha256(blob).digest()).decode().rstrip('=')}"
        if name == "ssh-rsa" and len(numbers) > 1:
            algorithm, bits = "RSA", int.from_bytes(numbers[1]).bit_length()
        elif curve := _CURVE.fullmatch(name):
            algorithm, bits = "ECDSA", int(curve.group(1))
        else:
            algorithm, bits = name.removeprefix("ssh-").upper(), 8 * len(numbers[0]) if numbers else 0
        return cls(fingerprint, algorithm, randomart(fingerprint, f"{algorithm} {bits}"))

    @classmethod
    def parse(cls, line: str) -> Self:
        """A public key as OpenSSH writes it: `ssh-ed25519 AAAA... comment`. Raises ValueError where it is none."""
        kind, encoded = (*line.split(None, 2), "", "")[:2]
        blob = b64decode(encoded, validate=True)
        if next(_strings(blob)) != kind.encode():
            raise ValueError("the key is not of the kind that it says")
        return cls.read(blob)

    @property
    def file(self) -> str:
        """Where OpenSSH keeps its public half on the machine itself."""
        return f"/etc/ssh/ssh_host_{self.algorithm.lower()}_key.pub"


def randomart(fingerprint: str, title: str = "") -> str:
    """The picture of a `SHA256:...` fingerprint: the walk of the drunken bishop. Raises ValueError for another text."""
    kind, _, encoded = fingerprint.partition(":")
    digest = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    visits = [[0] * _COLUMNS for _ in range(_ROWS)]
    x, y = _COLUMNS // 2, _ROWS // 2
    for byte in digest:
        for step in (byte >> shift & 3 for shift in (0, 2, 4, 6)):
            x = min(max(x + (1 if step & 1 else -1), 0), _COLUMNS - 1)
            y = min(max(y + (1 if step & 2 else -1), 0), _ROWS - 1)
            visits[y][x] = min(visits[y][x] + 1, len(_MARKS) - 3)
    visits[_ROWS // 2][_COLUMNS // 2] = len(_MARKS) - 2
    visits[y][x] = len(_MARKS) - 1
    return "\n".join(
        [
            _edge(title),
            *(f"|{''.join(_MARKS[count] for count in row)}|" for row in visits),
            _edge(kind),
        ]
    )


def _edge(label: str) -> str:
    text = f"[{label}]" if label else ""
    left = (_COLUMNS - len(text)) // 2
    return f"+{'-' * left}{text}{'-' * (_COLUMNS - left - len(text))}+"


def _strings(blob: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(blob) or not at:
        end = at + 4 + int.from_bytes(blob[at : at + 4])
        if end > len(blob) or len(blob) < 4:
            raise ValueError("no public key of SSH")
        yield blob[at + 4 : end]
        at = end
