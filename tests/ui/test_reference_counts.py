"""Some releases of PySide6 lose or gain references to None at every socket event under qasync, and abort in the end."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

from pytestqt.qtbot import QtBot

EVENTS = 2000
NOISE = EVENTS // 2
"""References that others may take or give meanwhile: one that is lost at each event is far more."""


def test_socket_events_neither_lose_nor_gain_references(ui_loop: asyncio.AbstractEventLoop, qtbot: QtBot) -> None:
    ours, theirs = socket.socketpair()
    seen = 0

    def read() -> None:
        nonlocal seen
        ours.recv(1)
        seen += 1
        if seen < EVENTS:
            theirs.send(b"x")

    with ours, theirs:
        ui_loop.add_reader(ours.fileno(), read)
        gc.collect()
        gc.disable()
        before = sys.getrefcount(None)
        theirs.send(b"x")
        try:
            qtbot.waitUntil(lambda: seen >= EVENTS)
            after = sys.getrefcount(None)
        finally:
            gc.enable()
        ui_loop.remove_reader(ours.fileno())

    assert abs(after - before) < NOISE
