"""Commands on a target and what became of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A POSIX shell script with its arguments ($1, $2, ...): arguments never become part of the script's text.

    `timeout` in seconds, None: as long as the stage may take. `title` names it in messages. A `gentle` command is never
    killed when its caller is cancelled: at most it is asked to end.
    """

    script: str
    arguments: tuple[str, ...] = ()
    title: str = ""
    timeout: float | None = None
    gentle: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: exit status (128 + signal if a signal ended it) and captured output, capped."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        """stdout as text, undecodable bytes replaced."""
        return self.stdout.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """The last 2000 characters of stderr, undecodable bytes replaced."""
        return self.stderr.decode(errors="replace").strip()[-2000:]
