"""Notifications of the desktop, by the freedesktop service on the session bus; none where there is no such service."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import Future
from html import escape
from pathlib import Path
from typing import Any

from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.model.visible import visible, visible_lines

SERVICE = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
ANSWER = 10.0
"""Seconds for all of it: a service that sleeps is started by the bus first."""
APPLICATION = "kdeploy"
"""The name that is shown, and that of the desktop file and its icon."""
log = logging.getLogger(__name__)


class Desktop:
    """The desktop of this session."""

    def __init__(self, engine: EngineThread) -> None:
        self._engine = engine

    def tell(self, title: str, text: str) -> Future[bool]:
        """Show a notification; both are shown as they are, whatever markup they hold.

        False: nobody shows it, which is no failure; why is in the program's log.
        """
        return self._engine.start(_tell(title, text))


async def _tell(title: str, text: str) -> bool:
    address = _bus()
    if not address:
        return False
    try:
        from jeepney.io.common import RouterClosed  # type: ignore[import-untyped]
        from jeepney.wrappers import DBusErrorResponse  # type: ignore[import-untyped]
    except ImportError as error:
        log.info("no notification: %s", error)
        return False
    try:
        async with asyncio.timeout(ANSWER):
            await _notify(address, visible(title), visible_lines(text))
    except (OSError, EOFError, ValueError, RuntimeError, DBusErrorResponse, RouterClosed) as error:
        log.info("no notification: %s", error or type(error).__name__)
        return False
    return True


async def _notify(address: str, title: str, text: str) -> None:
    """Raises what jeepney raises: OSError, EOFError, ValueError, RuntimeError, DBusErrorResponse, RouterClosed."""
    from jeepney import DBusAddress, new_method_call  # type: ignore[import-untyped]
    from jeepney.io.asyncio import open_dbus_connection  # type: ignore[import-untyped]

    service = DBusAddress(PATH, SERVICE, SERVICE)
    async with await open_dbus_connection(address) as bus:
        (able,) = await _answer(bus, new_method_call(service, "GetCapabilities"))
        shown = escape(text, quote=False) if "body-markup" in able else text
        hints = {"desktop-entry": ("s", APPLICATION)}
        told: tuple[object, ...] = (APPLICATION, 0, APPLICATION, title, shown, [], hints, -1)
        await _answer(bus, new_method_call(service, "Notify", "susssasa{sv}i", told))


async def _answer(bus: Any, message: Any) -> Any:
    """What a call returns; signals of the bus itself come in between."""
    from jeepney import HeaderFields
    from jeepney.wrappers import unwrap_msg

    serial = next(bus.outgoing_serial)
    await bus.send(message, serial=serial)
    while True:
        received = await bus.receive()
        if received.header.fields.get(HeaderFields.reply_serial) == serial:
            return unwrap_msg(received)


def _bus() -> str:
    """The address of the session bus; empty where this session has none."""
    told = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    usual = Path(os.environ.get("XDG_RUNTIME_DIR", "")) / "bus"
    return told or (f"unix:path={usual}" if usual.is_absolute() and usual.exists() else "")
