"""The commands of the lab file that switch boards on and off, run on this workstation."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from kdeploy_gui import defaults
from kdeploy_gui.errors import Evidence, LocalError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, PowerAction

NOT_KNOWN = "Not known: the supply may have been switched all the same."


class WorkstationPower:
    """The `PowerSupply` port. Commands are split as a shell splits them and run without one, in `folder`.

    `notes` is a folder of kdeploy's own that remembers when machines were switched on.
    """

    def __init__(self, folder: Path, notes: Path) -> None:
        self._folder = folder
        self._notes = notes

    async def run(self, environment: Environment, action: PowerAction) -> Completed:
        """See `PowerSupply.run`."""
        command = environment.power.command(action)
        words = shlex.split(command)
        try:
            done = await self._completed(words)
        except OSError as error:
            message = f"{words[0]} cannot be run here: {error.strerror}"
            evidence = Evidence(command)
            nothing = "Nothing was switched."
            raise LocalError(
                "E-POWER-MISSING", message, on_target=nothing, evidence=evidence, program=words[0], key=action
            ) from error
        said = done.text.strip()
        if done.status != 0:
            message = f"switching {environment.name} {action.value} failed: {words[0]} ended with status {done.status}"
            evidence = Evidence(command, done.status, said)
            raise LocalError("E-POWER-FAILED", message, on_target=NOT_KNOWN, evidence=evidence, command=command)
        await asyncio.to_thread(self._note, environment, action)
        return done

    async def on_for(self, environment: Environment) -> float | None:
        """See `PowerSupply.on_for`; None, too, where the note cannot be read."""
        try:
            switched = await asyncio.to_thread(os.stat, self._place(environment))
        except OSError:
            return None
        return time.time() - switched.st_mtime

    async def _completed(self, words: Sequence[str]) -> Completed:
        """A command to its end. What it leaves running is its own affair, and may hold its output open."""
        reading, writing = os.pipe()
        with _Tail(reading) as tail:
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    cwd=self._folder if self._folder.is_dir() else None,
                    start_new_session=True,
                )
            finally:
                os.close(writing)
            try:
                async with asyncio.timeout(defaults.POWER_TIMEOUT):
                    status = await process.wait()
            except TimeoutError as late:
                await _end(process)
                raise _too_late(words, tail) from late
            except asyncio.CancelledError:
                await _end(process)
                raise
            return Completed(status if status >= 0 else 128 - status, tail.data())

    def _note(self, environment: Environment, action: PowerAction) -> None:
        place = self._place(environment)
        if action is PowerAction.OFF:
            place.unlink(missing_ok=True)
            return
        with suppress(OSError):  # a full disk must not turn a board that is on into a failure
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.touch(mode=0o600)
            os.utime(place)

    def _place(self, environment: Environment) -> Path:
        return self._notes / quote(environment.name, safe="")


class _Tail:
    """Reads a pipe as it fills and keeps the end of what came."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        os.set_blocking(pipe, False)

    def __enter__(self) -> _Tail:
        asyncio.get_running_loop().add_reader(self._pipe, self._read)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)

    def data(self) -> bytes:
        """What is kept, with all that is in the pipe by now."""
        while self._read():
            pass
        return bytes(self._kept)

    def _read(self) -> bool:
        try:
            block = os.read(self._pipe, defaults.CHUNK)
        except BlockingIOError:
            return False
        if not block:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return False
        self._kept += block
        del self._kept[: -defaults.POWER_OUTPUT]
        return True


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command with everything that it started: TERM, then KILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(defaults.CANCEL_GRACE):
                await process.wait()
                return


def _too_late(words: Sequence[str], tail: _Tail) -> LocalError:
    limit = f"{defaults.POWER_TIMEOUT:.0f}"
    said = tail.data().decode(errors="replace").strip()
    return LocalError(
        "E-POWER-TIMEOUT",
        f"{words[0]} did not end within {limit} s and was stopped",
        on_target=NOT_KNOWN,
        evidence=Evidence(shlex.join(words), None, said),
        command=shlex.join(words),
    )
