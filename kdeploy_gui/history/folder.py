"""The data folder and the files in it: private to their owner whatever the umask is."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from kdeploy_gui.errors import LocalError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o077


def prepare_data_folder(folder: Path) -> None:
    """Create the data folder if it is missing. Raises LocalError (E-HOME-MODE) if it is not private to this user."""
    make_private_folder(folder)
    check_private(folder, FOLDER_MODE)


def make_private_folder(folder: Path) -> None:
    """Create a folder and those above it that are missing, each 0700."""
    if not folder.parent.exists():
        make_private_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def check_private(path: Path, mode: int) -> None:
    """Raise LocalError (E-HOME-MODE) where others may use `path` or it belongs to somebody else."""
    found = path.stat()
    quoted = shlex.quote(str(path))
    if found.st_uid != os.geteuid():
        raise LocalError(
            "E-HOME-MODE",
            f"{path} belongs to user {found.st_uid}; this program runs as user {os.geteuid()}",
            path=str(path),
            command=f"chown {os.geteuid()} {quoted}",
        )
    if found.st_mode & OTHERS:
        raise LocalError(
            "E-HOME-MODE",
            f"{path} has mode {found.st_mode & 0o777:04o}: other users of this workstation could reach it",
            path=str(path),
            command=f"chmod {mode:o} {quoted}",
        )


def open_private(path: Path, flags: int) -> int:
    """A file descriptor of `path`, created with mode 0600 if it is missing; children do not inherit it."""
    return os.open(path, flags | os.O_CREAT, FILE_MODE)
