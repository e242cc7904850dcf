"""What a serial console says, and how the way to it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Piece:
    """Raw bytes that a console printed, and when they came (UTC)."""

    time: datetime
    data: bytes


class Link(StrEnum):
    """How the way to a console is."""

    OPENING = "opening"
    OPEN = "open"
    WAITING = "waiting"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the way to a console is, in words too: over what it is open, or why it is not and when it is tried again."""

    link: Link
    words: str = ""
