"""The engine's own thread."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from kdeploy_gui.engine.thread import EngineThread


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    thread = EngineThread()
    yield thread
    thread.close()


async def where() -> str:
    return threading.current_thread().name


def test_work_is_done_in_the_engines_thread(engine: EngineThread) -> None:
    assert engine.ask(where()) == "kdeploy-engine"


def test_all_threads_meet_the_same_loop(engine: EngineThread) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def note() -> None:
        loops.append(asyncio.get_running_loop())

    askers = [threading.Thread(target=lambda: engine.ask(note())) for _ in range(8)]
    for each in askers:
        each.start()
    for each in askers:
        each.join(10)
    assert len(loops) == 8
    assert len(set(map(id, loops))) == 1


def test_what_the_work_raises_reaches_the_asker(engine: EngineThread) -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        engine.ask(fail())
    assert engine.ask(where())


def test_cancelling_the_future_cancels_the_work(engine: EngineThread) -> None:
    started, ended = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = engine.start(work())
    assert started.wait(10)
    future.cancel()
    assert ended.wait(10)
    with pytest.raises(CancelledError):
        future.result(10)


def test_an_exception_in_a_callback_is_logged_and_the_loop_goes_on(
    engine: EngineThread, caplog: pytest.LogCaptureFixture
) -> None:
    async def plant() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)

    with caplog.at_level(logging.WARNING):
        engine.ask(plant())
        engine.ask(asyncio.sleep(0))
        assert engine.ask(where())
    assert "ZeroDivisionError" in caplog.text


def test_closing_ends_the_thread_and_the_work_in_it() -> None:
    before = set(threading.enumerate())
    engine = EngineThread()
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    future = engine.start(work())
    engine.ask(asyncio.sleep(0))
    engine.close()
    assert ended.is_set()
    assert future.cancelled()
    assert set(threading.enumerate()) <= before


def test_interrupted_work_is_seen_through_to_its_end(engine: EngineThread) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            for _ in range(3):
                await asyncio.sleep(0.01)
            ended.append("cleanly")

    with pytest.raises(KeyboardInterrupt):
        engine.see_through(work())
    assert ended == ["cleanly"]
    assert engine.see_through(where()) == "kdeploy-engine"
    with pytest.raises(ZeroDivisionError):
        engine.see_through(divide())


async def divide() -> float:
    return 1 / 0
