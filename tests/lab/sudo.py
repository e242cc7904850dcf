"""Rules of sudo that exist for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RULES = Path("/etc/sudoers.d")


def is_installed() -> bool:
    """Whether this machine has sudo, and we may change its rules."""
    return os.getuid() == 0 and shutil.which("sudo") is not None and _RULES.is_dir()


@contextmanager
def rules(name: str, *lines: str) -> Iterator[None]:
    """Rules for one user; `{user}` in `lines` is that user."""
    path = _RULES / name
    path.touch(mode=0o440)
    try:
        path.write_text("".join(line.format(user=name) + "\n" for line in lines))
        yield
    finally:
        path.unlink()


def set_password(name: str, password: str) -> None:
    """Give an account a password."""
    subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
