"""The keys that are for kdeploy and not for the machine: a tilde at the beginning of a line, as in ssh."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

TILDE = b"~"


class Wish(Enum):
    """What somebody wants of kdeploy."""

    END = auto()
    HELP = auto()


_WISHES = {b".": Wish.END, b"?": Wish.HELP}


@dataclass(frozen=True, slots=True)
class Typed:
    """Bytes for the machine, and what was wanted behind them."""

    data: bytes = b""
    wish: Wish | None = None


class EscapeKeys:
    """Takes what was typed, cut anywhere: at the beginning of a line `~.` ends, `~?` explains, `~~` is one tilde."""

    def __init__(self) -> None:
        self._line_begins = True
        self._tilde = False

    def feed(self, data: bytes) -> list[Typed]:
        """What to do, in order; nothing that was typed behind `~.` is done."""
        found: list[Typed] = []
        kept = bytearray()
        for number in data:
            key = bytes((number,))
            if self._tilde:
                self._tilde = False
                wish = _WISHES.get(key)
                if wish is not None:
                    found.append(Typed(bytes(kept), wish))
                    kept.clear()
                    self._line_begins = True
                    if wish is Wish.END:
                        return found
                    continue
                kept += TILDE if key == TILDE else TILDE + key
            elif self._line_begins and key == TILDE:
                self._tilde = True
                continue
            else:
                kept += key
            self._line_begins = key in b"\r\n"
        if kept:
            found.append(Typed(bytes(kept)))
        return found
