"""Requests to the process that runs a run: files that it looks at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kdeploy_gui.history.database import WriteLock
from kdeploy_gui.history.failures import translated
from kdeploy_gui.history.folder import make_private_folder, open_private
from kdeploy_gui.history.ownership import RunOwners

EVERYTHING = "*"


class CancelRequests:
    """Files `<run>.cancel`: the names of environments, one a line; `*` means all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, run: int, environments: Sequence[str]) -> None:
        """Add names to a run's file; the lines of one call arrive together."""
        make_private_folder(self._folder)
        lines = "".join(f"{name}\n" for name in environments or (EVERYTHING,))
        descriptor = open_private(self._path(run), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, lines.encode())
        finally:
            os.close(descriptor)

    def names(self, run: int) -> frozenset[str] | None:
        """Names asked for so far (empty: everything); None: nothing was asked."""
        try:
            text = self._path(run).read_text()
        except FileNotFoundError:
            return None
        names = frozenset(line.removesuffix("\n") for line in text.splitlines(keepends=True) if line.endswith("\n"))
        if not names:
            return None
        return frozenset() if EVERYTHING in names else names

    def forget(self, run: int) -> None:
        """Drop what was asked of a run."""
        self._path(run).unlink(missing_ok=True)

    def _path(self, run: int) -> Path:
        return self._folder / f"{run}.cancel"


class FileRunControl:
    """Port RunControl over all processes of this user."""

    def __init__(self, requests: CancelRequests, owners: RunOwners, lock: WriteLock, folder: Path) -> None:
        self._requests = requests
        self._owners = owners
        self._lock = lock
        self._folder = folder

    def request_cancel(self, run: int, environments: Sequence[str] = ()) -> bool:
        """Ask the run's process to cancel; False: nobody runs it. Raises LocalError."""
        with translated(self._folder), self._lock.held():
            if not self._owners.is_held(run):
                return False
            self._requests.add(run, environments)
            return True

    def cancel_requested(self, run: int) -> frozenset[str] | None:
        """Names asked for so far (empty: everything); None: nothing was asked. Raises LocalError."""
        with translated(self._folder):
            return self._requests.names(run)
