"""Second processes for tests of what only two processes can show."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Peer:
    """A running `tests.history.peer`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next line it says; raises AssertionError when it has ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the other process ended with {self._process.wait()}"
        return line.strip()

    def tell(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> list[str]:
        """SIGKILL it; what it had said and nobody had read."""
        assert self._process.stdout is not None
        self._process.kill()
        rest = self._process.stdout.read().splitlines()
        self._process.wait()
        return rest


@contextmanager
def peer(command: str, folder: Path, *arguments: object) -> Iterator[Peer]:
    """Start the other process and make sure that it ends."""
    argv = [sys.executable, "-m", "tests.history.peer", command, str(folder), *map(str, arguments)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()
