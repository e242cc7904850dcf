"""What the streams of all consoles share: bytes that wait for their reader, and the words for their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kdeploy_gui.errors import Evidence, NetworkError
from kdeploy_gui.model.visible import visible

WAITING = 1 << 20
"""Bytes that may wait for their reader before no more are taken."""
CHUNK = 1 << 16
_LAST = 400
_LINES = 3
_AT_ONCE = 2.0


class LastWords:
    """Remembers what a console said first: where it ends at once, and said little, that tells why."""

    def __init__(self) -> None:
        self._opened = time.monotonic()
        self._said = b""
        self._whole = True

    def hear(self, data: bytes) -> None:
        """More has come."""
        if self._whole:
            self._said += data[: _LAST + 1]
            self._whole = len(self._said) <= _LAST

    def with_reason(self, why: str) -> str:
        """Why it ended, with the last thing that was said where that explains it."""
        lines = self._said.decode(errors="replace").split("\n")
        said = [" ".join(each.split()) for each in lines if each.strip()]
        explains = self._whole and 0 < len(said) <= _LINES and time.monotonic() - self._opened < _AT_ONCE
        return f"{why}: {visible(said[-1])}" if explains else why


class Arrivals:
    """Bytes from a source that does not wait. `hold` is called with True where too many wait, with False later on."""

    def __init__(self, hold: Callable[[bool], None]) -> None:
        self._hold = hold
        self._waiting = bytearray()
        self._held = False
        self._news = asyncio.Event()
        self._last_words = LastWords()
        self.ended = ""

    def arrived(self, data: bytes) -> None:
        """Bytes have come."""
        self._last_words.hear(data)
        self._waiting += data
        if len(self._waiting) >= WAITING and not self._held:
            self._held = True
            self._hold(True)
        self._news.set()

    def end(self, why: str, *, with_words: bool = False) -> None:
        """No more will come, and why; the first reason counts."""
        self.ended = self.ended or (self._last_words.with_reason(why) if with_words else why)
        self._news.set()

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        while not self._waiting and not self.ended:
            self._news.clear()
            await self._news.wait()
        data = bytes(self._waiting)
        self._waiting.clear()
        if self._held and not self.ended:
            self._held = False
            self._hold(False)
        return data


def lost(why: str) -> NetworkError:
    """What was to be written has no console to go to."""
    message = f"the console has ended: {why}"
    return NetworkError(
        "E-CONSOLE-LOST", message, on_target="What was typed may not have arrived.", evidence=Evidence()
    )
