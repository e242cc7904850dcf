"""Bulk output in files, one per run and environment; the events say which stage wrote which bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from kdeploy_gui import defaults
from kdeploy_gui.history.codec import damage_named, from_text
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.history.failures import translated
from kdeploy_gui.history.folder import make_private_folder, open_private
from kdeploy_gui.model.event import Channel, OutputAppended
from kdeploy_gui.model.history import OutputChunk
from kdeploy_gui.model.stage import Stage

_SUFFIXES = {Channel.OUTPUT: ".log", Channel.CONSOLE: ".console"}


class OutputFiles:
    """Port OutputStore: files `<run>/<environment>.log` and `.console`, at most `cap` bytes and a closing line each."""

    def __init__(self, folder: Path, database: HistoryDatabase, cap: int = defaults.LOG_CAP) -> None:
        self._folder = folder
        self._database = database
        self._cap = cap
        self._lock = threading.Lock()

    @property
    def closing_line(self) -> bytes:
        """What follows the last byte that was kept."""
        return f"\n[kdeploy: log truncated at {self._cap // 2**20} MiB]\n".encode()

    def append(self, run: int, environment: str, data: bytes, channel: Channel = Channel.OUTPUT) -> int:
        """Store bytes and return their offset; what does not fit is dropped. Raises LocalError."""
        path = self._path(run, environment, channel)
        with translated(path), self._lock:
            make_private_folder(path.parent)
            descriptor = open_private(path, os.O_WRONLY | os.O_APPEND)
            try:
                offset = os.fstat(descriptor).st_size
                write_all(descriptor, self._fitting(offset, data))
            finally:
                os.close(descriptor)
        return offset

    def _fitting(self, offset: int, data: bytes) -> bytes:
        if offset + len(data) <= self._cap:
            return data
        return data[: self._cap - offset] + self.closing_line if offset <= self._cap else b""

    def read(
        self, run: int, environment: str, offset: int = 0, length: int = -1, channel: Channel = Channel.OUTPUT
    ) -> bytes:
        """Stored bytes of a range; empty if there are none. Raises LocalError.

        A range that reaches past the cap brings the whole closing line.
        """
        path = self._path(run, environment, channel)
        wanted = length if offset + length <= self._cap else -1
        with translated(path):
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    return file.read(wanted)
            except FileNotFoundError:
                return b""

    def chunks(
        self, run: int, environment: str = "", stage: Stage | None = None, channel: Channel = Channel.OUTPUT
    ) -> Iterator[OutputChunk]:
        """Stored output, environment by environment, in the order in which it came. Raises LocalError."""
        wanted = {"run": run, "environment": environment, "stage": stage.value if stage else ""}
        with self._database.reading() as db:
            rows: list[tuple[str, str, str]] = db.execute(CHUNKS, wanted).fetchall()
        for name, stage_name, body in rows:
            with damage_named(f"the index of the output of {name} in run {run}", self._database.path):
                place = from_text(OutputAppended, body)
                found = Stage(stage_name) if stage_name else None
            if place.channel is not channel:
                continue
            data = self.read(run, name, place.offset, place.length, channel)
            if data:
                yield OutputChunk(run, name, found, place.offset, data)

    def _path(self, run: int, environment: str, channel: Channel) -> Path:
        return self._folder / str(run) / f"{quote(environment, safe='')}{_SUFFIXES[channel]}"


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; a disk that fills up in between raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


CHUNKS = """
    SELECT environment, stage, body FROM events
    WHERE run = :run AND type = 'output_appended'
        AND (:environment = '' OR environment = :environment) AND (:stage = '' OR stage = :stage)
    ORDER BY environment, seq
"""
