"""A board with a supply: a real OpenSSH server that two commands start and stop, with a boot id of its own each time.

`python -m tests.lab.board FOLDER on|off` is what its lab entry names as power commands. The server runs in a mount
namespace in which the kernel's boot id is another one, so only root can have such boards.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from kdeploy_gui.environments.demo_process import end_survivors
from kdeploy_gui.model.environment import Environment, Power
from tests.lab.processes import descendants, is_alive, send_signal, wait_until
from tests.lab.sshd import Sshd, sshd_program

BOOT_ID = "/proc/sys/kernel/random/boot_id"
ROOT = Path(__file__).parents[2]
_BOOT = f'sleep "$1"; mount --bind "$2" {BOOT_ID} && exec "$3" -D -e -f "$4"'
"""$1: seconds that booting takes, $2: file with the boot id, $3 and $4: server and its configuration."""


def can_have_boards() -> bool:
    """Whether this user may give processes another boot id."""
    probe = ["unshare", "-m", "mount", "--bind", "/etc/hostname", BOOT_ID]
    return os.getuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


@dataclass
class Board:
    """A board that is off at first. `boot_takes` are the seconds from the supply to the first login."""

    folder: Path
    boot_takes: float = 0.3

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._server = Sshd(self.folder / "sshd")
        self._server.__enter__()
        self._server.stop()
        (self.folder / "boot_takes").write_text(str(self.boot_takes))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        switch_off(self.folder)
        end_survivors(str(self._server.folder))
        self._server.__exit__(kind, error, traceback)

    @property
    def home(self) -> Path:
        """HOME of its user."""
        return self._server.home()

    @property
    def boot_id(self) -> str:
        """That of its newest boot."""
        return (self.folder / "boot_id").read_text().strip()

    @property
    def boots(self) -> int:
        """How often it was switched on."""
        record = self.folder / "boots"
        return len(record.read_text().splitlines()) if record.exists() else 0

    @property
    def power(self) -> Power:
        """Its power commands."""
        start = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", __name__, str(self.folder)])
        return Power(f"{start} on", f"{start} off")

    def environment(self, name: str = "board-a") -> Environment:
        """Its lab entry."""
        return replace(self._server.environment(name), power=self.power)

    def reset(self) -> None:
        """As the button on it does; returns before it has booted."""
        for command in (self.power.off, self.power.on):
            subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL)


def switch_on(folder: Path) -> None:
    """Let it boot, unless it is on."""
    pid = folder / "pid"
    if pid.exists() and is_alive(int(pid.read_text())):
        return
    boot_id = f"{uuid.uuid4()}\n"
    (folder / "boot_id").write_text(boot_id)
    with (folder / "boots").open("a") as record:
        record.write(boot_id)
    program = sshd_program()
    assert program is not None, "install openssh-server"
    takes = (folder / "boot_takes").read_text()
    words = ["sh", "-c", _BOOT, "board", takes, str(folder / "boot_id"), program, str(folder / "sshd/sshd_config")]
    with (folder / "console").open("ab") as console:
        board = subprocess.Popen(
            ["unshare", "-m", *words],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    pid.write_text(str(board.pid))


def switch_off(folder: Path) -> None:
    """End everything on it at once."""
    file = folder / "pid"
    if not file.exists():
        return
    board = int(file.read_text())
    everything = (board, *descendants(board))
    for pid in everything:
        send_signal(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, everything)), "the board is off")
    file.unlink()


if __name__ == "__main__":
    _, place, action = sys.argv
    {"on": switch_on, "off": switch_off}[action](Path(place))
    sys.stdout.write(f"socket of {Path(place).name}: {action}\n")
