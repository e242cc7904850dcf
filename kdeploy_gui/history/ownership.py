"""Who runs a run: a lock file per run, held by its process and freed by its death."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

from kdeploy_gui.history.folder import make_private_folder, open_private


class RunOwners:
    """Lock files `<run>.owner`; each holds the process id of its run.

    A probe takes a lock for a moment, too: probe only under the history's write lock, so that nobody mistakes the
    probe for an owner.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, int] = {}

    def hold(self, run: int) -> None:
        """Take the lock of a run. Raises BlockingIOError if another process, or another history here, has it."""
        make_private_folder(self._folder)
        descriptor = open_private(self._path(run), os.O_RDWR)
        with ExitStack() as on_failure:
            on_failure.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            on_failure.pop_all()
        self._held[run] = descriptor

    def release(self, run: int) -> bool:
        """Free the lock of a run; False: it was not held here."""
        descriptor = self._held.pop(run, None)
        if descriptor is None:
            return False
        self.discard(run)
        os.close(descriptor)
        return True

    def discard(self, run: int) -> None:
        """Remove the lock file of a run that has ended."""
        self._path(run).unlink(missing_ok=True)

    def release_all(self) -> None:
        """Free every lock held here."""
        for run in list(self._held):
            self.release(run)

    def is_held(self, run: int) -> bool:
        """Whether a process runs the run."""
        if run in self._held:
            return True
        try:
            descriptor = os.open(self._path(run), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, run: int) -> Path:
        return self._folder / f"{run}.owner"
