"""Passphrases and passwords that only the user has: asked for when the user starts something, never by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import CancelledError, Future

from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.asking import Asking
from kdeploy_gui.ui.session import Session


class WindowAsker:
    """The `Asker` port: a worker thread waits for what the window is asked. Closed, it answers nothing."""

    def __init__(self, asking: Asking, loop: asyncio.AbstractEventLoop) -> None:
        self._asking = asking
        self._loop = loop
        self._open: Future[str] | None = None
        self._closed = threading.Event()

    def passphrase(self, key: str, attempt: int) -> str:
        """See `Asker.passphrase`."""
        return self._wait(self._asking.secret(f"Passphrase of {visible(key)}", again=attempt > 1))

    def sudo_password(self, environment: Environment, attempt: int) -> str:
        """See `Asker.sudo_password`."""
        what = f"Password for sudo on {visible(environment.name)} ({visible(environment.address)})"
        return self._wait(self._asking.secret(what, again=attempt > 1))

    def close(self) -> None:
        """Nobody is there any more: who waits goes on without an answer."""
        self._closed.set()
        if self._open is not None:
            self._open.cancel()

    def _wait(self, question: Coroutine[None, None, str]) -> str:
        if self._closed.is_set():
            question.close()
            return ""
        self._open = opened = asyncio.run_coroutine_threadsafe(question, self._loop)
        if self._closed.is_set():  # meanwhile, by one who saw nothing open yet
            opened.cancel()
        try:
            return opened.result()
        except CancelledError:
            return ""


async def unlock(session: Session, names: Iterable[str]) -> None:
    """Ask for what logging in to these environments needs and nobody stored; what stays unanswered fails there."""
    wanted = set(names)
    await unlock_these(session, [each for each in session.machines.environments if each.name in wanted])


async def unlock_these(session: Session, environments: Sequence[Environment]) -> None:
    """The same for environments that need not be in the lab file. Raises PlanError for a way that leads nowhere."""
    asker = WindowAsker(session.asking, asyncio.get_running_loop())
    try:
        await session.bridge.ask(lambda: session.services.unlock(environments, asker))
    finally:
        asker.close()


async def unlock_and_check(session: Session, names: Iterable[str] = ()) -> None:
    """Look at environments (no names: at all) because the user wants it.

    At once, but where the last look was refused a login: there it is asked for what that may have needed.
    """
    machines = session.machines
    chosen = tuple(names) or tuple(each.name for each in machines.environments)
    refused = [name for name in chosen if _was_refused(machines.result(name))]
    at_once = [name for name in chosen if name not in refused]
    if at_once:
        machines.check(at_once)
    if refused:
        await unlock(session, refused)
        machines.check(refused)


def _was_refused(check: EnvironmentCheck | None) -> bool:
    return check is not None and check.failure is not None and check.failure.category is Category.AUTH
