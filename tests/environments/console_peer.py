"""Another kdeploy process: it opens a console, says how, and then what it reads, until it is told to end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from kdeploy_gui.environments.console_share import SharedConsoles
from kdeploy_gui.environments.console_tcp import TcpConsoles
from kdeploy_gui.model.environment import Console, Environment


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


async def main(folder: str, address: str) -> None:
    consoles = SharedConsoles(TcpConsoles(), Path(folder))
    stream = await consoles.open(Environment(name="a", host="a.invalid", console=Console(tcp=address)))
    say(stream.way)
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    ending.add_done_callback(lambda _: asyncio.ensure_future(stream.close()))
    while data := await stream.read():
        say(data.decode())
    await stream.close()
    await ending


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
