"""A /boot for the scripts that change what a boot loader boots: a file system of its own, seen by one shell alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kdeploy_gui.engine.boot_ways import Way
from kdeploy_gui.model.command import Completed
from tests.contract.local_shell import LocalShell

CHANGERS = ("cp", "mv", "rm", "dd", "sync", "grub-editenv", "sed", "tail", "awk", "cmp", "grep")
"""What the scripts change files with, and more: a kill before each of its runs is a kill between any two steps."""
_MOUNTED = 'mount --bind "$0" /boot || exit 99; case $1 in ro) mount -o remount,bind,ro /boot ;; esac; shift; exec "$@"'
_KILLER = """#!/bin/sh
count=$(cat "{counter}")
echo $((count + 1)) >"{counter}"
[ "$count" -ne {last} ] || kill -{signal} 0
exec {program} "$@"
"""


@dataclass
class BootTree:
    """The files of a board's /boot in `place`, and the shell that sees them there."""

    place: Path
    interpreter: Sequence[str]
    scratch: Path
    tools: Path | None = None
    read_only: bool = False
    before: list[str] = field(default_factory=list)

    async def run(self, way: Way, verb: str, *words: str) -> Completed:
        """A script of a way; its answer is one line."""
        state = "ro" if self.read_only else "rw"
        path = ":".join(map(str, [*self.before, *filter(None, [self.tools]), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]))
        alone = ["setsid", "-w", "unshare", "-m", "sh", "-c", _MOUNTED, str(self.place), state]
        command = way.command(verb, *words)
        shell = LocalShell([*alone, "env", f"PATH={path}", *self.interpreter], self.scratch)
        return await shell.run(command.script, command.arguments)

    async def killed_at(self, last: int, way: Way, verb: str, *words: str, signal: str = "KILL") -> bool:
        """Kill the script before it runs its program number `last`; False: it had done its work before that."""
        with self._killer(last, signal):
            return not (await self.run(way, verb, *words)).text.startswith(("ready", "cleared"))

    @contextmanager
    def _killer(self, last: int, signal: str) -> Iterator[None]:
        folder, counter = self.scratch / "killer", self.scratch / "counter"
        folder.mkdir()
        counter.write_text("0")
        for name in CHANGERS:
            found = str(self.tools / name) if self.tools and (self.tools / name).exists() else shutil.which(name)
            (folder / name).write_text(_KILLER.format(counter=counter, last=last, signal=signal, program=found))
            (folder / name).chmod(0o755)
        self.before.insert(0, str(folder))
        try:
            yield
        finally:
            self.before.pop(0)
            shutil.rmtree(folder)

    def fill_up(self, room: int) -> None:
        """Leave that many bytes of the file system; what it counted too cautiously the first time is filled, too."""
        ballast = self.place / "ballast"
        ballast.unlink(missing_ok=True)
        with ballast.open("wb", buffering=0) as file:
            for _ in range(2):
                with suppress(OSError):
                    while file.write(bytes(1024)):
                        pass
                os.fsync(file)
        os.truncate(ballast, ballast.stat().st_size - room)

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """All that is there: bytes, mode and owner by path."""
        found = (each for each in sorted(self.place.rglob("*")) if each.is_file())
        stats = ((each, each.stat()) for each in found)
        return {
            str(each.relative_to(self.place)): (each.read_bytes(), stat.st_mode, stat.st_uid) for each, stat in stats
        }


def boot_tree(place: Path, shell: str, scratch: Path) -> BootTree:
    """For `dash` with coreutils, or for `busybox` with nothing but itself and the programs of boot loaders."""
    if shell == "dash":
        return BootTree(place, ["/bin/dash"], scratch)
    tools = scratch / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", tools], check=True)
    return BootTree(place, ["busybox", "sh"], scratch, tools)
