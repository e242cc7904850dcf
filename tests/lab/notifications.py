"""A session bus of a test's own, with a notification service on it that shows nothing and remembers everything."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.processes import wait_until

SERVICE = "org.freedesktop.Notifications"
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def unfit() -> str:
    """Why there can be no session bus here; empty: there can."""
    return "" if shutil.which("dbus-daemon") else "dbus-daemon is not installed"


@dataclass(frozen=True)
class Shown:
    """One call of Notify, and the signature of its arguments."""

    application: str
    title: str
    text: str
    hints: dict[str, Any]
    signature: str


@dataclass
class SessionBus:
    """The daemon; nobody is on it and nobody is started by it."""

    folder: Path
    _cleanup: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        """What DBUS_SESSION_BUS_ADDRESS is to say."""
        return f"unix:path={self.folder / 'bus'}"

    def __enter__(self) -> Self:
        config = self.folder / "bus.conf"
        config.write_text(_CONFIG.format(socket=self.folder / "bus"))
        process = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        self._cleanup.callback(process.wait, 10)
        self._cleanup.callback(process.terminate)
        wait_until(self._listens, "the session bus listens")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / "bus")) == 0


class Notifications:
    """The service on that bus. `abilities` is what it says it can; with `refuses` it shows nothing and says so."""

    def __init__(self, bus: SessionBus, abilities: tuple[str, ...] = ("body",), *, refuses: bool = False) -> None:
        self.shown: list[Shown] = []
        self._bus = bus
        self._abilities = list(abilities)
        self._refuses = refuses
        self._connection: Any = None
        self._thread = threading.Thread(target=self._serve, name="notifications", daemon=True)
        self._ended = False

    def __enter__(self) -> Self:
        from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
        from jeepney.io.blocking import Proxy, open_dbus_connection  # type: ignore[import-untyped]

        self._connection = open_dbus_connection(self._bus.address)
        Proxy(message_bus, self._connection).RequestName(SERVICE)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join(10)
        self._connection.close()

    def _serve(self) -> None:
        from jeepney import HeaderFields, MessageType, new_error, new_method_return  # type: ignore[import-untyped]

        while not self._ended:
            with suppress(TimeoutError):
                message = self._connection.receive(timeout=0.05)
                if message.header.message_type is not MessageType.method_call:
                    continue
                if message.header.fields[HeaderFields.member] == "GetCapabilities":
                    reply = new_method_return(message, "as", (self._abilities,))
                elif self._refuses:
                    reply = new_error(message, "org.freedesktop.DBus.Error.LimitsExceeded", "s", ("too many",))
                else:
                    application, _, _, title, text, _, hints, _ = message.body
                    signature = message.header.fields[HeaderFields.signature]
                    self.shown.append(Shown(application, title, text, dict(hints), signature))
                    reply = new_method_return(message, "u", (len(self.shown),))
                self._connection.send(reply)
