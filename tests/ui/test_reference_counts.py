"""Some releases of PySide6 lose or gain references to None at every socket event under qasync, and abort in the end."""

from __future__ import annotations

import asyncio
import socket
import sys

from pytestqt.qtbot import QtBot

EVENTS = 2000
NOISE = 200


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
        before = sys.getrefcount(None)
        theirs.send(b"x")
        qtbot.waitUntil(lambda: seen >= EVENTS, timeout=20_000)
        after = sys.getrefcount(None)
        ui_loop.remove_reader(ours.fileno())

    assert abs(after - before) < NOISE
