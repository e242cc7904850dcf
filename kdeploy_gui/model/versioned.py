"""Names of versioned folders: `/opt/net` is a link to `net.kdeploy/118-3f2a9c0d1e5b7a60-9c41f2aa` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from posixpath import basename

from kdeploy_gui.model.files import ManifestEntry, manifest_hash

_SUFFIX = ".kdeploy"
_DIGITS = 16
_VERSION = re.compile(rf"[0-9]{{1,18}}-([0-9a-f]{{{_DIGITS}}})-[0-9a-f]{{8}}")
LONGEST = "9" * 18 + "-" + "f" * _DIGITS + "-" + "f" * 8
"""As long as the name of a version may become."""


def holder(link: str) -> str:
    """The folder beside a link that holds its versions."""
    return link + _SUFFIX


def set_hash(entries: Iterable[ManifestEntry]) -> str:
    """What a version's name tells of its files."""
    return manifest_hash(entries)[:_DIGITS]


def version_name(run: int, entries: Iterable[ManifestEntry], unique: str) -> str:
    """The name of the version that a run makes; `unique`: 8 hexadecimal digits."""
    return f"{run}-{set_hash(entries)}-{unique}"


def leads_to(link: str, version: str) -> str:
    """What the link says when it leads to a version."""
    return f"{basename(holder(link))}/{version}"


def set_behind(link: str, said: str) -> str:
    """The `set_hash` of the version that a link leads to; empty where it is no link of a versioned deployment."""
    folder, _, version = said.partition("/")
    found = _VERSION.fullmatch(version)
    return found[1] if found and folder == basename(holder(link)) else ""
