"""Programs of this workstation, each in a session of its own, so that it ends with all that it started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from kdeploy_gui import defaults


@asynccontextmanager
async def started(words: Sequence[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with pipes for what it says; it has ended, with all that it started, when the block is left.

    Raises OSError where it cannot be started.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=folder, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            kill(process.pid)
            # Its end is seen only when its pipes have been read to theirs.
            with suppress(TimeoutError):
                async with asyncio.timeout(defaults.CANCEL_GRACE):
                    await process.communicate()


def kill(group: int) -> None:
    """End a process that was `started`, and all of its session's group."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
