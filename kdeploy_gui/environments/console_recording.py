"""Recordings of serial consoles: the raw bytes, and beside them when each piece came.

The pair `<start>.log` and `<start>.timing` is what script(1) writes with --log-timing, so scriptreplay(1) plays it:
one line ahead of the bytes, `O seconds-since-the-last length` per piece. What was typed is not recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.model.console import Piece

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_LOG, _TIMING = ".log", ".timing"


class Recording:
    """Writes what one console prints into `folder`. Files are made with the first byte, 0600, `cap` bytes each.

    The oldest go when all together exceed `keep`. Where the disk takes no more it goes on unrecorded, and `problem`
    says so.
    """

    def __init__(
        self, folder: Path, name: str, cap: int = defaults.CONSOLE_FILE, keep: int = defaults.CONSOLE_FILES
    ) -> None:
        self._folder = folder
        self._name = name
        self._cap = cap
        self._keep = keep
        self._files: tuple[int, int] | None = None
        self._length = 0
        self._last = datetime.now(UTC)
        self.problem = ""

    def append(self, data: bytes) -> None:
        """More was printed."""
        try:
            if self._files is None or self._length >= self._cap:
                self._begin()
            self._write(data)
        except OSError as error:
            self.problem = f"not recorded: {error.strerror}"
            self.close()

    def close(self) -> None:
        """Nothing more will come."""
        for each in self._files or ():
            os.close(each)
        self._files = None

    def _begin(self) -> None:
        self.close()
        self._prune()
        self._last = now = datetime.now(UTC)
        stem = str(self._folder / now.strftime(_STAMP))
        log = _created(stem + _LOG)
        try:
            timing = _created(stem + _TIMING)
        except OSError:
            os.close(log)
            raise
        self._files, self._length = (log, timing), 0
        _write(log, f"Console of {self._name}, recorded from {now.isoformat(sep=' ')}\n".encode())
        _write(timing, f"H 0.000000 START_TIME {now.isoformat(sep=' ')}\n".encode())

    def _write(self, data: bytes) -> None:
        if self._files is None:
            return
        now = datetime.now(UTC)
        passed, self._last = max(0.0, (now - self._last).total_seconds()), now
        log, timing = self._files
        _write(log, data)
        _write(timing, f"O {passed:.6f} {len(data)}\n".encode())
        self._length += len(data)
        self.problem = ""

    def _prune(self) -> None:
        total = 0
        for log in reversed(_logs(self._folder)):
            total += log.stat().st_size
            if total > self._keep - self._cap:
                log.with_suffix(_TIMING).unlink(missing_ok=True)
                log.unlink(missing_ok=True)


def recorded(folder: Path, length: int) -> tuple[Piece, ...]:
    """The last `length` bytes that were recorded, or a piece more. Raises OSError where they cannot be read."""
    pieces: list[Piece] = []
    for log in reversed(_logs(folder)):
        found = list(_pieces(log))
        while found and length > 0:
            pieces.append(found.pop())
            length -= len(pieces[-1].data)
        if length <= 0:
            break
    return tuple(reversed(pieces))


def _pieces(log: Path) -> Iterator[Piece]:
    """What a recording holds; bytes whose time was not written any more came with the last one."""
    moment = datetime.strptime(log.name.removesuffix(_LOG), _STAMP).replace(tzinfo=UTC)
    with log.open("rb") as file:
        file.readline()
        for line in _timing(log):
            kind, _, rest = line.partition(" ")
            passed, _, length = rest.partition(" ")
            if kind == "O" and length.isdecimal():
                moment += timedelta(seconds=float(passed))
                yield Piece(moment, file.read(int(length)))
        rest_of_it = file.read()
        if rest_of_it:
            yield Piece(moment, rest_of_it)


def _timing(log: Path) -> list[str]:
    try:
        return log.with_suffix(_TIMING).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _logs(folder: Path) -> list[Path]:
    """The recordings, oldest first."""
    return sorted(folder.glob(f"[0-9]*Z{_LOG}"))


def _created(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
