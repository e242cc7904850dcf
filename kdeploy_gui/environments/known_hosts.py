"""What OpenSSH's known_hosts files say of a host: keys seen, authorities and revoked keys (sshd(8))."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey

LIMIT = 4 * 1024 * 1024
"""Bytes of a file that are read."""


@dataclass(frozen=True, slots=True)
class KnownHost:
    """One host: its keys, and the public keys of authorities and of hosts that count, or never count, for it."""

    keys: tuple[HostKey, ...] = ()
    authorities: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def pins(self) -> tuple[str, ...]:
        """Fingerprints of the keys that are not revoked, each once."""
        never = {HostKey.parse(each).fingerprint for each in self.revoked}
        return tuple(dict.fromkeys(each.fingerprint for each in self.keys if each.fingerprint not in never))

    @property
    def types(self) -> tuple[str, ...]:
        """The algorithms of the pins, the one that is asked for first in front."""
        return tuple(name for name in ALGORITHMS if any(each.algorithm == name for each in self._pinned()))

    def _pinned(self) -> Iterator[HostKey]:
        pins = self.pins
        return (each for each in self.keys if each.fingerprint in pins)


@dataclass(frozen=True, slots=True)
class _Line:
    marker: str
    hosts: str
    key: str

    def names(self, name: str) -> bool:
        """Whether the line is about a host; hashed names hide only from people."""
        if self.hosts.startswith("|1|"):
            try:
                salt, digest = (b64decode(each, validate=True) for each in self.hosts.split("|")[2:])
            except ValueError:
                return False
            return hmac.digest(salt, name.encode(), "sha1") == digest
        patterns = [_pattern(each) for each in self.hosts.lower().split(",")]
        if any(each.startswith("!") and fnmatchcase(name, each[1:]) for each in patterns):
            return False
        return any(fnmatchcase(name, each) for each in patterns if not each.startswith("!"))


def _pattern(text: str) -> str:
    """OpenSSH knows `*` and `?`; brackets go around a host with a port."""
    return text.replace("[", "[[]")


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The lines of some files."""

    lines: Sequence[_Line]

    @classmethod
    def read(cls, *files: Path) -> KnownHosts:
        """Read files; those that are not there say nothing. Raises LocalError where one cannot be read."""
        return cls([line for file in files for line in _lines(file)])

    def about(self, host: str, port: int) -> KnownHost:
        """What is known of a host. A port is part of the name of a key seen; marked lines count for all ports."""
        bare = host.lower()
        name = bare if port == 22 else f"[{bare}]:{port}"
        marked = [each for each in self.lines if each.marker and (each.names(name) or each.names(bare))]
        return KnownHost(
            keys=tuple(HostKey.parse(each.key) for each in self.lines if not each.marker and each.names(name)),
            authorities=tuple(dict.fromkeys(each.key for each in marked if each.marker == "@cert-authority")),
            revoked=tuple(dict.fromkeys(each.key for each in marked if each.marker == "@revoked")),
        )


def _lines(file: Path) -> Iterator[_Line]:
    try:
        with file.open("rb") as opened:
            text = opened.read(LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise LocalError("E-SSH-CONFIG", f"{file} cannot be read: {error.strerror}", path=str(file)) from error
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        key = f"{words[1]} {words[2]}"
        try:
            HostKey.parse(key)
        except ValueError:
            continue
        yield _Line(marker, words[0], key)
