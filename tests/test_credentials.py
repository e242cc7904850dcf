"""Secrets come from a keyring that protects them, in time, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.errors
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend

from kdeploy_gui.credentials import SERVICE, Credentials
from kdeploy_gui.errors import AuthError, LocalError


class Vault(KeyringBackend):
    """A backend in memory."""

    priority = 0.1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.broken: Exception | None = None
        self.release = threading.Event()
        self.release.set()

    def get_password(self, service: str, username: str) -> str | None:
        if self.broken is not None:
            raise self.broken
        self.release.wait(30)
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


TRUSTED = frozenset({f"{__name__}.Vault"})


@pytest.fixture(autouse=True)
def _own_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def vault() -> Vault:
    opened = Vault()
    keyring.set_keyring(opened)
    return opened


def test_entry_of_our_service_is_found(vault: Vault) -> None:
    vault.set_password(SERVICE, "lab-board-a", "s3cret!")
    vault.set_password("other", "lab-board-b", "not ours")
    credentials = Credentials(trusted=TRUSTED)
    assert credentials.get("lab-board-a") == "s3cret!"
    with pytest.raises(AuthError, match=r"E-CREDENTIAL.*lab-board-b") as caught:
        credentials.get("lab-board-b")
    assert caught.value.details["credential"] == "lab-board-b"


def test_silent_keyring_is_given_up(vault: Vault) -> None:
    vault.release.clear()
    try:
        with pytest.raises(LocalError, match=r"E-KEYRING.*within 0\.1 s"):
            Credentials(timeout=0.1, trusted=TRUSTED).get("lab-board-a")
    finally:
        vault.release.set()


@pytest.mark.parametrize("error", [keyring.errors.KeyringLocked("locked"), RuntimeError()])
def test_whatever_the_keyring_raises_is_one_error(vault: Vault, error: Exception) -> None:
    vault.broken = error
    with pytest.raises(LocalError, match=r"E-KEYRING.*(locked|RuntimeError)"):
        Credentials(trusted=TRUSTED).get("lab-board-a")
    found = Credentials(trusted=TRUSTED).probe()
    assert found.ok is False
    assert found.remedy


def test_absent_keyring() -> None:
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(LocalError, match=r"E-KEYRING.*no keyring"):
        Credentials().get("lab-board-a")
    assert Credentials().probe().ok is None


def test_keyring_that_forgets_is_refused() -> None:
    keyring.set_keyring(null.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(LocalError, match=r"keyring\.backends\.null"):
        Credentials().get("lab-board-a")
    assert Credentials().probe().ok is False


def test_unknown_backend_is_refused(vault: Vault) -> None:
    vault.set_password(SERVICE, "lab-board-a", "s3cret!")
    with pytest.raises(LocalError, match="does not protect"):
        Credentials().get("lab-board-a")


def test_of_several_backends_only_trusted_ones_are_asked(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.set_password(SERVICE, "lab-board-a", "s3cret!")
    monkeypatch.setattr(ChainerBackend, "backends", [null.Keyring(), vault])  # type: ignore[no-untyped-call]
    keyring.set_keyring(ChainerBackend())  # type: ignore[no-untyped-call]
    assert Credentials(trusted=TRUSTED).get("lab-board-a") == "s3cret!"
    with pytest.raises(LocalError, match="does not protect"):
        Credentials().get("lab-board-a")
    monkeypatch.setattr(ChainerBackend, "backends", [])
    assert Credentials().probe().ok is None


def test_working_keyring_is_found_well(vault: Vault) -> None:
    found = Credentials(trusted=TRUSTED).probe()
    assert found.ok is True
    assert "Vault answers" in found.text


REAL_KEYRING = """
import keyring
from kdeploy_gui.credentials import SERVICE, Credentials
keyring.set_password(SERVICE, "lab-board-a", "s3cret!")
print(Credentials().get("lab-board-a"), Credentials().probe().ok)
"""


def test_real_secret_service(tmp_path: Path) -> None:
    if not all(map(shutil.which, ("dbus-run-session", "gnome-keyring-daemon"))):
        pytest.skip("dbus-run-session and gnome-keyring-daemon are not installed")
    script = 'printf "\\n" | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$@"'
    command = ["dbus-run-session", "--", "sh", "-c", script, "sh", sys.executable, "-c", REAL_KEYRING]
    folders = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    said = subprocess.run(
        command, env={**inherited, **folders}, capture_output=True, text=True, timeout=60, check=False
    )
    assert said.stdout.split() == ["s3cret!", "True"], said.stderr
