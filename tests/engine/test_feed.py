"""Events are numbered without a gap, stored before they are heard, and heard by everybody exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.feed import Feed
from kdeploy_gui.errors import LocalError
from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.model.event import Event, FactFound, RunStarted
from tests.engine.steps import FlakyLog
from tests.rehearsal import JumpingClock

FULL = LocalError("E-HISTORY-FULL", "the disk is full")


def feed_on(log: MemoryEventLog | FlakyLog) -> Feed:
    return Feed(log, JumpingClock())


def seqs(groups: Sequence[Sequence[Event]]) -> list[int]:
    return [event.seq for group in groups for event in group]


async def followed(feed: Feed, run: int, after: int, last: int) -> list[int]:
    """What a follower hears, up to the event numbered `last`."""
    heard: list[int] = []
    async for group in feed.follow(run, after):
        heard += [each.seq for each in group]
        if heard and heard[-1] >= last:
            break
    return heard


async def test_a_listener_hears_only_what_is_stored() -> None:
    log = MemoryEventLog()
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    heard: list[int] = []

    def listen(group: tuple[Event, ...]) -> None:
        stored = {each.seq for each in log.events(run)}
        assert {each.seq for each in group} <= stored
        heard.extend(each.seq for each in group)

    feed.subscribe(listen)
    for _ in range(50):
        feed.publish(run, RunStarted())
        await asyncio.sleep(0)
    await feed.durable()
    assert heard == list(range(1, 51))


async def publish_some(feed: Feed, run: int, count: int, pauses: random.Random) -> None:
    for number in range(count):
        feed.publish(run, FactFound(str(number), ""))
        for _ in range(pauses.randrange(3)):
            await asyncio.sleep(0)


async def interleaved(counts: list[int], followers: list[tuple[int, int, int]], seed: int) -> None:
    log = MemoryEventLog()
    feed = feed_on(log)
    runs = [log.begin("x", ["a"]) for _ in counts]
    pauses = random.Random(seed)

    async def follower(which: int, late: int, after: int) -> None:
        at = which % len(runs)
        after = min(after, counts[at] - 1)
        for _ in range(late):
            await asyncio.sleep(0)
        heard = await followed(feed, runs[at], after, counts[at])
        assert heard == list(range(after + 1, counts[at] + 1))

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(publish_some(feed, run, count, pauses) for run, count in zip(runs, counts, strict=True)),
            *(follower(*each) for each in followers),
        )
    await feed.close()
    for run, count in zip(runs, counts, strict=True):
        assert [each.seq for each in log.events(run)] == list(range(1, count + 1))


@settings(max_examples=100)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    followers=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 20)), max_size=5),
    seed=st.integers(0, 2**32),
)
def test_followers_hear_everything_once_whenever_they_come(
    counts: list[int], followers: list[tuple[int, int, int]], seed: int
) -> None:
    asyncio.run(interleaved(counts, followers, seed))


async def test_what_cannot_be_stored_is_heard_and_stored_later() -> None:
    log = FlakyLog(MemoryEventLog())
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    heard: list[int] = []
    feed.subscribe(lambda group: heard.extend(each.seq for each in group))
    feed.publish(run, RunStarted())
    await feed.durable()
    log.error = FULL
    for _ in range(3):
        feed.publish(run, RunStarted())
        with pytest.raises(LocalError):
            await feed.durable()
    assert heard == [1, 2, 3, 4]
    assert len(log.events(run)) == 1
    log.error = None
    await feed.durable()
    feed.publish(run, RunStarted())
    await feed.durable()
    assert [each.seq for each in log.events(run)] == heard == [1, 2, 3, 4, 5]


async def test_a_follower_that_comes_while_nothing_can_be_stored_misses_nothing() -> None:
    log = FlakyLog(MemoryEventLog())
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    feed.publish(run, RunStarted())
    await feed.durable()
    log.error = FULL
    feed.publish(run, RunStarted())
    with pytest.raises(LocalError):
        await feed.durable()
    late = feed.follow(run)
    heard = seqs([await anext(late)])
    feed.publish(run, RunStarted())
    with pytest.raises(LocalError):
        await feed.durable()
    heard += seqs([await anext(late)])
    log.error = None
    feed.publish(run, RunStarted())
    await feed.durable()
    heard += seqs([await anext(late)])
    assert heard == [1, 2, 3, 4]
    assert seqs([await anext(feed.follow(run))]) == [1, 2, 3, 4]


async def test_closing_stores_what_is_left_and_forgives_a_full_disk() -> None:
    log = FlakyLog(MemoryEventLog())
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    feed.publish(run, RunStarted())
    await feed.close()
    assert len(log.events(run)) == 1
    log.error = FULL
    feed.publish(run, RunStarted())
    await feed.close()
    assert len(log.events(run)) == 1


async def test_a_mistake_in_the_history_reaches_whoever_waits_and_the_feed_goes_on() -> None:
    log = FlakyLog(MemoryEventLog())
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    heard: list[int] = []
    feed.subscribe(lambda group: heard.extend(each.seq for each in group))
    log.error = ValueError("a mistake")
    feed.publish(run, RunStarted())
    with pytest.raises(ValueError, match="a mistake"):
        await feed.durable()
    assert heard == [1]
    log.error = None
    await feed.durable()
    assert len(log.events(run)) == 1


async def test_a_listener_that_fails_disturbs_nobody() -> None:
    log = MemoryEventLog()
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    heard: list[int] = []

    def broken(group: tuple[Event, ...]) -> None:
        raise KeyError(len(group))

    feed.subscribe(broken)
    feed.subscribe(lambda group: heard.extend(each.seq for each in group))
    feed.publish(run, RunStarted())
    await feed.durable()
    feed.publish(run, RunStarted())
    await feed.durable()
    assert heard == [1, 2]


async def test_whoever_stopped_listening_hears_nothing_more() -> None:
    log = MemoryEventLog()
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    heard: list[int] = []
    stop = feed.subscribe(lambda group: heard.extend(each.seq for each in group))
    feed.publish(run, RunStarted())
    await feed.durable()
    stop()
    stop()
    feed.publish(run, RunStarted())
    await feed.durable()
    assert heard == [1]


async def test_a_follower_that_is_cancelled_stops_listening() -> None:
    log = MemoryEventLog()
    run = log.begin("x", ["a"])
    feed = feed_on(log)
    listening = asyncio.Event()

    async def listen() -> None:
        async for _ in feed.follow(run):
            listening.set()

    task = asyncio.create_task(listen())
    await listening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    feed.publish(run, RunStarted())
    await feed.durable()
    assert [each.seq for each in log.events(run)] == [1]
