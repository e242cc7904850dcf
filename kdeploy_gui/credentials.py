"""Secrets from the desktop's keyring. They are fetched when a connection needs them and kept nowhere."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdeploy_gui import defaults
from kdeploy_gui.errors import AuthError, KdeployError, LocalError
from kdeploy_gui.model.check import Finding

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "kdeploy"
TRUSTED = frozenset(
    {
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
        "keyring.backends.kwallet.DBusKeyringKWallet5",
        "keyring.backends.libsecret.Keyring",
    }
)
"""Backends that keep secrets encrypted; files in plain text and stores that forget are refused."""
UNLOCK = "unlock the desktop's keyring (Secret Service, KWallet) or use an ssh agent"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Entries of the service `kdeploy` in the OS keyring.

    `timeout` in seconds: a locked keyring may be waiting for somebody at the desktop.
    """

    timeout: float = defaults.KEYRING_TIMEOUT
    trusted: frozenset[str] = TRUSTED

    def get(self, name: str) -> str:
        """The secret of that name; drop it after use. Blocks up to `timeout`.

        Raises LocalError E-KEYRING where the keyring is absent, locked, silent or not trusted, AuthError E-CREDENTIAL
        where it has no such entry.
        """
        secret = _answer_within(self.timeout, lambda: self.backend().get_password(SERVICE, name))
        if not secret:
            raise AuthError(
                "E-CREDENTIAL", f"the keyring has no entry '{name}' of the service {SERVICE}", credential=name
            )
        return secret

    def backend(self) -> KeyringBackend:
        """The keyring in use. Raises LocalError where it is absent or not on the list of trusted ones."""
        candidates = _candidates()
        for each in candidates:
            if _name(each) in self.trusted:
                return each
        if not candidates:
            raise LocalError("E-KEYRING", "this session has no keyring: no Secret Service or KWallet answers")
        names = ", ".join(_name(each) for each in candidates)
        raise LocalError("E-KEYRING", f"the keyring {names} does not protect secrets and is not used")

    def probe(self) -> Finding:
        """Whether the keyring can be used; may wait for somebody to unlock it."""
        if not _candidates():
            return Finding("keyring", None, "none in this session: `credential` entries cannot be used", UNLOCK)
        try:
            backend = self.backend()
            _answer_within(self.timeout, lambda: backend.get_password(SERVICE, "doctor"))
        except KdeployError as error:
            return Finding("keyring", False, error.message, UNLOCK)
        return Finding("keyring", True, f"{_name(backend)} answers")


def _candidates() -> list[KeyringBackend]:
    """The keyrings of this session. Their library is loaded only here: most runs need no secret."""
    import keyring
    from keyring.backends.chainer import ChainerBackend
    from keyring.backends.fail import Keyring as NoBackend

    chosen = keyring.get_keyring()
    if isinstance(chosen, NoBackend):
        return []
    return list(chosen.backends) if isinstance(chosen, ChainerBackend) else [chosen]


def _name(backend: KeyringBackend) -> str:
    kind = type(backend)
    return f"{kind.__module__}.{kind.__qualname__}"


def _answer_within(timeout: float, question: Callable[[], str | None]) -> str | None:
    """The answer of a call that may block for ever; its thread is left behind then."""
    answers: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(question())
        except Exception as error:  # noqa: BLE001 - the boundary of the keyring: its backends raise what they like
            answers.put(error)

    threading.Thread(target=ask, name="keyring", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise LocalError("E-KEYRING", f"the keyring did not answer within {timeout:g} s; it may be locked") from None
    if isinstance(answer, KdeployError):
        raise answer
    if isinstance(answer, Exception):
        raise LocalError("E-KEYRING", f"the keyring refused: {str(answer) or type(answer).__name__}") from answer
    return answer
