"""How scripts come to run on a machine: as the user who logged in, or as root by sudo."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum, auto

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_refusals import UNKNOWN
from kdeploy_gui.errors import AuthError, Evidence, NetworkError
from kdeploy_gui.model.environment import Environment

Ask = Callable[[], Awaitable[str]]
"""Gives the password of sudo when it is asked for; empty: there is none."""

_TELL_PID = 'echo "kdeploy-pid:$$" >&2\n'
_SUDO = """echo "kdeploy-pid:$$" >&2; nonce=$1 mode=$2; shift 2
LC_ALL=C; export LC_ALL
inner='echo "$0" >&2; exec /bin/sh -c "$@"'
exec sudo -k -H "-$mode" -p "[kdeploy $nonce]" -- /bin/sh -c "$inner" "kdeploy-root:$nonce" "$@"
"""
_PID = re.compile(rb"kdeploy-pid:(\d{1,10})\n")
_NOISE = 65536
"""Bytes that a login shell, or sudo, may write to stderr before our script starts."""
_NOTHING_CHANGED = "Nothing was changed."


class Entry:
    """The start of one script: takes what is not the script's own out of its stderr, first the process number."""

    def __init__(self) -> None:
        self.pid = 0
        self.known = asyncio.Event()
        self._held = b""
        self._over = False

    def feed(self, data: bytes) -> bytes:
        """What of the stream so far is the command's own; empty `data` is its end."""
        if self._over:
            return data
        self._held += data
        found = _PID.search(self._held)
        if found is None and data and len(self._held) < _NOISE:
            return b""
        self._over = True
        if found is None:
            return self._held
        self.pid = int(found.group(1))
        if self.pid <= 1:
            raise NetworkError("E-LOST", "the machine's answer is not that of a shell", on_target=UNKNOWN)
        self.known.set()
        return self._held[: found.start()] + self._held[found.end() :]

    def ended(self) -> None:
        """The stream has ended."""

    async def enter(self, stdin: asyncssh.SSHWriter[bytes]) -> None:
        """Wait until stdin is the script's. Raises AuthError where it does not come to that."""


class Plain:
    """Scripts run as the user who logged in."""

    def start(self, script: str, arguments: Sequence[str]) -> tuple[Entry, Sequence[str]]:
        """The words that start a script, and what its stderr begins with."""
        return Entry(), ("exec", "/bin/sh", "-c", _TELL_PID + script, "kdeploy", *arguments)


class Sudo:
    """Scripts run as root. The password goes to sudo's stdin when sudo asks for it, once, and nowhere else.

    A password that was refused is not tried again: systems lock out those who try too often.
    """

    def __init__(self, environment: Environment, ask: Ask | None) -> None:
        self._environment = environment
        self._ask = ask
        self._refused: AuthError | None = None

    def start(self, script: str, arguments: Sequence[str]) -> tuple[Entry, Sequence[str]]:
        """See `Plain.start`. Raises AuthError after a refusal."""
        if self._refused is not None:
            raise self._refused
        entry = _SudoEntry(self)
        mode = "S" if self._ask else "n"
        return entry, (
            *("exec", "/bin/sh", "-c", _SUDO, "kdeploy", entry.nonce, mode),
            *(script, "kdeploy", *arguments),
        )

    async def password(self) -> str:
        """What sudo asks for. Raises AuthError, LocalError."""
        return await self._ask() if self._ask else ""

    def refusal(self, said: str, asked: int) -> AuthError:
        """Why sudo let nobody in, by what it said."""
        kind = _kind(said, asked)
        environment = self._environment
        message = f"sudo on {environment.host} {_MEANING[kind]} (user {environment.user})"
        evidence = Evidence("sudo", None, said.strip()[-2000:])
        self._refused = AuthError(
            kind, message, on_target=_NOTHING_CHANGED, evidence=evidence, user=environment.user, host=environment.host
        )
        return self._refused


_MEANING = {
    "E-SUDO-PASSWORD": "does not accept the password",
    "E-SUDO-MISSING": "asks for a password, and none is given",
    "E-SUDO-DENIED": "does not allow this user to become root",
    "E-SUDO-NONE": "cannot be used",
}
_SAID = (
    ("incorrect password attempt", "E-SUDO-PASSWORD"),
    ("incorrect authentication attempt", "E-SUDO-PASSWORD"),
    ("not in the sudoers file", "E-SUDO-DENIED"),
    ("is not allowed to", "E-SUDO-DENIED"),
    ("may not run sudo", "E-SUDO-DENIED"),
    ("not allowed to run sudo", "E-SUDO-DENIED"),
    ("account validation failure", "E-SUDO-DENIED"),
    ("a password is required", "E-SUDO-MISSING"),
    ("no password was provided", "E-SUDO-MISSING"),
    ("a terminal is required", "E-SUDO-MISSING"),
)


def _kind(said: str, asked: int) -> str:
    if asked > 1:
        return "E-SUDO-PASSWORD"
    return next((code for words, code in _SAID if words in said), "E-SUDO-NONE")


class _Heard(Enum):
    ASKED = auto()
    INSIDE = auto()
    ENDED = auto()


class _SudoEntry(Entry):
    """Waits for sudo's question, which nobody else can ask, and for the first word of the script."""

    def __init__(self, sudo: Sudo) -> None:
        super().__init__()
        self.nonce = secrets.token_hex(16)
        self._sudo = sudo
        self._heard: asyncio.Queue[_Heard] = asyncio.Queue()
        self._said = b""
        self._asked = 0
        self._inside = False

    def feed(self, data: bytes) -> bytes:
        own = super().feed(data)
        if self._inside:
            return own
        self._said += own
        before, mark, after = self._said.partition(f"kdeploy-root:{self.nonce}\n".encode())
        if mark:
            self._inside = True
            self._heard.put_nowait(_Heard.INSIDE)
            return after
        for _ in range(before.count(f"[kdeploy {self.nonce}]".encode()) - self._asked):
            self._asked += 1
            self._heard.put_nowait(_Heard.ASKED)
        if len(self._said) > _NOISE:
            raise self._sudo.refusal(before.decode(errors="replace"), 0)
        return b""

    def ended(self) -> None:
        self._heard.put_nowait(_Heard.ENDED)

    async def enter(self, stdin: asyncssh.SSHWriter[bytes]) -> None:
        try:
            async with asyncio.timeout(defaults.LOGIN_TIMEOUT):
                heard = await self._heard.get()
                if heard is _Heard.ASKED:
                    heard = await self._answer(stdin)
        except TimeoutError:
            heard = _Heard.ENDED
        if heard is not _Heard.INSIDE:
            said = self._said.replace(f"[kdeploy {self.nonce}]".encode(), b"")
            raise self._sudo.refusal(said.decode(errors="replace"), self._asked)

    async def _answer(self, stdin: asyncssh.SSHWriter[bytes]) -> _Heard:
        password = await self._sudo.password()
        with suppress(BrokenPipeError):
            stdin.write(f"{password}\n".encode())
        heard = await self._heard.get()
        while heard is _Heard.ASKED:  # again: the password was wrong
            with suppress(BrokenPipeError):
                stdin.write_eof()
            heard = await self._heard.get()
        return heard
