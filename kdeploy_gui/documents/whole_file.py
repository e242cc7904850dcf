"""Write a file whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from kdeploy_gui.errors import LocalError


def save_text(path: Path, text: str) -> None:
    """Write a file for the user, with the mode it had or their mask gives it. Raises LocalError (E-WRITE).

    What UTF-8 cannot say, such as a file name that is no UTF-8, stands there escaped.
    """
    try:
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
        write_whole(path, text.encode(errors="backslashreplace"), mode)
    except OSError as error:
        raise LocalError("E-WRITE", f"{path} cannot be written: {error.strerror}", path=str(path)) from error


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Put `content` in the place of a file, durably; a symbolic link stays one. Raises OSError."""
    real = Path(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, real)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    """The mask of this process; reading it without changing it needs Linux."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
