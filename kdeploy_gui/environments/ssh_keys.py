"""What we log in with: key files, their certificates, passwords from the keyring, the ssh agent."""

from __future__ import annotations

import asyncio
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from kdeploy_gui.environments.ssh_errors import NOTHING_SENT
from kdeploy_gui.errors import AuthError, PlanError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Secrets

NOTHING_TO_SHOW: Mapping[str, object] = {"client_keys": None, "agent_path": None, "password": None}
"""Without a pin the way ends at the host key; no credential is even read."""


async def login_options(environment: Environment, secrets: Secrets) -> Mapping[str, object]:
    """What asyncssh logs in with. Raises PlanError E-KEYFILE, AuthError, LocalError."""
    if not environment.is_trusted:
        return NOTHING_TO_SHOW
    secret = await asyncio.to_thread(secrets.get, environment.credential) if environment.credential else None
    if environment.identity_file:
        return {"client_keys": [await asyncio.to_thread(_read_key, environment.identity_file, secret)]}
    return {"password": secret, "client_keys": None} if secret is not None else {}


def _read_key(name: str, passphrase: str | None) -> asyncssh.SSHKey:
    """The private key in a file. Raises PlanError E-KEYFILE or AuthError E-PASSPHRASE."""
    path = Path(name)
    try:
        path = path.expanduser()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _bad_key(path, "is no file", "give the path of the key itself")
        if path.suffix == ".pub":
            raise _bad_key(path, "is a public key", f"probably {path.with_suffix('')}")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise _bad_key(path, "can be read by others", f"chmod 600 {shlex.quote(str(path))}")
        return asyncssh.read_private_key(path, passphrase)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _bad_key(path, f"cannot be read: {reason}", "check the path, and who may read it") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        if isinstance(error, asyncssh.KeyImportError) and "assphrase" not in str(error):
            raise _bad_key(path, f"is no private key: {error}", "give the path of a private key") from error
        message = f"the key {path} cannot be opened: {error}"
        raise AuthError("E-PASSPHRASE", message, path=str(path), on_target=NOTHING_SENT) from error


def _bad_key(path: Path, what: str, fix: str) -> PlanError:
    return PlanError("E-KEYFILE", f"the key {path} {what}", path=str(path), on_target=NOTHING_SENT, fix=fix)
