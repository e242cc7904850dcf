"""Stored output, moments and counts as text."""

from __future__ import annotations

import codecs
from datetime import datetime

from kdeploy_gui.model.visible import visible_lines


class OutputText:
    """Stored output, which may be cut anywhere, as harmless text; undecodable bytes become `\\xNN`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        self._held = ""

    def add(self, data: bytes, *, final: bool = False) -> str:
        """The next bytes as text; a carriage return at their end waits for what follows it."""
        text = self._held + self._decoder.decode(data, final)
        self._held = "\r" if text.endswith("\r") and not final else ""
        return visible_lines(text.removesuffix("\r") if self._held else text)


def local_time(moment: datetime) -> str:
    """A moment in this workstation's time zone, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `3 files`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
