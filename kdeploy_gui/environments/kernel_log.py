"""The kernel's log over a shell: from now on, whatever way the machine offers to read it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from kdeploy_gui import resources

if TYPE_CHECKING:
    from kdeploy_gui.environments.shell import Shell

_SEPARATOR = b"\x1e"
_STAMP = re.compile(rb"(?:<\d+>)?\[ *(\d+\.\d+)\]|\d+,\d+,(\d+),")
_LONGEST = 65536
_GRACE = 1.0


class NewLines:
    """Hands on the lines of `kernel_log.sh` that are newer than what was there before, and takes its remarks.

    `refusal` is why the log cannot be followed; `refused` is called then.
    """

    def __init__(self, output: Callable[[bytes], None], refused: Callable[[], None]) -> None:
        self._output = output
        self._refused = refused
        self.refusal = ""
        self._held = b""
        self._newest = -1.0
        self._old = -1.0
        self._begun = False
        self._passing = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the script's output."""
        lines = (self._held + data).split(b"\n")
        self._held = lines.pop()[:_LONGEST]
        new = [line for line in lines if self._is_new(line)]
        if new:
            self._output(b"".join(line + b"\n" for line in new))

    def _is_new(self, line: bytes) -> bool:
        """A line without a time belongs to the one before."""
        if line.startswith(_SEPARATOR):
            self._remark(line[1:].decode(errors="replace").strip())
            return False
        found = _STAMP.match(line)
        if found is not None:
            moment = float(found[1]) if found[1] else int(found[2]) / 1e6
            self._newest = max(self._newest, moment)
            self._passing = self._begun and moment > self._old
        return self._passing

    def _remark(self, refusal: str) -> None:
        if refusal:
            self.refusal = refusal
            self._refused()
        self._begun, self._old = True, self._newest
        self._passing = self._newest < 0


async def follow(shell: Shell, output: Callable[[bytes], None], device: str = "/dev/kmsg") -> str:
    """See `Target.follow_kernel_log`; `device` gives records where dmesg cannot wait for more."""
    end = asyncio.Event()
    lines = NewLines(output, end.set)
    script = resources.text("remote/kernel_log.sh")
    running = asyncio.ensure_future(shell.run(script, (device,), _until(end), lines.feed))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        end.set()  # the script ends with its stdin; over a dead connection nobody waits for that
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({running}, timeout=_GRACE)
        raise
    return lines.refusal or "reading it ended"


async def _until(end: asyncio.Event) -> AsyncIterator[bytes]:
    """Nothing on stdin, and its end when the script shall end."""
    await end.wait()
    yield b""
