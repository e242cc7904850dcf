"""POSIX shell scripts over an SSH connection."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_target import UNKNOWN
from kdeploy_gui.environments.ssh_errors import explained
from kdeploy_gui.environments.ssh_pool import Lease
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment


class SshShell:
    """POSIX shell scripts over one SSH connection; a script ends with its caller."""

    def __init__(self, environment: Environment, lease: Lease) -> None:
        self._environment = environment
        self._lease = lease
        self._connection = lease.connection

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """See `Shell.run`; raises NetworkError E-STALLED when stdin is not taken for `defaults.STALL_TIMEOUT`."""
        words = ("exec", "/bin/sh", "-c", _TELL_PID, "kdeploy", script, "kdeploy", *arguments)
        self._lease.is_sound = False
        with explained(self._environment, UNKNOWN):
            process = await self._connection.create_process(" ".join(map(shlex.quote, words)), encoding=None)
            told = _PidLine()
            stdout = asyncio.ensure_future(_collect(process.stdout, output))
            stderr = asyncio.ensure_future(_collect(process.stderr, output, told))
            try:
                await self._feed(process, source)
                captured = await asyncio.gather(stdout, stderr)
                await process.wait_closed()
            except BaseException:
                await self._end(process, told, gentle)
                self._lease.is_sound = _has_ended(process)
                raise
            finally:
                stdout.cancel()
                stderr.cancel()
        if not _has_ended(process):
            raise NetworkError("E-LOST", f"the connection to {self._environment.address} was lost", on_target=UNKNOWN)
        self._lease.is_sound = True
        return Completed(_status(process), *captured)

    async def _feed(self, process: asyncssh.SSHClientProcess[bytes], source: AsyncIterator[bytes] | None) -> None:
        """Send stdin; a command that ends early simply gets no more."""
        if source is not None:
            with suppress(BrokenPipeError):
                async for block in source:
                    await self._send(process, block)
        if not process.stdin.is_closing():
            process.stdin.write_eof()

    async def _send(self, process: asyncssh.SSHClientProcess[bytes], block: bytes) -> None:
        process.stdin.write(block)
        try:
            async with asyncio.timeout(defaults.STALL_TIMEOUT):
                await process.stdin.drain()
        except TimeoutError as error:
            raise NetworkError(
                "E-STALLED",
                f"nothing moved to {self._environment.address} for {defaults.STALL_TIMEOUT:.0f} s",
                on_target=UNKNOWN,
            ) from error

    async def _end(self, process: asyncssh.SSHClientProcess[bytes], told: _PidLine, gentle: bool) -> None:
        """End the remote process group: TERM, a grace period to clean up or to finish renaming, then KILL.

        By `kill` on a channel of its own: OpenSSH refuses signal requests for root's sessions.
        """
        if not self._connection.is_closed():
            with suppress(OSError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(defaults.CANCEL_GRACE):
                    await told.known.wait()
                    await self._signal("TERM", told.pid)
                    await process.wait_closed()
            if told.pid and not _has_ended(process) and not gentle:
                with suppress(OSError, asyncssh.Error, TimeoutError):
                    async with asyncio.timeout(_KILL_GRACE):
                        await self._signal("KILL", told.pid)
                        await process.wait_closed()
        process.close()

    async def _signal(self, name: str, pid: int) -> None:
        """Signal a process group, or the process alone where the server gave it no group of its own."""
        await self._connection.run(f"kill -{name} -{pid} 2>/dev/null || kill -{name} {pid}")

    async def close(self) -> None:
        """See `Shell.close`."""
        self._lease.end()


_KILL_GRACE = 1.0
_TELL_PID = 'echo "kdeploy-pid:$$" >&2; exec /bin/sh -c "$@"'
_PID = re.compile(rb"kdeploy-pid:(\d{1,10})\n")
_NOISE = 65536
"""Bytes that a login shell may write to stderr before our script starts."""


class _PidLine:
    """Takes the line with the process number out of a stderr stream."""

    def __init__(self) -> None:
        self.pid = 0
        self.known = asyncio.Event()
        self._held = b""
        self._over = False

    def feed(self, data: bytes) -> bytes:
        """What of the stream so far is the command's own."""
        if self._over:
            return data
        self._held += data
        found = _PID.search(self._held)
        if found is None and data and len(self._held) < _NOISE:
            return b""
        self._over = True
        if found is None:
            return self._held
        self.pid = int(found.group(1))
        if self.pid <= 1:
            raise NetworkError("E-LOST", "the machine's answer is not that of a shell", on_target=UNKNOWN)
        self.known.set()
        return self._held[: found.start()] + self._held[found.end() :]


async def _collect(
    stream: asyncssh.SSHReader[bytes], output: Callable[[bytes], None] | None, told: _PidLine | None = None
) -> bytes:
    """Everything from a stream, the first `defaults.CAPTURE_CAP` bytes of it kept."""
    kept: list[bytes] = []
    size = 0
    going_on = True
    while going_on:
        chunk = await stream.read(65536)
        going_on = bool(chunk)
        own = told.feed(chunk) if told is not None else chunk
        if own and output is not None:
            output(own)
        if size < defaults.CAPTURE_CAP:
            kept.append(own)
            size += len(own)
    return b"".join(kept)


def _has_ended(process: asyncssh.SSHClientProcess[bytes]) -> bool:
    return process.exit_status is not None or process.exit_signal is not None


def _status(process: asyncssh.SSHClientProcess[bytes]) -> int:
    if process.exit_signal is not None:
        number = getattr(signal, f"SIG{process.exit_signal[0]}", signal.SIGKILL)
        return 128 + int(number)
    return process.exit_status or 0
