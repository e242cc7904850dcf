"""POSIX shell scripts over an SSH connection."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_refusals import UNKNOWN
from kdeploy_gui.environments.ssh_errors import explained
from kdeploy_gui.environments.ssh_pool import Lease
from kdeploy_gui.environments.ssh_sudo import Entry, Plain, Sudo
from kdeploy_gui.errors import KdeployError, NetworkError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment


class SshShell:
    """POSIX shell scripts over one SSH connection; a script ends with its caller."""

    def __init__(self, environment: Environment, lease: Lease, become: Plain | Sudo) -> None:
        self._environment = environment
        self._become = become
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
        entry, words = self._become.start(script, arguments)
        self._lease.is_sound = False
        with explained(self._environment, UNKNOWN):
            process = await self._connection.create_process(" ".join(map(shlex.quote, words)), encoding=None)
            stdout = asyncio.ensure_future(_collect(process.stdout, output))
            stderr = asyncio.ensure_future(_collect(process.stderr, output, entry))
            stderr.add_done_callback(lambda _: entry.ended())
            try:
                await entry.enter(process.stdin)
                await self._feed(process, source)
                captured = await asyncio.gather(stdout, stderr)
                await process.wait_closed()
            except BaseException:
                await self._end(process, entry, gentle)
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

    async def _end(self, process: asyncssh.SSHClientProcess[bytes], entry: Entry, gentle: bool) -> None:
        """End the remote process group: TERM, a grace period to clean up or to finish renaming, then KILL.

        By `kill` on a channel of its own: OpenSSH refuses signal requests for root's sessions. It is the machine that
        counts the grace period, so that KILL comes however long the way there takes.
        """
        if not self._connection.is_closed() and not _has_ended(process):
            with suppress(OSError, asyncssh.Error, TimeoutError, KdeployError):
                async with asyncio.timeout(defaults.CANCEL_GRACE + _KILL_GRACE):
                    await entry.known.wait()
                    await self._signal(process, entry.pid, _TERM if gentle else _TERM + _KILL)
        process.close()

    async def _signal(self, ending: asyncssh.SSHClientProcess[bytes], pid: int, script: str) -> None:
        """Signal the process group that `pid` leads, or that process alone where the server gave it no group."""
        entry, words = self._become.start(script, (str(pid), f"{defaults.CANCEL_GRACE:.0f}"))
        process = await self._connection.create_process(" ".join(map(shlex.quote, words)), encoding=None)
        stderr = asyncio.ensure_future(_collect(process.stderr, None, entry))
        stderr.add_done_callback(lambda _: entry.ended())
        try:
            await entry.enter(process.stdin)
            await ending.wait_closed()
        finally:
            stderr.cancel()
            process.close()

    async def close(self) -> None:
        """See `Shell.close`."""
        self._lease.end()


_KILL_GRACE = 1.0
_TERM = """trap '' HUP PIPE
kill -TERM "-$1" 2>/dev/null || kill -TERM "$1"
"""
_KILL = """while kill -0 "-$1" 2>/dev/null || kill -0 "$1" 2>/dev/null; do
    if [ "$2" -le 0 ]; then
        kill -KILL "-$1" 2>/dev/null || kill -KILL "$1"
        exit
    fi
    sleep 1
    set -- "$1" $(($2 - 1))
done
"""


async def _collect(
    stream: asyncssh.SSHReader[bytes], output: Callable[[bytes], None] | None, entry: Entry | None = None
) -> bytes:
    """Everything from a stream, the first `defaults.CAPTURE_CAP` bytes of it kept."""
    kept: list[bytes] = []
    size = 0
    going_on = True
    while going_on:
        chunk = await stream.read(65536)
        going_on = bool(chunk)
        own = entry.feed(chunk) if entry is not None else chunk
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
