"""One writer per environment over all processes of this workstation."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from kdeploy_gui.errors import LocalError

POLL = 0.2
"""Seconds between two looks at a lock that somebody else holds."""


class FileEnvironmentLocks:
    """Port EnvironmentLocks: files `<environment>.lock`, locked by the process that works on the environment.

    The system frees a lock when its process dies. The file stays and says who had it last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def hold(self, environment: str, run: int, waiting: Callable[[str], None]) -> AsyncIterator[None]:
        """Wait for the lock and hold it; `waiting` is told once who has it. Raises LocalError (E-LOCK-FILE)."""
        path = self._folder / f"{quote(environment, safe='')}.lock"
        try:
            descriptor = open_lock_file(path)
        except OSError as error:
            raise lock_file_error(path, error) from error
        try:
            try:
                await self._acquire(descriptor, waiting)
                sign(descriptor, run)
            except OSError as error:
                raise lock_file_error(path, error) from error
            yield
        finally:
            os.close(descriptor)

    async def _acquire(self, descriptor: int, waiting: Callable[[str], None]) -> None:
        told = False
        while not locked(descriptor):
            if not told:
                waiting(holder(descriptor))
                told = True
            await asyncio.sleep(POLL)


def open_lock_file(path: Path) -> int:
    """A descriptor of the lock file, made with mode 0600 in a folder with mode 0700."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def locked(descriptor: int) -> bool:
    """Whether the lock was free and is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sign(descriptor: int, run: int) -> None:
    """Write into the file who holds it."""
    owner = {"run": run, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def holder(descriptor: int) -> str:
    """Who holds the lock, in words."""
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return f"locked by run {int(owner['run'])} (pid {int(owner['pid'])})"
    except (ValueError, KeyError, TypeError):
        # The holder has the lock and is just about to sign it.
        return "locked by another run"


def lock_file_error(path: Path, error: OSError) -> LocalError:
    """The lock file cannot be used."""
    reason = error.strerror or str(error)
    return LocalError("E-LOCK-FILE", f"{path} cannot be used as a lock: {reason}", path=str(path), reason=reason)
