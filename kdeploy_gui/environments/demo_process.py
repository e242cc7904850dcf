"""Commands of the embedded lab's boards: real processes, each in a process group of its own, none left behind."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, cast

MARKER = "KDEPLOY_LAB"
"""Environment variable that names the lab to which a process belongs."""
_POLL = 0.02
_DEATH = 2.0
_OUTPUT = (1, 2)


class Peer(Protocol):
    """Whoever talks to a process."""

    def output(self, data: bytes, *, error: bool) -> None:
        """The process wrote to stdout, or to stderr (`error`)."""

    def throttle(self, *, full: bool) -> None:
        """The process does not take its input as fast as it arrives (`full`), or takes it again."""

    def ended(self, status: int) -> None:
        """The process ended (negative: by that signal) and all of its output was handed over."""


class BoardProcess(asyncio.SubprocessProtocol):
    """One shell command with its input, output and process group."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._transport: asyncio.SubprocessTransport | None = None
        self._input_open = True
        self._output_open = set(_OUTPUT)
        self._exited = asyncio.Event()

    @classmethod
    async def start(cls, command: str, home: Path, variables: Mapping[str, str], peer: Peer) -> BoardProcess:
        """Run `command` by /bin/sh in `home`. Raises OSError or ValueError if it cannot be started."""
        loop = asyncio.get_running_loop()
        _, process = await loop.subprocess_exec(
            lambda: cls(peer),
            *("/bin/sh", "-c", command),
            cwd=home,
            env=dict(variables),
            start_new_session=True,
            umask=0o022,
        )
        return process

    def write(self, data: bytes) -> None:
        """Hand input over; bytes after the process closed its input are dropped."""
        if self._input_open:
            self._input().write(data)

    def write_eof(self) -> None:
        """End the input after what was written."""
        if self._input_open:
            self._input_open = False
            self._input().close()

    def pause_output(self, *, paused: bool) -> None:
        """Stop taking the process's output, or go on."""
        for number in self._output_open:
            pipe = cast(asyncio.ReadTransport, self._pipe(number))
            if paused:
                pipe.pause_reading()
            else:
                pipe.resume_reading()

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the whole process group; no harm if there is nothing left to signal."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started().get_pid(), number)

    async def end(self, grace: float) -> None:
        """End the process group: TERM, and KILL for what is left after `grace` seconds."""
        deadline = asyncio.get_running_loop().time() + grace
        self.send_signal(signal.SIGTERM)
        # The kernel tells of a child's end, never of a group's.
        while self._is_alive() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        self.send_signal(signal.SIGKILL)
        await self._exited.wait()
        self._started().close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._peer.output(data, error=fd == 2)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._input_open = False
            self.resume_writing()
        else:
            self._output_open.discard(fd)
            self._finish()

    def process_exited(self) -> None:
        self._exited.set()
        self._finish()

    def pause_writing(self) -> None:
        self._peer.throttle(full=True)

    def resume_writing(self) -> None:
        # Not from within: the pipe's transport does not survive being closed while it reports that it is writable.
        asyncio.get_running_loop().call_soon(partial(self._peer.throttle, full=False))

    def _finish(self) -> None:
        if not self._exited.is_set() or self._output_open:
            return
        self._input_open = False
        status = self._started().get_returncode()
        self._started().close()
        self._peer.ended(0 if status is None else status)

    def _is_alive(self) -> bool:
        return not self._exited.is_set() or _has_members(self._started().get_pid())

    def _started(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise RuntimeError("the process has not been started")
        return self._transport

    def _pipe(self, number: int) -> asyncio.BaseTransport:
        return cast(asyncio.BaseTransport, self._started().get_pipe_transport(number))

    def _input(self) -> asyncio.WriteTransport:
        return cast(asyncio.WriteTransport, self._pipe(0))


def _has_members(group: int) -> bool:
    """Whether a process group has processes; the dead that nobody has collected yet do not count."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _parent, member_of = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:3]
            if int(member_of) == group and state not in {b"Z", b"X"}:
                return True
    return False


def end_survivors(lab: str) -> int:
    """Kill every process of this user that a lab started and that left its process group; how many there were."""
    wanted = f"{MARKER}={lab}".encode()
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            handle = os.pidfd_open(int(folder.name))
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], _DEATH)
                    found += 1
            finally:
                os.close(handle)
    return found
