"""SQLite's and the file system's errors as LocalError: the one place that translates them."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kdeploy_gui.errors import LocalError

FULL = "E-HISTORY-FULL"
LOCKED = "E-HISTORY-LOCKED"
READONLY = "E-HISTORY-READONLY"
DAMAGED = "E-HISTORY-DAMAGED"
NEWER = "E-HISTORY-NEWER"
IO = "E-HISTORY-IO"

WORDS: Mapping[str, str] = {
    FULL: "cannot be written, the disk is full",
    LOCKED: "is in use by another program that does not let go",
    READONLY: "cannot be written",
    DAMAGED: "is damaged",
    IO: "cannot be used",
}

SQLITE_CODES: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_READONLY: READONLY,
    sqlite3.SQLITE_PERM: READONLY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: IO,
    sqlite3.SQLITE_CANTOPEN: IO,
}
"""Primary result codes that say something about this workstation; all others are mistakes of this program."""

OS_CODES: Mapping[int, str] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EACCES: READONLY,
    errno.EPERM: READONLY,
    errno.EROFS: READONLY,
    errno.EAGAIN: LOCKED,
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about `path` into LocalError; a mistake of this program passes."""
    try:
        yield
    except sqlite3.Error as error:
        code = sqlite_code(error)
        if code is None:
            raise
        if code == IO and is_full(path):
            code = FULL
        raise local_error(code, path, str(error)) from error
    except OSError as error:
        code = OS_CODES.get(error.errno or 0, IO)
        raise local_error(code, Path(error.filename or path), error.strerror or str(error)) from error


def sqlite_code(error: sqlite3.Error) -> str | None:
    """Our code for an error of SQLite; None: it is a mistake of this program."""
    # An extended code keeps the primary one in its low byte; what the Python module itself raises has none.
    return SQLITE_CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def is_full(path: Path) -> bool:
    """Whether the disk has no space left; SQLite calls some of that an I/O error."""
    try:
        return os.statvfs(path).f_bavail == 0
    except OSError:
        return False


def local_error(code: str, path: Path, reason: str) -> LocalError:
    """The error for a file of the history, with the reason that the system gave."""
    return LocalError(code, f"{path} {WORDS[code]}: {reason}", path=str(path), reason=reason)
