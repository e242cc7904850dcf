"""Serial lines without a serial port: a pair of terminals by socat, and ser2net in front of one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from tests.lab.ports import free_port
from tests.lab.processes import is_alive as is_alive
from tests.lab.processes import wait_until

PROGRAMS = ("socat", "ser2net")


def missing() -> list[str]:
    """Programs that are needed and not installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [each for each in PROGRAMS if shutil.which(each, path=path) is None]


class SerialLine:
    """A cable: what the board prints on `board` comes out of the device `device`, and the other way round."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.device = folder / "device"
        self._end = folder / "board"
        ends = [f"pty,raw,echo=0,link={each}" for each in (self.device, self._end)]
        self._socat = subprocess.Popen(["socat", *ends], stderr=subprocess.DEVNULL)
        wait_until(lambda: self.device.exists() and self._end.exists(), "socat makes two terminals")
        self.board = os.open(self._end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.heard = b""

    def __enter__(self) -> SerialLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.board)
        self._socat.terminate()
        self._socat.wait()

    def print(self, data: bytes) -> None:
        """The board prints."""
        os.write(self.board, data)

    def typed(self) -> bytes:
        """All that the board has got so far."""
        try:
            self.heard += os.read(self.board, 65536)
        except BlockingIOError:
            return self.heard
        return self.heard


class SerialServer:
    """ser2net on a device, raw or telnet with RFC 2217."""

    def __init__(self, folder: Path, device: Path, *, rfc2217: bool, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.port = port or free_port()
        accepter = f"{'telnet(rfc2217),' if rfc2217 else ''}tcp,127.0.0.1,{self.port}"
        settings = folder / "ser2net.yaml"
        connector = f"serialdev,{device},115200n81,local"
        settings.write_text(f"%YAML 1.1\n---\nconnection: &a\n  accepter: {accepter}\n  connector: {connector}\n")
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        program = shutil.which("ser2net", path=path) or "ser2net"
        self._process = subprocess.Popen([program, "-n", "-u", "-c", str(settings)], stderr=subprocess.DEVNULL)
        wait_until(self._listens, "ser2net listens")

    def __enter__(self) -> SerialServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """The server ends, and all connections with it."""
        self._process.terminate()
        self._process.wait()

    def _listens(self) -> bool:
        """Whether its socket is there; nobody connects, because a port serves one client."""
        wanted = f"0100007F:{self.port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)
