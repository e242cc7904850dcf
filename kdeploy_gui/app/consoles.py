"""Serial consoles for front ends: live ones, and what was recorded."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from kdeploy_gui.engine.consoles import ConsoleHub, Heard, Listening, Told
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.environments.console_recording import recorded
from kdeploy_gui.environments.console_share import recordings
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.model.console import Piece
from kdeploy_gui.model.environment import Environment


class ConsoleSession:
    """A console that somebody listens to; verbs may be called from any thread but the engine's."""

    def __init__(self, engine: EngineThread, listening: Listening) -> None:
        self._engine = engine
        self._listening = listening

    def write(self, data: bytes) -> Future[None]:
        """Send what was typed. The future raises NetworkError E-CONSOLE-LOST where the console is not open."""
        return self._engine.start(self._listening.write(data))

    def close(self) -> Future[None]:
        """Listen no longer; done when the console is closed, if nobody else listens."""
        return self._engine.start(self._listening.close())


class ConsoleDesk:
    """The consoles of one lab; verbs may be called from any thread but the engine's."""

    def __init__(self, hub: ConsoleHub, engine: EngineThread, folder: Path) -> None:
        self._hub = hub
        self._engine = engine
        self._folder = folder

    def open(self, environment: Environment, heard: Heard, told: Told) -> ConsoleSession:
        """Listen to a console from now on; `heard` and `told` are called on the engine's thread.

        Raises PlanError E-CONSOLE-NONE where nothing leads to one.
        """
        if not environment.has_console:
            message = f"the lab file names no console of {environment.name}"
            raise PlanError("E-CONSOLE-NONE", message, on_target="Unchanged.")
        return ConsoleSession(self._engine, self._engine.ask(self._listen(environment, heard, told)))

    async def _listen(self, environment: Environment, heard: Heard, told: Told) -> Listening:
        return self._hub.listen(environment, heard, told)

    def recorded(self, name: str, length: int) -> tuple[Piece, ...]:
        """The last `length` bytes, or somewhat more, that a console printed while anybody listened.

        Raises LocalError E-CONSOLE-RECORD.
        """
        place = self.place(name)
        try:
            return recorded(place, length)
        except (OSError, ValueError) as error:
            message = f"the recordings in {place} cannot be read: {error}"
            raise LocalError("E-CONSOLE-RECORD", message, path=str(place)) from error

    def place(self, name: str) -> Path:
        """The folder of a console's recordings."""
        return recordings(self._folder, name)
