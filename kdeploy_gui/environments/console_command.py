"""Serial consoles behind a command of the workstation, such as picocom: it gets a terminal that changes no byte."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import signal
import tty
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.environments.console_stream import CHUNK, Arrivals, lost
from kdeploy_gui.errors import Evidence, LocalError
from kdeploy_gui.model.environment import Environment


class CommandConsoles:
    """The `Consoles` port for `command` of [environment.console]: split as a shell splits it, run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self, environment: Environment) -> CommandConsole:
        """See `Consoles.open`."""
        command = environment.console.command
        words = shlex.split(command)
        terminal, inside = os.openpty()
        try:
            tty.setraw(inside)
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=inside,
                stdout=inside,
                stderr=inside,
                cwd=self._folder if self._folder.is_dir() else None,
                start_new_session=True,
            )
        except OSError as error:
            os.close(terminal)
            message = f"{words[0]} cannot be run here: {error.strerror}"
            evidence = Evidence(command)
            raise LocalError(
                "E-CONSOLE-COMMAND", message, on_target="Unchanged.", evidence=evidence, program=words[0]
            ) from error
        finally:
            os.close(inside)
        return CommandConsole(words, terminal, process)


class CommandConsole:
    """The `ConsoleStream` port on the terminal of a process."""

    def __init__(self, words: Sequence[str], terminal: int, process: asyncio.subprocess.Process) -> None:
        self._words = words
        self._terminal = terminal
        self._process = process
        self._arrivals = Arrivals(self._hold)
        self._loop = asyncio.get_running_loop()
        os.set_blocking(terminal, False)
        fcntl.fcntl(terminal, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        self._loop.add_reader(terminal, self._take)
        self._waiter = self._loop.create_task(self._wait())

    @property
    def ended(self) -> str:
        """See `ConsoleStream.ended`."""
        return self._arrivals.ended

    @property
    def way(self) -> str:
        """See `ConsoleStream.way`."""
        return shlex.join(self._words)

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        return await self._arrivals.read()

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        rest = memoryview(data)
        while rest:
            if self.ended:
                raise lost(self.ended)
            try:
                rest = rest[os.write(self._terminal, rest) :]
            except BlockingIOError:
                await self._writable()
            except OSError as error:
                raise lost(f"{self._words[0]} takes no more") from error

    async def close(self) -> None:
        """See `ConsoleStream.close`. Ends the command with everything that it started: HUP and TERM, then KILL."""
        self._arrivals.end("closed here")
        for numbers in ((signal.SIGHUP, signal.SIGTERM), (signal.SIGKILL,)):
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(defaults.CANCEL_GRACE):
                    await asyncio.shield(self._waiter)
                    return

    def _hold(self, on: bool) -> None:
        if on:
            self._loop.remove_reader(self._terminal)
        else:
            self._loop.add_reader(self._terminal, self._take)

    def _take(self) -> bool:
        try:
            data = os.read(self._terminal, CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the other side open any more
            data = b""
        if not data:
            self._loop.remove_reader(self._terminal)
            return False
        self._arrivals.arrived(data)
        return True

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._terminal, ready.set)
        waiting = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait({waiting, self._waiter}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not self._waiter.done():
                self._loop.remove_writer(self._terminal)

    async def _wait(self) -> None:
        """The end of the command is that of the console, whatever else holds its terminal open."""
        status = await self._process.wait()
        while not self.ended and self._take():
            pass
        how = f"status {status}" if status >= 0 else signal.Signals(-status).name
        self._arrivals.end(f"{self._words[0]} ended with {how}", with_words=True)
        self._loop.remove_reader(self._terminal)
        self._loop.remove_writer(self._terminal)
        os.close(self._terminal)
