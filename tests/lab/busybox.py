"""A machine of nothing but busybox: a root folder for `ChrootDirectory`, as small boards have it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_FOLDERS = ("bin", "dev", "etc", "proc", "root", "tmp", "usr/bin", "usr/sbin", "sbin")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9)}
_LIBRARY = re.compile(r"(/\S+) \(0x")


@contextmanager
def busybox_root() -> Iterator[Path]:
    """Make the root; nobody but root may write any part of the way to it, or sshd does not enter. Root only."""
    program = shutil.which("busybox")
    assert program, "install busybox"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kdt-", dir="/var/lib")))
        root.chmod(0o755)
        for each in _FOLDERS:
            (root / each).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        for path in (program, *_libraries(program)):
            (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.lstrip("/"))
        subprocess.run(["chroot", root, program, "--install", "-s", "/bin"], check=True)
        shutil.copy("/etc/passwd", root / "etc/passwd")
        shutil.copy("/etc/group", root / "etc/group")
        shell = root / "bin/bash"  # what sshd takes from this machine's passwd
        shell.unlink(missing_ok=True)
        shell.write_text('#!/bin/sh\nexec /bin/sh "$@"\n')
        shell.chmod(0o755)
        for name, numbers in _DEVICES.items():
            os.mknod(root / "dev" / name, 0o666 | 0o020000, os.makedev(*numbers))
            (root / "dev" / name).chmod(0o666)
        subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
        stack.callback(lambda: subprocess.run(["umount", "-l", root / "proc"], check=True))
        yield root


def _libraries(program: str) -> list[str]:
    """What a program is linked with; nothing if it is static."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return _LIBRARY.findall(said)
