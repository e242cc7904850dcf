"""The suite of port EnvironmentLocks, with a second process."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from kdeploy_gui.environments.locks import FileEnvironmentLocks
from kdeploy_gui.errors import LocalError
from kdeploy_gui.ports import EnvironmentLocks
from tests.history.processes import peer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def locks(folder: Path) -> EnvironmentLocks:
    return FileEnvironmentLocks(folder)


def nobody(message: str) -> None:
    pytest.fail(f"had to wait: {message}")


async def hold_once(locks: EnvironmentLocks, environment: str, told: list[str], entered: asyncio.Event) -> None:
    async with locks.hold(environment, 42, told.append):
        entered.set()


async def until_told(told: list[str]) -> None:
    async with asyncio.timeout(30):
        while not told:
            await asyncio.sleep(0)


def overwrite(path: Path) -> None:
    path.write_text("")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_free_lock_is_had_at_once(locks: EnvironmentLocks) -> None:
    for _ in range(3):
        async with locks.hold("board-a", 1, nobody), locks.hold("board-b", 1, nobody):
            pass


async def test_a_second_run_waits_and_is_told_once_for_whom(locks: EnvironmentLocks) -> None:
    told: list[str] = []
    entered = asyncio.Event()
    async with locks.hold("board-a", 41, nobody):
        second = asyncio.create_task(hold_once(locks, "board-a", told, entered))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(entered.wait(), 0.5)
        assert told == [f"locked by run 41 (pid {os.getpid()})"]
    await asyncio.wait_for(second, 30)
    assert entered.is_set()


async def test_waiting_leaves_the_loop_free(locks: EnvironmentLocks) -> None:
    told: list[str] = []
    async with locks.hold("board-a", 41, nobody):
        second = asyncio.create_task(hold_once(locks, "board-a", told, asyncio.Event()))
        rounds = 10
        while (longest := await longest_turn(0.6)) >= 0.15 and (rounds := rounds - 1):
            pass  # something else had the processor: what waits on the loop would do so in every round
    await second
    assert longest < 0.15


async def longest_turn(seconds: float) -> float:
    """The longest turn (s) of the loop in so many seconds."""
    loop = asyncio.get_running_loop()
    longest = 0.0
    end = loop.time() + seconds
    while (before := loop.time()) < end:
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - before)
    return longest


async def test_a_cancelled_wait_leaves_no_lock(locks: EnvironmentLocks) -> None:
    told: list[str] = []
    async with locks.hold("board-a", 41, nobody):
        second = asyncio.create_task(hold_once(locks, "board-a", told, asyncio.Event()))
        await until_told(told)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
    async with locks.hold("board-a", 43, nobody):
        pass


async def test_a_cancelled_holder_frees_the_lock(locks: EnvironmentLocks) -> None:
    entered = asyncio.Event()

    async def hold_for_ever() -> None:
        async with locks.hold("board-a", 41, nobody):
            entered.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold_for_ever())
    await entered.wait()
    holder.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holder
    async with locks.hold("board-a", 42, nobody):
        pass


async def test_an_error_frees_the_lock(locks: EnvironmentLocks) -> None:
    with pytest.raises(KeyError):
        async with locks.hold("board-a", 41, nobody):
            raise KeyError
    async with locks.hold("board-a", 42, nobody):
        pass


async def test_the_death_of_another_process_frees_its_lock(locks: EnvironmentLocks, folder: Path) -> None:
    told: list[str] = []
    entered = asyncio.Event()
    with peer("hold-environment", folder, "board-a", 41) as other:
        assert await asyncio.to_thread(other.line) == "held"
        second = asyncio.create_task(hold_once(locks, "board-a", told, entered))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(entered.wait(), 0.3)
        assert told == [f"locked by run 41 (pid {other.pid})"]
        other.kill()
        await asyncio.wait_for(second, 30)


async def test_children_do_not_keep_the_lock(locks: EnvironmentLocks) -> None:
    async with locks.hold("board-a", 41, nobody):
        child = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        async with locks.hold("board-a", 42, nobody):
            pass
    finally:
        child.kill()
        await child.wait()


async def test_only_one_of_many_holds_the_lock(locks: EnvironmentLocks) -> None:
    inside = 0
    most = 0

    async def work(run: int) -> None:
        nonlocal inside, most
        async with locks.hold("board-a", run, lambda _: None):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work(run) for run in range(5)))
    assert most == 1


async def test_lock_files_are_private(locks: EnvironmentLocks, folder: Path) -> None:
    before = os.umask(0)
    try:
        async with locks.hold("board-a", 41, nobody):
            pass
    finally:
        os.umask(before)
    assert mode_of(folder) == 0o700
    assert mode_of(folder / "board-a.lock") == 0o600


async def test_a_lock_file_that_cannot_be_made_is_explained(folder: Path) -> None:
    overwrite(folder)

    with pytest.raises(LocalError) as caught:
        async with FileEnvironmentLocks(folder).hold("board-a", 1, nobody):
            pass
    assert caught.value.code == "E-LOCK-FILE"
    assert str(folder / "board-a.lock") in caught.value.message


async def test_a_lock_that_nobody_signed_is_waited_for(locks: EnvironmentLocks, folder: Path) -> None:
    told: list[str] = []
    async with locks.hold("board-a", 41, nobody):
        overwrite(folder / "board-a.lock")
        second = asyncio.create_task(hold_once(locks, "board-a", told, asyncio.Event()))
        await until_told(told)
    await second
    assert told == ["locked by another run"]
