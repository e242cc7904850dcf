"""What this program died of, for its next start: nothing is sent anywhere."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from kdeploy_gui import __version__

Hook = Callable[[BaseException], None]
KEPT = 5
"""Reports that stay on disk."""


class CrashReports:
    """Writes faults and unexpected exceptions to a file of this process; finds those of processes that are gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}.txt"
        self._file: IO[str] | None = None
        self._previous = sys.excepthook, threading.excepthook

    def install(self, tell: Hook) -> None:
        """From now on faults go to the file, and exceptions to the file and to `tell`, from whatever thread."""
        self._file = os.fdopen(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8")
        faulthandler.enable(self._file)

        def unexpected(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
            self.write(error)
            if not isinstance(error, KeyboardInterrupt):
                tell(error)

        def in_thread(arguments: threading.ExceptHookArgs) -> None:
            if arguments.exc_value is not None:
                unexpected(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

        sys.excepthook, threading.excepthook = unexpected, in_thread

    def write(self, error: BaseException) -> None:
        """Add an exception to the report of this process."""
        if self._file is not None:
            self._file.write(f"kdeploy {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
            self._file.write("".join(traceback.format_exception(error)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """A clean end: what was told already needs no telling again."""
        sys.excepthook, threading.excepthook = self._previous
        if self._file is not None:
            faulthandler.disable()
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def left_behind(self) -> str:
        """The newest report of a program that did not end cleanly; empty if there is none. It is told once."""
        reports = sorted(self._folder.glob("*.txt"), key=lambda each: each.stat().st_mtime, reverse=True)
        reports = [each for each in reports if each.stem.isdigit() and not _lives(int(each.stem))]
        texts = [each.read_text(encoding="utf-8", errors="replace") for each in reports]
        for old in reports:
            old.rename(old.with_suffix(".told"))
        told = sorted(self._folder.glob("*.told"), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in told[KEPT:]:
            old.unlink(missing_ok=True)
        return next((text for text in texts if text.strip()), "")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
