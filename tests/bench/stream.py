"""One large file: kdeploy's deployment of it against the bare stream that carries it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncssh

from kdeploy_gui.defaults import CHUNK
from tests.bench.suite import Bench


def make_large_plan(bench: Bench, size: int) -> Path:
    """A file of `size` bytes, and a plan that takes it to the first target alone."""
    folder = bench.folder / "large"
    folder.mkdir()
    with open("/dev/urandom", "rb") as source, (folder / "image").open("wb") as file:
        for at in range(0, size, CHUNK):
            file.write(source.read(min(CHUNK, size - at)))
    plan = folder / "plan.toml"
    first = bench.sshd.environment().name
    plan.write_text(
        f'name = "large"\nenvironments = ["{first}"]\n\n[[artifacts]]\nsource = "image"\ntype = "data"\n'
        'target = "~/kdeploy/"\nmode = "0644"\n'
    )
    return plan


def stream(bench: Bench, algorithms: Mapping[str, str]) -> None:
    """The bytes of the file through asyncssh into `cat` and onto the disk; no `algorithms`: those asyncssh prefers."""
    asyncio.run(_stream(bench, algorithms))


async def _stream(bench: Bench, algorithms: Mapping[str, str]) -> None:
    target = bench.sshd.environment()
    async with asyncssh.connect(
        target.host,
        target.port,
        username=target.user,
        client_keys=[target.identity_file],
        known_hosts=None,
        config=None,
        **algorithms,
    ) as connection:
        command = "mkdir -p kdeploy && cat > kdeploy/image && sync kdeploy/image"
        process = await connection.create_process(f"cd && {command}", encoding=None)
        with (bench.folder / "large/image").open("rb") as file:
            while block := file.read(CHUNK):
                process.stdin.write(block)
                await process.stdin.drain()
        process.stdin.write_eof()
        await process.wait(check=True)


def timed(work: Callable[[], None]) -> float:
    """Wall seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
