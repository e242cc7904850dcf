"""The window on the embedded lab without a display: the same window, the same run, as pictures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from PySide6.QtCore import QSettings

from kdeploy_gui.app import Home, Services, open_demo, open_services
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.run import RunState
from kdeploy_gui.ui.application import BOARDS, add_shell_commands, make_application
from kdeploy_gui.ui.bridge import event_loop
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.session import open_session
from kdeploy_gui.ui.wizard.page import REVIEW, WizardPage

PATIENCE = 60.0
STEP = 0.02
SHOWN = 0.1
THEMES = ("light", "dark")


def take_pictures(out: Path) -> int:
    """Print the table of `kdeploy demo`, then write PNGs of every view to `out`; exit status as the demo's."""
    status = subprocess.run([sys.executable, "-m", "kdeploy_gui", "demo", "--out", str(out)], check=False).returncode
    application = make_application()
    look = Look(application)
    look.apply(application)
    loop = event_loop(application)
    with closing(loop), tempfile.TemporaryDirectory(prefix="kdeploy-tour-") as folder:
        pictures = loop.run_until_complete(_Tour(look, out, Path(folder)).take())
    sys.stdout.write(f"{len(pictures)} pictures of the window are in {out}\n")
    return status


class _Tour:
    """One walk through the window."""

    def __init__(self, look: Look, out: Path, folder: Path) -> None:
        self._look = look
        self._out = out
        self._folder = folder
        self._taken: list[Path] = []

    async def take(self) -> list[Path]:
        """All pictures, in the order of the walk."""
        home = Home(self._folder / "home", self._folder / "home")
        home.data.mkdir(mode=0o700)
        with open_services(home) as services:
            async with self._window(services) as window:
                await _until(lambda: bool(window.fleet.start.summary.text()) and window.fleet.start.again.isEnabled())
                await self._grab(window, "start")
        with open_demo(BOARDS, self._folder / "demo") as (services, _):
            async with self._window(services) as window:
                await self._deploy(window)
        return self._taken

    async def _deploy(self, window: MainWindow) -> None:
        session = window.session
        await _until(lambda: session.machines.loaded and bool(session.machines.environments))
        session.commands.run("deployment.new")
        await _until(lambda: isinstance(window.current(), WizardPage))
        page = window.current()
        if not isinstance(page, WizardPage):
            return
        for number, step in enumerate((*page.steps, page.review)):
            page.go_to(number)
            await _until(lambda: page.checked and not any(map(session.machines.is_checking, _names(window))))
            if number == REVIEW:
                await _until(lambda: not page.review.planning)
            await self._grab(window, f"wizard-{number + 1}-{step.title.split()[0].lower()}")
        page.deploy()
        await _until(lambda: bool(session.runs.active))
        await _until(lambda: not session.runs.active or _is_mixed(session.runs.state(session.runs.active[0])))
        await self._grab(window, "running")
        await _until(lambda: not session.runs.active)
        await _until(lambda: window.errors.inbox.open_count > 0)
        run = session.services.history.runs(RunQuery(limit=1))[0].run
        failed = window.errors.inbox.open[0].newest
        session.navigator.fleet(run, failed.environment)
        await asyncio.sleep(1)
        await self._grab(window, "finished")
        session.navigator.error(run, failed.environment)
        await asyncio.sleep(0.5)
        await self._grab(window, "error")
        session.navigator.history(run)
        await asyncio.sleep(1)
        await self._grab(window, "history")

    async def _grab(self, window: MainWindow, name: str) -> None:
        for theme in THEMES:
            self._look.set_theme(theme)
            await asyncio.sleep(SHOWN)  # not processEvents: within a coroutine other ones would be lost
            path = self._out / f"{name}-{theme}.png"
            window.grab().save(str(path))
            self._taken.append(path)

    @asynccontextmanager
    async def _window(self, services: Services) -> AsyncIterator[MainWindow]:
        settings = QSettings(str(self._folder / "window.ini"), QSettings.Format.IniFormat)
        session = open_session(services, self._look, settings)
        add_shell_commands(session, lambda _: None, lambda: None)
        window = MainWindow(session)
        window.show()
        session.navigator.fleet()
        yield window
        session.close()
        await _until(lambda: not session.bridge.busy)
        window.hide()
        window.deleteLater()


def _is_mixed(state: RunState | None) -> bool:
    """Whether some have ended and others go on."""
    ended = {each.status.is_final for each in state.environments.values()} if state is not None else set()
    return len(ended) > 1


def _names(window: MainWindow) -> list[str]:
    return [each.name for each in window.session.machines.environments]


async def _until(condition: Callable[[], bool]) -> None:
    """Return when it holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - of many kinds, most without a signal of their own
            await asyncio.sleep(STEP)
