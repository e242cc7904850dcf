"""A console on its way to the window: what comes on the engine's thread is collected and handed over by one timer."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.app import ConsoleSession, Services
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ui.bridge import Bridge

TICK_MS = 50
BACKLOG = 256 * 1024
"""Bytes that were printed before and are shown first."""
WAITING = 4 * 1024 * 1024
"""Bytes that wait for the window at most."""


@dataclass(frozen=True, slots=True)
class Told:
    """How the way to a console was at a time."""

    time: datetime
    state: LinkState


News = list[Piece | Told]


class ConsoleFeed(QObject):
    """Listens to one console from `open` to `close`; `came` tells what was printed and how the way to it is."""

    came = Signal(object)

    def __init__(self, services: Services, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._bridge = bridge
        self._session: ConsoleSession | None = None
        self._inbox = Inbox()
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._hand_over)

    def open(self, environment: Environment) -> None:
        """Listen to a console; its newest recording comes first."""
        self.close()
        self._inbox = Inbox()
        self._timer.start()
        self._bridge.spawn(self._begin(environment, self._inbox), name="open a console")

    def write(self, data: bytes) -> None:
        """Send bytes; what cannot be sent is told as the state of the way."""
        inbox = self._inbox
        if self._session is None:
            inbox.put(LinkState(Link.WAITING, "nothing was sent: the console is not open yet"))
        else:
            self._session.write(data).add_done_callback(inbox.sent)

    def close(self) -> None:
        """Listen no longer."""
        session, self._session = self._session, None
        self._inbox.close()
        self._timer.stop()
        if session is not None:
            session.close()

    async def _begin(self, environment: Environment, inbox: Inbox) -> None:
        consoles = self._services.consoles
        try:
            for piece in await self._bridge.ask(lambda: consoles.recorded(environment.name, BACKLOG)):
                inbox.put(piece)
        except KdeployError as error:
            inbox.put(LinkState(Link.OPENING, error.message))
        try:
            session = await self._bridge.ask(lambda: consoles.open(environment, inbox.put, inbox.put))
        except KdeployError as error:
            inbox.put(LinkState(Link.NONE, error.message))
            return
        if inbox.closed:
            session.close()
        else:
            self._session = session

    def _hand_over(self) -> None:
        news = self._inbox.take()
        if news:
            self.came.emit(news)


class Inbox:
    """Filled by the engine's thread, emptied by the window's."""

    def __init__(self) -> None:
        self.closed = False
        self._lock = threading.Lock()
        self._news: News = []
        self._bytes = 0

    def put(self, news: Piece | LinkState) -> None:
        """Something came; where the window is too slow, what waits is left out."""
        with self._lock:
            if self.closed:
                return
            if isinstance(news, Piece):
                self._bytes += len(news.data)
                if self._bytes > WAITING:
                    self._news = [_now(LinkState(Link.OPEN, "older lines are left out here, not in the recording"))]
                    self._bytes = len(news.data)
            self._news.append(news if isinstance(news, Piece) else _now(news))

    def sent(self, sending: Future[None]) -> None:
        """How sending ended."""
        error = None if sending.cancelled() else sending.exception()
        if isinstance(error, KdeployError):
            self.put(LinkState(Link.WAITING, f"nothing was sent: {error.message}"))

    def take(self) -> News:
        """All that came since the last time."""
        with self._lock:
            news, self._news, self._bytes = self._news, [], 0
            return news

    def close(self) -> None:
        """Nothing is wanted any more."""
        with self._lock:
            self.closed = True
            self._news.clear()


def _now(state: LinkState) -> Told:
    return Told(datetime.now(UTC), state)
