"""What we log in with: key files, their certificates, passwords from the keyring, the ssh agent."""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket

from kdeploy_gui.environments.ssh_errors import NOTHING_SENT
from kdeploy_gui.errors import AuthError, PlanError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Secrets

_NOTHING_TO_SHOW: Mapping[str, object] = {"client_keys": None, "agent_path": None, "password": None}
"""Without a pin the way ends at the host key; no credential is even read."""
_CONTAINER = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one login shows, as asyncssh takes it; `agent_key` is the only key of the agent that counts, if set."""

    options: Mapping[str, object]
    agent_key: bytes = b""

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[Mapping[str, object]]:
        """The options, while the agent listens. Raises AuthError E-AGENT where it holds the key and does not sign."""
        if not self.agent_key:
            yield self.options
            return
        async with _Agent(os.environ.get("SSH_AUTH_SOCK", "")) as agent:
            keys = await agent.get_keys([self.agent_key])
            try:
                yield {"client_keys": list(keys) or None, "agent_path": None}
            except asyncssh.PermissionDenied as error:
                if agent.refusal:
                    message = f"the ssh agent holds the key but does not sign with it: {agent.refusal}"
                    raise AuthError("E-AGENT", message, on_target=NOTHING_SENT) from error
                raise


class _Agent(asyncssh.SSHAgentClient):
    """Remembers why it did not sign: a security key was not touched, or somebody said no."""

    refusal = ""

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        try:
            return await super().sign(key_blob, data, flags)
        except ValueError as error:
            self.refusal = str(error)
            raise


class Keys:
    """Keys and passwords of this session; passphrases that somebody typed open a key until the program ends."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._opened: dict[Path, asyncssh.SSHKey] = {}

    async def credentials(self, environment: Environment) -> Credentials:
        """What to log in with. Raises PlanError E-KEYFILE, AuthError, LocalError."""
        if not environment.is_trusted:
            return Credentials(_NOTHING_TO_SHOW)
        name = environment.credential
        secret = await asyncio.to_thread(self._secrets.get, name) if name else None
        if not environment.identity_file:
            return Credentials({"password": secret, "client_keys": None} if secret is not None else {})
        try:
            key = await asyncio.to_thread(self._read, environment.identity_file, secret)
        except (AuthError, PlanError):
            blob = await _in_agent(environment.identity_file)
            if not blob:
                raise
            return Credentials({}, agent_key=blob)
        return Credentials({"client_keys": [key], "agent_path": None})

    async def is_locked(self, environment: Environment) -> bool:
        """Whether a passphrase that nobody gave yet stands between us and the key of an environment."""
        if not environment.identity_file or environment.credential:
            return False
        try:
            await self.credentials(environment)
        except AuthError as error:
            return error.code == "E-PASSPHRASE"
        except PlanError:
            return False
        return False

    def unlock(self, name: str, passphrase: str) -> None:
        """Open a key file for the rest of the session. Raises PlanError E-KEYFILE, AuthError E-PASSPHRASE."""
        self._opened[_path(name)] = _read_key(name, passphrase)

    def _read(self, name: str, passphrase: str | None) -> asyncssh.SSHKey | tuple[asyncssh.SSHKey, str]:
        """A key, with its certificate where one lies beside it."""
        path = _path(name)
        key = self._opened.get(path) or _read_key(name, passphrase)
        if key.get_algorithm().startswith("sk-"):
            message = f"the key {path} is that of a security key, and no ssh agent holds it"
            raise AuthError("E-AGENT", message, path=str(path), on_target=NOTHING_SENT)
        certificate = path.with_name(f"{path.name}-cert.pub")
        if not certificate.is_file():
            return key
        try:
            asyncssh.read_certificate(certificate)
        except (OSError, asyncssh.KeyImportError) as error:
            raise _bad_key(path, f"has a certificate that cannot be read: {error}", f"see {certificate}") from error
        return key, str(certificate)


def _path(name: str) -> Path:
    return Path(os.path.expanduser(name))


async def _in_agent(name: str) -> bytes:
    """The public half of a key that the agent holds; empty if it does not."""
    blob = await asyncio.to_thread(_public_half, name)
    try:
        async with asyncssh.connect_agent() as agent:
            return blob if blob and await agent.get_keys([blob]) else b""
    except (OSError, ValueError):
        return b""


def _public_half(name: str) -> bytes:
    """Of a key file that need not be opened for it; empty where it cannot be read."""
    path = _path(name)
    try:
        return asyncssh.read_public_key(path.with_name(f"{path.name}.pub")).public_data
    except (OSError, asyncssh.KeyImportError):
        pass
    try:
        lines = path.read_bytes().strip().splitlines()
        packet = SSHPacket(b64decode(b"".join(lines[1:-1])).removeprefix(_CONTAINER))
        for _ in ("cipher", "key derivation", "its options"):
            packet.get_string()
        return packet.get_string() if packet.get_uint32() else b""
    except (OSError, ValueError, PacketDecodeError):
        return b""


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
