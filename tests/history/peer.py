"""The other process: `python -m tests.history.peer COMMAND FOLDER ...`. It prints one line per step it has finished."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kdeploy_gui.environments.locks import FileEnvironmentLocks
from kdeploy_gui.errors import LocalError
from kdeploy_gui.history import open_history
from kdeploy_gui.history.database import WriteLock
from kdeploy_gui.model.event import Event, RunSubmitted, StageProgress, StageStarted
from kdeploy_gui.model.stage import Stage
from tests.strategies import START


def submitted(run: int) -> Event:
    return Event(seq=1, time=START, run=run, body=RunSubmitted("smoke", ("board-a", "board-b")))


def under_way(run: int) -> list[Event]:
    """A run that deploys to board-a while board-b waits."""
    started = Event(
        seq=2, time=START, run=run, body=StageStarted(), environment="board-a", stage=Stage.DEPLOYING, attempt=1
    )
    return [submitted(run), started]


def progress(run: int, seq: int) -> Event:
    body = StageProgress(seq, 0, "B", "x" * 200)
    return Event(seq=seq, time=START, run=run, body=body, environment="board-a", stage=Stage.DEPLOYING, attempt=1)


def say(value: object) -> None:
    print(value, flush=True)  # noqa: T201


def until_told() -> None:
    sys.stdin.readline()


def own(folder: Path) -> None:
    """Begin a run, bring it under way and hold it."""
    history = open_history(folder)
    run = history.log.begin("smoke", ["board-a", "board-b"])
    history.log.append(under_way(run))
    say(run)
    until_told()


def begin(folder: Path, count: str) -> None:
    """Begin runs and hold them all."""
    history = open_history(folder)
    say("ready")
    until_told()
    for _ in range(int(count)):
        say(history.log.begin("many", ["board-a"]))
    until_told()


def write(folder: Path) -> None:
    """Append events one by one for ever, each told when it is stored."""
    history = open_history(folder)
    run = history.log.begin("smoke", ["board-a", "board-b"])
    history.log.append([submitted(run)])
    say(run)
    seq = 1
    while True:
        seq += 1
        history.log.append([progress(run, seq)])
        say(seq)
        time.sleep(0.003)  # others wait for the same lock, and look for it now and then


def limited(folder: Path, limit: str) -> None:
    """Append until files may not grow any more, then once more without the limit."""
    history = open_history(folder)
    run = history.log.begin("smoke", ["board-a", "board-b"])
    history.log.append([submitted(run)])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    seq = 2
    try:
        while True:
            history.log.append([progress(run, seq)])
            seq += 1
    except LocalError as error:
        say(error.code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    history.log.append([progress(run, seq)])
    say(seq)
    until_told()


def hold_write_lock(folder: Path) -> None:
    """Keep everybody else from writing."""
    with WriteLock(folder / "kdeploy.db.lock").held():
        say("held")
        until_told()


def hold_environment(folder: Path, environment: str, run: str) -> None:
    """Hold an environment's lock."""

    async def hold() -> None:
        async with FileEnvironmentLocks(folder).hold(environment, int(run), say):
            say("held")
            await asyncio.to_thread(until_told)

    asyncio.run(hold())


COMMANDS: Mapping[str, Callable[..., None]] = {
    "own": own,
    "begin": begin,
    "write": write,
    "limited": limited,
    "hold-write-lock": hold_write_lock,
    "hold-environment": hold_environment,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
