"""Property 11: real-time progress updates

For any sequence of events, the window shows the last state of every environment within 200 ms of its delivery, in order
and without losing one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from kdeploy_gui.app import Services
from kdeploy_gui.model.event import Event, RunFinished, RunStarted
from kdeploy_gui.model.run import EnvironmentState, RunState, fold
from kdeploy_gui.ui.progress.grid import FleetGrid
from kdeploy_gui.ui.progress.model import FleetModel, now
from kdeploy_gui.ui.progress.rows import Row, row_of
from kdeploy_gui.ui.runs import Runs
from kdeploy_gui.ui.session import Session
from tests.strategies import Fleet, fleets
from tests.ui.progress.pages import open_page

SOON = 0.2
"""Seconds from delivery to the screen."""

Deliver = Callable[[tuple[Event, ...]], None]


class Teller:
    """Stands for the engine: delivers prepared groups of events on a thread of its own, as the engine does."""

    def __init__(self, groups: Sequence[tuple[Event, ...]]) -> None:
        self._groups = groups
        self.delivered = 0.0
        self.thread = threading.Thread(target=lambda: None)

    def stream(self, run: int, deliver: Deliver, after: int = 0) -> Future[None]:
        done: Future[None] = Future()

        def tell() -> None:
            for group in self._groups:
                deliver(group)
            self.delivered = time.monotonic()
            done.set_result(None)

        self.thread = threading.Thread(target=tell)
        self.thread.start()
        return done


class Screen:
    """A grid that shows one run after the other, and how far its state was each time it changed.

    Nothing of Qt is let go of before the test ends: Python could do so on a thread on which Qt objects must not die.
    """

    def __init__(self, session: Session, qtbot: QtBot) -> None:
        self.model = FleetModel()
        self.grid = FleetGrid(session.look, self.model)
        self.model.setParent(self.grid)
        qtbot.addWidget(self.grid)
        self.grid.resize(1176, 400)
        self.grid.show()
        self.seen: list[int] = []
        self.at = 0.0
        self._bridge = session.bridge
        self._followed: list[Runs] = []

    def follow(self, teller: Teller, run: int) -> None:
        """Show a run as `teller` tells it."""
        runs = Runs(cast(Services, teller), self._bridge, self.grid)
        self._followed.append(runs)
        self.seen.clear()
        runs.changed.connect(self._take)
        runs.open(run)

    def _take(self, run: int, names: frozenset[str]) -> None:
        state = self._followed[-1].state(run)
        assert state is not None
        if self.seen:
            self.model.update(state, names, now())
        else:
            self.model.show(state, now())
        self.seen.append(self.model.run.last_seq)
        self.at = time.monotonic()

    def end(self) -> None:
        """Follow it no more."""
        self._followed[-1].close()


def timeless(row: Row | None) -> object:
    """A row without what goes on with the clock; None: there is none yet."""
    if row is None:
        return None
    return row.name, row.condition, [(cell.condition, cell.word, cell.share) for cell in row.stages], row.final


def expected(states: dict[str, EnvironmentState], run: RunState) -> list[object]:
    return [timeless(row_of(each, run, now())) for each in states.values()]


def test_any_events_are_on_the_screen_within_200_ms_and_none_is_lost(session: Session, qtbot: QtBot) -> None:
    lags: list[float] = []
    screen = Screen(session, qtbot)

    @settings(max_examples=40)
    @given(fleets(largest=60), st.integers(0, 2**32), st.integers(1, 60), st.booleans())
    def holds(fleet: Fleet, seed: int, size: int, ended: bool) -> None:
        events = fleet.interleaved(7, seed, ended=ended)
        teller = Teller([tuple(events[start : start + size]) for start in range(0, len(events), size)])

        state = fold(events)
        rows = expected(dict(state.environments), state)

        def is_whole() -> bool:
            return screen.seen[-1:] == [events[-1].seq] and rows == [
                timeless(screen.model.get(name)) for name in state.environments
            ]

        screen.follow(teller, 7)
        qtbot.waitUntil(is_whole)
        teller.thread.join()
        lags.append(max(0.0, screen.at - teller.delivered))
        screen.end()

        assert screen.model.run == state
        assert screen.seen == sorted(screen.seen), "a later picture never comes before an earlier one"
        assert sorted(row.name for row in screen.model.shown()) == sorted(state.environments)

    holds()

    assert median(lags) <= SOON, lags


def test_what_arrives_after_the_end_of_following_is_not_told(session: Session) -> None:
    teller = Teller([(Event(seq=1, time=datetime.now(UTC), run=7, body=RunStarted()),)])
    runs = Runs(cast(Services, teller), session.bridge)
    told: list[int] = []
    runs.changed.connect(lambda run, _names: told.append(run))
    runs.open(7)
    teller.thread.join()
    runs.close()
    QApplication.processEvents()
    assert not told


@pytest.mark.sshd
def test_a_real_run_is_on_the_screen_as_it_goes(demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    plan = demo.services.plans.check(sample).plan
    assert plan is not None
    with open_page(demo) as page:
        told: list[tuple[int, float]] = []

        run = demo.services.submit(plan)
        watch = demo.services.stream(run, lambda group: told.append((group[-1].seq, time.monotonic())))
        page.show_run(run)
        seen: list[tuple[int, float]] = []

        def look() -> bool:
            if not seen or page.model.run.last_seq != seen[-1][0]:
                seen.append((page.model.run.last_seq, time.monotonic()))
            return page.model.run.outcome is not None

        qtbot.waitUntil(look, timeout=60_000)
        watch.result(10)

        stored = demo.services.history.events(run)
        assert isinstance(stored[-1].body, RunFinished)
        assert page.model.run == fold(stored)
        sequence = [seq for seq, _ in seen]
        assert sequence == sorted(sequence)
        assert len(sequence) > 3, "the run was on the screen while it went on"
        lags = [next(at for each, at in seen if each >= seq) - moment for seq, moment in told]
        assert median(lags) <= SOON, lags
        rows = [timeless(page.model.get(name)) for name in page.model.run.environments]
        assert rows == expected(dict(page.model.run.environments), replace(page.model.run))
