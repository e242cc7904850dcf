"""A shell on this machine, so that the target's scripts meet dash, bash and busybox without a network."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kdeploy_gui.model.command import Completed


class LocalShell:
    """The `Shell` of `ShellTarget` with `interpreter` (for example `/bin/dash` or `busybox sh`) and its own HOME."""

    def __init__(self, interpreter: Sequence[str], home: Path, path: str = os.defpath, umask: int = 0o022) -> None:
        self._interpreter = interpreter
        self._environment = {"HOME": str(home), "PATH": path}
        self._umask = umask

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """Run a script here."""
        process = await asyncio.create_subprocess_exec(
            *self._interpreter,
            "-c",
            script,
            "kdeploy",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            umask=self._umask,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        reading = asyncio.gather(_read(process.stdout, output), _read(process.stderr, output))
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                if source is not None:
                    async for block in source:
                        process.stdin.write(block)
                        await process.stdin.drain()
            process.stdin.close()
            stdout, stderr = await reading
            return Completed(await process.wait(), stdout, stderr)
        except BaseException:
            process.stdin.close()
            ending = asyncio.ensure_future(_ended(process))
            while not ending.done():
                with suppress(asyncio.CancelledError):  # whoever cancels again waits, too: so does a machine
                    await asyncio.shield(ending)
            raise

    async def close(self) -> None:
        """Nothing to let go of."""


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait until a script whose caller has gone has cleaned up behind itself, 30 s at most."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await process.wait()
    finally:
        _reap(process)


def _reap(process: asyncio.subprocess.Process) -> None:
    """Nothing of it stays."""
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
    started: subprocess.Popen[bytes] = transport.get_extra_info("subprocess")
    if started.poll() is None:
        started.kill()
        started.wait()
    transport.close()


async def _read(stream: asyncio.StreamReader, output: Callable[[bytes], None] | None) -> bytes:
    found = b""
    while data := await stream.read(65536):
        found += data
        if output is not None:
            output(data)
    return found
