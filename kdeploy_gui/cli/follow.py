"""Watching a run to its end, with Ctrl-C meaning what people expect."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from kdeploy_gui.cli.options import EXIT_CANCELLED, EXIT_FAILED, EXIT_KEYBOARD
from kdeploy_gui.cli.output import let_go_of_stdout
from kdeploy_gui.cli.progress import Display, Silence
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Outcome, Status

if TYPE_CHECKING:
    from kdeploy_gui.app import Services

AT_ONCE = 2.0
"""Seconds within which a second Ctrl-C leaves at once."""
CANCELLING = "Cancelling: every target is left whole. Ctrl-C again leaves at once; the next run cleans up then."
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a program to end: by name, and because its terminal was closed."""
SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """Ctrl-C and SIGTERM while a run goes on: the first asks to cancel, a second Ctrl-C soon after leaves at once."""

    def __init__(self) -> None:
        self.asked = False
        self._last = -AT_ONCE

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The signal handler; does nothing that could wait."""
        now = time.monotonic()
        if number == signal.SIGINT and now - self._last < AT_ONCE:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), SHOW_CURSOR)
            os._exit(EXIT_KEYBOARD)
        self._last = now
        self.asked = True

    def take(self) -> bool:
        """Whether a request came since the last call."""
        asked, self.asked = self.asked, False
        return asked


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Let SIGTERM and a closed terminal do what Ctrl-C does, so that what was set up is also taken down; main thread
    only."""
    previous = {each: signal.signal(each, signal.default_int_handler) for each in ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Receive Ctrl-C, SIGTERM and SIGHUP meanwhile; main thread only."""
    received = Interrupts()
    previous = {each: signal.signal(each, received.receive) for each in (signal.SIGINT, *ENDING)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def watch(
    opened: Services, run: int, display: Display, received: Interrupts, started: Callable[[], None] = lambda: None
) -> RunState:
    """Show a run until it ends; `started` is called once its first event was shown.

    A reader of stdout that goes away does not stop the run.
    """
    state = RunState(run)
    begun = False
    try:
        for batch in opened.follow(run):
            asked = received.take()
            if asked:
                opened.cancel(run)
            state = _folded(state, batch)
            display = _shown(display, batch, state, CANCELLING if asked else "")
            if batch and not begun:
                begun = True
                started()
    finally:
        display.close()
    return state


def _folded(state: RunState, batch: tuple[Event, ...]) -> RunState:
    for event in batch:
        state = state.after(event)
    return state


def _shown(display: Display, batch: tuple[Event, ...], state: RunState, note: str) -> Display:
    try:
        if note:
            display.note(note)
        display.show(batch, state)
    except BrokenPipeError:
        let_go_of_stdout()
        display.close()
        return Silence()
    return display


def exit_status(state: RunState, names: tuple[str, ...] = ()) -> int:
    """The exit status of a run, or of some of its environments."""
    chosen = [each for each in state.environments.values() if not names or each.name in names]
    if chosen and all(_ready(each) for each in chosen):
        return 0
    cancelled = any(each.status is Status.CANCELLED for each in chosen)
    if state.outcome is Outcome.CANCELLED or (names and cancelled):
        return EXIT_CANCELLED
    return EXIT_FAILED


def _ready(state: EnvironmentState) -> bool:
    return state.status is Status.COMPLETED and state.ready
