"""`kdeploy-gui`: the program around the window - one per home, on one's own lab or in the demo, with crash reports."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QSettings, QSocketNotifier, Qt
from PySide6.QtWidgets import QApplication

from kdeploy_gui import __version__
from kdeploy_gui.app import Home, Services, failure_of, home_from_environment, open_demo, open_services
from kdeploy_gui.errors import Evidence, KdeployError, LocalError
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.bridge import event_loop
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.crash import CrashReports
from kdeploy_gui.ui.instance import OneInstance
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.main_window import NO_KEY, MainWindow
from kdeploy_gui.ui.news import News
from kdeploy_gui.ui.session import Session, open_session

BOARDS = 6
DRAIN = 100
"""Looks, 20 ms apart, for coroutines that still come to their end."""
SWITCH = 0.001
"""Seconds another Python thread may keep the UI thread waiting at a time."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line asks for."""

    demo: bool = False
    lab: Path | None = None
    out: Path | None = None


class Program:
    """The window and the services behind it; it may leave one's own lab for the demo and come back."""

    def __init__(self, application: QApplication, look: Look, home: Home, lab: Path | None) -> None:
        self.application = application
        self.look = look
        self.window: MainWindow | None = None
        self.crashes = CrashReports(home.data / "crashes")
        self._home = home
        self._lab = lab
        self._settings = QSettings(str(home.config / "window.ini"), QSettings.Format.IniFormat)
        self._opened = ExitStack()
        self._next = ""
        self._ending: asyncio.Task[None] | None = None

    def start(self, *, demo: bool) -> None:
        """Open the window. Raises LocalError where the home cannot be used."""
        self._keep_settings_private()
        self._take_look()
        report = self.crashes.left_behind()
        self.crashes.install(self._unexpected)
        self._open(demo=demo)
        if report:
            self._tell(_crashed(report))

    def _keep_settings_private(self) -> None:
        """Qt gives a new file to the umask, and leaves one that is there as it is."""
        path = Path(self._settings.fileName())
        try:
            path.touch(mode=0o600)
            path.chmod(0o600)
        except OSError as error:
            raise LocalError("E-HOME", f"{path} cannot be written: {error.strerror}", path=str(path)) from error

    def show(self) -> None:
        """Bring the window to the front."""
        if self.window is not None:
            self.window.show()
            self.window.setWindowState(self.window.windowState() & ~Qt.WindowState.WindowMinimized)
            self.window.raise_()
            self.window.activateWindow()

    def close(self) -> None:
        """Let go of everything."""
        self._leave()
        self.crashes.close()

    def _open(self, *, demo: bool) -> None:
        self._next = ""
        if demo:
            services, _ = self._opened.enter_context(open_demo(BOARDS))
        else:
            services = self._opened.enter_context(open_services(self._home, self._lab))
        session = open_session(services, self.look, self._settings)
        self._opened.callback(session.close)
        add_shell_commands(session, self._go, self._choose_lab)
        news = News(session)
        self.window = MainWindow(session)
        news.setParent(self.window)
        self.window.closing.connect(self._closed)
        self.window.show()
        session.navigator.fleet()
        self._show_newest(session, services)

    def _leave(self) -> None:
        window, self.window = self.window, None
        if window is not None:
            window.closing.disconnect(self._closed)
            window.hide()
            window.deleteLater()
        self._opened.close()
        self._opened = ExitStack()

    def _closed(self) -> None:
        """The window was closed: for good, or on the way into or out of the demo."""
        self._ending = asyncio.get_running_loop().create_task(self._end(), name="end")

    async def _end(self) -> None:
        going = self._next
        if self.window is not None:
            self.window.hide()
            session = self.window.session
            session.close()
            for _ in range(DRAIN):
                if not session.bridge.busy:
                    break
                await asyncio.sleep(0.02)
        self._leave()
        if going:
            self._open(demo=going == "demo")
        else:
            asyncio.get_running_loop().stop()

    def _go(self, where: str) -> None:
        self._next = where
        if self.window is not None and not self.window.close():
            self._next = where  # it asks first; what it was asked for stays asked for

    def _choose_lab(self) -> None:
        if self.window is not None:
            self.window.session.bridge.spawn(self._open_lab(self.window.session), name="open a lab file")

    async def _open_lab(self, session: Session) -> None:
        path = await session.asking.open_file("Open lab file", "Lab files (*.toml)", session.services.lab_file.parent)
        if path is not None:
            self._lab = path
            self._go("own")

    def _show_newest(self, session: Session, services: Services) -> None:
        records = services.history.runs(RunQuery(limit=1))
        if not records:
            return
        session.navigator.fleet(records[0].run)
        if records[0].outcome is Outcome.INTERRUPTED:
            session.asking.tell(replace(services.failure_of(_interrupted(records[0].run)), severity="warning"))

    def _take_look(self) -> None:
        settings = self._settings
        self.look.set_theme(str(settings.value("window/theme", "system")))
        self.look.set_text_size(int(str(settings.value("window/text", 100))))
        self.look.set_density(str(settings.value("window/density", "comfortable")))

    def _unexpected(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self.window is not None:
            session = self.window.session
            session.asking.tell(session.services.failure_of(error))


def add_shell_commands(session: Session, go: Callable[[str], None], choose_lab: Callable[[], None]) -> None:
    """Commands of the program around the window; `go` takes "demo" or "own"."""
    in_demo = session.services.sample_plan is not None
    session.commands.add(
        Command(
            "demo.start",
            "Start demo lab",
            "File",
            lambda: go("demo"),
            icon="flask-outline",
            enabled=lambda: "The demo lab runs already" if in_demo else "",
            no_key=NO_KEY,
        ),
        Command(
            "demo.leave",
            "Leave demo lab",
            "File",
            lambda: go("own"),
            enabled=lambda: "" if in_demo else "This is your own lab",
            no_key=NO_KEY,
        ),
        Command("lab.open", "Open lab file...", "File", choose_lab, "Ctrl+O", "folder-open-outline"),
    )


def _crashed(report: str) -> LocalError:
    return LocalError("E-CRASHED", "The previous kdeploy did not end cleanly", evidence=Evidence(stderr=report))


def _interrupted(run: int) -> LocalError:
    return LocalError(
        "E-INTERRUPTED",
        f"Run {run} was interrupted: kdeploy ended while it went on",
        on_target="Every file is the old or the new one; what was left over is removed at the next contact.",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit status."""
    raise SystemExit(run(_parse(arguments)))


def run(arguments: Arguments) -> int:
    """The program from start to end; without a display and with --demo, pictures of it."""
    if arguments.demo and not _is_seen():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from kdeploy_gui.ui.tour import take_pictures  # only without a display

        return take_pictures(arguments.out or Path("kdeploy-demo"))
    if not has_display():
        sys.stderr.write("kdeploy-gui: there is no display here. Use the command line (kdeploy --help), or ssh -X.\n")
        return 1
    application = make_application()
    look = Look(application)
    look.apply(application)
    loop = event_loop(application)
    with closing(loop):
        loop.call_soon(lambda: _begin(application, look, loop, arguments))
        loop.run_forever()
    return int(application.property("status") or 0)


def make_application() -> QApplication:
    """The Qt application with its names; the UI thread never waits longer than `SWITCH` at a time for others."""
    sys.setswitchinterval(SWITCH)
    application = QApplication(sys.argv[:1])
    application.setApplicationName("kdeploy")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("kdeploy")
    application.setQuitOnLastWindowClosed(False)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of every write to a machine that has gone
    return application


def has_display() -> bool:
    """Whether a window can be shown here (or was asked for by QT_QPA_PLATFORM)."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _is_seen() -> bool:
    """Whether anybody could look at a window."""
    return has_display() and os.environ.get("QT_QPA_PLATFORM") not in {"offscreen", "minimal"}


def _begin(application: QApplication, look: Look, loop: asyncio.AbstractEventLoop, arguments: Arguments) -> None:
    try:
        home = home_from_environment()
        instance = OneInstance(home.data, application)
        if not arguments.demo and not instance.claim():
            loop.stop()
            return
        program = Program(application, look, home, arguments.lab)
        instance.asked.connect(program.show)
        application.aboutToQuit.connect(program.close)
        application.aboutToQuit.connect(instance.release)
        _close_on_signals(application, program)
        program.start(demo=arguments.demo)
    except KdeployError as error:
        failure = failure_of(error)
        sys.stderr.write(f"kdeploy-gui: {failure.message}\n{failure.remedy}\n")
        application.setProperty("status", 1)
        loop.stop()


def _close_on_signals(application: QApplication, program: Program) -> None:
    """Python sees a signal only when it runs next: a socket wakes Qt at once."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno())

    def ask_to_close() -> None:
        reading.recv(64)
        if program.window is not None:
            program.window.close_now()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    notifier = QSocketNotifier(reading.fileno(), QSocketNotifier.Type.Read, application)
    notifier.activated.connect(ask_to_close)
    application.setProperty("signal sockets", (reading, writing))


def _parse(arguments: Sequence[str] | None) -> Arguments:
    parser = argparse.ArgumentParser(prog="kdeploy-gui", description="The window of kdeploy.")
    parser.add_argument("--demo", action="store_true", help="open the window on the embedded lab")
    parser.add_argument("--lab", type=Path, metavar="FILE", help="use another lab file")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="with --demo and no display: where pictures are written"
    )
    parser.add_argument("--version", action="version", version=f"kdeploy {__version__}")
    found = parser.parse_args(arguments)
    return Arguments(found.demo, found.lab, found.out)
