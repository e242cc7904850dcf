"""The window under load: how late a UI timer fires, how long a start takes, how much memory it needs.

python -m tests.bench.window [start|transfers|storm]... [--crowded] [--json]

Each situation runs in a process of its own, offscreen. `transfers`: 20 real SSH targets at once, 200 files of 64 KiB.
`storm`: a run of 300 environments whose events come as fast as the history takes them.

The servers of `transfers` stand for other computers. Linux gives each of their sessions as much of the processors as
the whole window (autogroups, sched(7)); so the window comes before them where root measures, unless it is `--crowded`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdeploy_gui.loading import loading

if TYPE_CHECKING:
    from kdeploy_gui.ui.main_window import MainWindow

TICK_MS = 5
LOOK_MS = 10
SITUATIONS = ("start", "transfers", "storm")
TARGETS, FILES, FILE_SIZE = 20, 200, 64 * 1024
FLEET, STEPS = 300, 40


@dataclass(frozen=True)
class Lag:
    """How late a timer of the UI thread fired, in milliseconds; memory in MiB at the end; work in seconds."""

    situation: str
    seconds: float
    p50: float
    p95: float
    worst: float
    memory: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("situations", nargs="*", default=[], help=", ".join(SITUATIONS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--crowded", action="store_true", help="let the servers take the window's processors")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = options.situations or list(SITUATIONS)
    if options.here:
        print(json.dumps(asdict(_measure(chosen[0]))))
        return 0
    found = [_in_own_process(each, crowded=options.crowded) for each in chosen]
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return 0
    print(f"{'situation':<12}{'seconds':>9}{'lag p50':>9}{'p95':>8}{'max ms':>8}{'MiB':>7}")
    for each in found:
        print(
            f"{each.situation:<12}{each.seconds:>9.2f}{each.p50:>9.1f}{each.p95:>8.1f}{each.worst:>8.1f}{each.memory:>7.0f}"
        )
    return 0


def _in_own_process(situation: str, *, crowded: bool) -> Lag:
    environment = {**os.environ, "QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    command = [sys.executable, "-m", "tests.bench.window", "--here", situation]
    first = None if crowded else _come_first
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, start_new_session=True, preexec_fn=first
    )
    if done.returncode != 0:
        raise SystemExit(f"{situation} failed:\n{done.stdout}\n{done.stderr}")
    return Lag(**json.loads(done.stdout.splitlines()[-1]))


def _come_first() -> None:
    """Put this session before all others, as far as that is allowed."""
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20")


def _measure(situation: str) -> Lag:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kdeploy-bench-", ignore_cleanup_errors=True) as name:
        os.environ["KDEPLOY_HOME"] = str(Path(name) / "home")
        if situation == "start":
            return _start(started)
        return _transfers(Path(name)) if situation == "transfers" else _storm()


def _start(started: float) -> Lag:
    """From the first import to the first painted window with its lab read."""
    with _window() as shown:
        _until(lambda: shown.session.machines.loaded)
        shown.grab()
        return _lag("start", time.perf_counter() - started, [0.0])


def _transfers(folder: Path) -> Lag:
    from tests.lab.sshd import Sshd

    with ExitStack() as stack:
        sshd = stack.enter_context(Sshd(folder / "sshd", hosts=TARGETS))
        shown = stack.enter_context(_window())
        for each in sshd.environments():
            shown.session.services.inventory.add(each)
        (folder / "suite").mkdir()
        for number in range(FILES):
            (folder / "suite" / f"{number:03}.bin").write_bytes(os.urandom(FILE_SIZE))
        plan = folder / "plan.toml"
        plan.write_text(
            'name = "bench"\nenvironments = ["*"]\n[policy]\nmax_parallel = 20\n[[artifacts]]\nsource = "suite/*.bin"\n'
            'type = "data"\ntarget = "~/bench/"\nmode = "0644"\n'
        )
        _until(lambda: len(shown.session.machines.environments) == TARGETS)
        _until(lambda: not any(shown.session.machines.is_checking(each.name) for each in sshd.environments()))
        planned = shown.session.services.plans.check(plan).plan
        if planned is None:
            raise SystemExit("the plan of the bench has problems")
        run = shown.session.services.submit(planned)
        shown.session.navigator.fleet(run, planned.environments[0].name)
        return _until_ended("transfers", shown, run)


def _storm() -> Lag:
    from kdeploy_gui.model.event import Event
    from tests.bench.storm import storm

    with _window() as shown:
        services = shown.session.services
        names = [f"board-{number:03}" for number in range(FLEET)]
        run = services.history.begin("storm", names)
        groups: Iterator[tuple[Event, ...]] = storm(run, names, STEPS)
        services.history.append(next(groups))
        shown.session.navigator.fleet(run, names[0])
        import threading

        def publish() -> None:
            for group in groups:
                services.history.append(group)
            services.history.release(run)

        threading.Thread(target=publish, name="storm").start()
        return _until_ended("storm", shown, run)


def _until_ended(situation: str, shown: MainWindow, run: int) -> Lag:
    late: list[float] = []
    started = time.perf_counter()

    def ended() -> bool:
        state = shown.session.runs.state(run)
        return state is not None and state.outcome is not None

    with _watch(late):
        _until(ended)
    return _lag(situation, time.perf_counter() - started, late)


@contextmanager
def _watch(late: list[float]) -> Iterator[None]:
    """Note how late a precise timer of the UI thread fires."""
    from PySide6.QtCore import Qt, QTimer

    timer = QTimer(interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
    last = [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        late.append(max(0.0, (now - last[0]) * 1000 - TICK_MS))
        last[0] = now

    timer.timeout.connect(tick)
    timer.start()
    yield
    timer.stop()


@contextmanager
def _window() -> Iterator[MainWindow]:
    with loading("kdeploy_gui.ui.application"):
        from PySide6.QtCore import QSettings

        from kdeploy_gui.app import home_from_environment, open_services
        from kdeploy_gui.ui.application import make_application
        from kdeploy_gui.ui.bridge import event_loop
        from kdeploy_gui.ui.look import Look
        from kdeploy_gui.ui.main_window import MainWindow
        from kdeploy_gui.ui.session import open_session

    application = make_application()
    look = Look(application)
    look.apply(application)
    event_loop(application, running=True)
    home = home_from_environment()
    with open_services(home) as services:
        settings = QSettings(str(home.config / "window.ini"), QSettings.Format.IniFormat)
        session = open_session(services, look, settings)
        window = MainWindow(session)
        window.show()
        session.navigator.fleet()
        yield window
        session.close()
        window.close()
        asyncio.events._set_running_loop(None)


def _until(condition: Callable[[], bool], limit: float = 300.0) -> None:
    """Let Qt run as the program does, asleep between events, until a condition holds."""
    from PySide6.QtCore import QEventLoop, QTimer

    end = time.monotonic() + limit
    loop = QEventLoop()
    look = QTimer(interval=LOOK_MS)
    look.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    look.start()
    loop.exec()
    if not condition():
        raise SystemExit("took too long")


def _lag(situation: str, seconds: float, late: list[float]) -> Lag:
    ordered = sorted(late)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Lag(
        situation,
        round(seconds, 3),
        ordered[len(ordered) // 2],
        ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
        ordered[-1],
        memory,
    )


if __name__ == "__main__":
    sys.exit(main())
