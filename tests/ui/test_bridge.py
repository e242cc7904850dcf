"""The crossing between the window and what blocks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import KdeployError, LocalError
from kdeploy_gui.ui.session import Session


def test_a_blocking_verb_runs_elsewhere_and_answers_here(session: Session, qtbot: QtBot) -> None:
    here = threading.current_thread()
    seen: list[tuple[threading.Thread, threading.Thread]] = []

    async def ask() -> None:
        there = await session.bridge.ask(threading.current_thread)
        seen.append((there, threading.current_thread()))

    session.bridge.spawn(ask(), name="ask")

    qtbot.waitUntil(lambda: bool(seen))
    there, back = seen[0]
    assert there is not here
    assert back is here


def test_cancelling_a_wait_reaches_the_engine(session: Session, qtbot: QtBot) -> None:
    cancelled = threading.Event()
    work: Future[None] = Future()
    work.add_done_callback(lambda done: cancelled.set() if done.cancelled() else None)

    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await session.bridge.wait(work)

    task = session.bridge.spawn(wait(), name="wait")
    assert task is not None
    qtbot.waitUntil(begun.is_set)
    task.cancel()

    qtbot.waitUntil(cancelled.is_set)


def test_an_error_of_a_coroutine_is_told(session: Session, qtbot: QtBot) -> None:
    failed: list[KdeployError] = []
    session.bridge.failed.connect(failed.append)

    async def fail() -> None:
        raise LocalError("E-WRITE", "the disk is full")

    session.bridge.spawn(fail(), name="fail")

    qtbot.waitUntil(lambda: bool(failed))
    assert failed[0].code == "E-WRITE"


def test_a_bug_in_a_coroutine_reaches_the_crash_report(
    session: Session, qtbot: QtBot, unexpected: list[BaseException]
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    session.bridge.spawn(fail(), name="fail")

    qtbot.waitUntil(lambda: bool(unexpected))
    assert isinstance(unexpected.pop(), ZeroDivisionError)


def test_closing_cancels_what_goes_on(session: Session, qtbot: QtBot) -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    session.bridge.spawn(forever(), name="forever")
    session.close()

    qtbot.waitUntil(lambda: not session.bridge.busy)


def test_nothing_runs_once_it_is_closed(session: Session) -> None:
    async def ask() -> None:
        raise AssertionError("it ran")

    session.close()

    assert session.bridge.spawn(ask(), name="late") is None
