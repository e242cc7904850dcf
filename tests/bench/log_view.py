"""The log under load: how long a million lines take to open, and how late the UI is meanwhile.

python -m tests.bench.log_view [--lines 1000000] [--views 8] [--rate 20000] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from kdeploy_gui.model.event import Event, OutputAppended, StageStarted
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.bridge import Bridge, event_loop
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.loader import LogLoader
from kdeploy_gui.ui.log.view import LogView
from kdeploy_gui.ui.look import Look

STAGE = Stage.DEPENDENCIES
LINE = b"[%12d] netdev: eth%d: link is up, 1000 Mbps full duplex\n"
TICK_MS = 10
TAKE_MS = 100


class Output:
    """A log file that grows, and the events that tell of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Event] = []
        self._file = path.open("ab")
        self._numbers = itertools.count(1)
        self.lines = 0
        self._tell(StageStarted())

    def _tell(self, body: StageStarted | OutputAppended) -> None:
        number, name = next(self._numbers), self.path.stem
        event = Event(seq=number, time=datetime.now(UTC), run=1, body=body, environment=name, stage=STAGE, attempt=1)
        self.events.append(event)

    def append(self, lines: int) -> None:
        """More lines, as one piece of output."""
        data = b"".join(LINE % (self.lines + number, number % 4) for number in range(lines))
        offset = self._file.tell() if self.lines else 0
        self._file.write(data)
        self._file.flush()
        self.lines += lines
        self._tell(OutputAppended(offset, len(data)))

    def read(self, offset: int, length: int) -> bytes:
        """As the store reads."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


class Lag:
    """How late a timer of the UI thread is, in milliseconds."""

    def __init__(self, app: QApplication) -> None:
        self._timer = QTimer(app, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._last = 0.0
        self.late: list[float] = []

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure inside."""
        self.late, self._last = [], time.perf_counter()
        self._timer.start()
        yield
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - TICK_MS))
        self._last = now

    def __str__(self) -> str:
        late = [*self.late, 0.0, 0.0]
        worse = quantiles(late, n=20, method="inclusive")[-1]
        return f"UI late by p50 {median(late):.1f}, p95 {worse:.1f}, max {max(late):.1f} ms"


def until(app: QApplication, done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let Qt run until something is true."""
    end = time.perf_counter() + seconds
    while not done() and time.perf_counter() < end:
        app.processEvents()


def shown(look: Look, bridge: Bridge, output: Output) -> tuple[LogView, LogLoader]:
    """A view that reads this output."""
    view, loader = LogView(look), LogLoader(LogDocument(output.read, output.path.stem, 1), bridge, bridge)
    view.resize(700, 300)
    view.set_document(loader.document)
    loader.changed.connect(view.refresh)
    view.show()
    return view, loader


def big(app: QApplication, look: Look, bridge: Bridge, lag: Lag, folder: Path, lines: int) -> None:
    """Open, scroll and search one big log."""
    output = Output(folder / "big.log")
    for _ in range(lines // 500):
        output.append(500)
    begun = time.perf_counter()
    view, loader = shown(look, bridge, output)
    firsts: list[float] = []
    loader.changed.connect(lambda: firsts.append(time.perf_counter()) if len(loader.document) > 1 else None)
    with lag.measured():
        loader.take(output.events)
        until(app, lambda: len(loader.document) >= lines and loader.loaded)
    size = output.path.stat().st_size >> 20
    print(f"open {lines:,} lines, {size} MiB: last lines after {firsts[0] - begun:.3f} s,", end=" ")
    print(f"all after {time.perf_counter() - begun:.3f} s; {lag}")
    with lag.measured():
        steps = iter(range(0, lines, max(1, lines // 1000)))
        for row in steps:
            view.verticalScrollBar().setValue(row)
            app.processEvents()
    print(f"scroll through in 1000 steps: {lag}")
    begun = time.perf_counter()
    with lag.measured():
        loader.look_for("eth3")
        until(app, lambda: loader.search is not None and loader.search.complete)
    print(f"search: {len(loader.search or ()):,} hits after {time.perf_counter() - begun:.2f} s; {lag}")
    begun = time.perf_counter()
    with lag.measured():
        loader.look_for("nowhere")
        until(app, lambda: loader.search is not None and loader.search.complete)
    print(f"search without a hit after {time.perf_counter() - begun:.2f} s; {lag}")
    begun = time.perf_counter()
    with lag.measured():
        loader.show_problems(True)
        until(app, lambda: not loader.busy)
    print(f"problems only after {time.perf_counter() - begun:.2f} s; {lag}")
    view.close()


def live(app: QApplication, look: Look, bridge: Bridge, lag: Lag, folder: Path, options: argparse.Namespace) -> None:
    """Several views that follow output coming fast."""
    outputs = [Output(folder / f"live{number}.log") for number in range(options.views)]
    pairs = [shown(look, bridge, output) for output in outputs]
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(0.05):
            for output in outputs:
                output.append(options.rate // 20)

    def take() -> None:
        for output, (_, loader) in zip(outputs, pairs, strict=True):
            loader.take(output.events)

    feeder = threading.Thread(target=feed)
    timer = QTimer(app, interval=TAKE_MS)
    timer.timeout.connect(take)
    begun = time.perf_counter()
    with lag.measured():
        feeder.start()
        timer.start()
        until(app, lambda: False, options.seconds)
    took = time.perf_counter() - begun
    stop.set()
    feeder.join()
    until(app, lambda: all(not loader.busy for _, loader in pairs))
    lines = sum(len(loader.document) for _, loader in pairs)
    print(f"{options.views} views, {lines / took / options.views:,.0f} lines/s each: {lag}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = QApplication([])
    asyncio.events._set_running_loop(event_loop(app, running=True))
    look, bridge, lag = Look(app), Bridge(), Lag(app)
    look.apply(app)
    with tempfile.TemporaryDirectory() as folder:
        big(app, look, bridge, lag, Path(folder), options.lines)
        live(app, look, bridge, lag, Path(folder), options)
    bridge.close()


if __name__ == "__main__":
    main()
