"""Who may do what to the store now, over all processes of this user, and what went wrong with its disk."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy_gui.errors import LocalError

PATIENCE = 60.0
"""Seconds to wait for another process."""
POLL = 0.05
FOLDER_MODE = 0o700
FILE_MODE = 0o600
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def store_errors(folder: Path) -> Iterator[None]:
    """What the system says about the store's folder as LocalError: E-STORE-FULL or E-STORE-IO."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or folder)
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            message = f"the artifact store cannot take more: {reason}; nothing of this was stored"
            raise LocalError("E-STORE-FULL", message, path=str(folder)) from error
        raise LocalError("E-STORE-IO", f"the artifact store cannot be used: {where}: {reason}", path=where) from error


def make_folder(folder: Path) -> None:
    """Make a private folder and those above it, durably. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class StoreLock:
    """A lock file: any number of writers that only add, or one that removes. The system frees it when one dies."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience

    @contextmanager
    def shared(self, alone: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Nothing is removed meanwhile; `alone` is called first where nobody else is there. As `exclusive` raises."""
        descriptor = self._opened()
        try:
            if _taken(descriptor, fcntl.LOCK_EX):
                alone()
            self._wait(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else adds or removes meanwhile. Raises LocalError E-STORE-BUSY, OSError."""
        descriptor = self._opened()
        try:
            self._wait(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        make_folder(self._path.parent)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def _wait(self, descriptor: int, kind: int) -> None:
        deadline = time.monotonic() + self._patience
        while not _taken(descriptor, kind):
            if time.monotonic() > deadline:
                message = f"another program has been working on the artifact store for {self._patience:g} s"
                raise LocalError("E-STORE-BUSY", message, path=str(self._path))
            time.sleep(POLL)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
