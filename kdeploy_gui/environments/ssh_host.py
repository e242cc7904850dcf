"""A physical machine, or a guest, over SSH."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import socket
import stat
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_target import UNKNOWN, ShellTarget
from kdeploy_gui.errors import AuthError, KdeployError, NetworkError, PlanError, TrustError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.ports import Content, Secrets, Target

NOTHING_SENT = "Nothing was sent."


@contextmanager
def _explained(environment: Environment, on_target: str) -> Iterator[None]:
    """Translate what asyncssh and the sockets below it raise; a host key refusal is left to whoever knows the pins."""
    where = f"{environment.host}:{environment.port}"
    try:
        yield
    except (KdeployError, asyncssh.HostKeyNotVerifiable):
        raise
    except socket.gaierror as error:
        raise NetworkError(
            "E-DNS", f"the name {environment.host} cannot be resolved", on_target=NOTHING_SENT, host=environment.host
        ) from error
    except ConnectionRefusedError as error:
        raise NetworkError(
            "E-REFUSED", f"{where} refuses connections", on_target=NOTHING_SENT, port=str(environment.port)
        ) from error
    except TimeoutError as error:
        raise NetworkError("E-TIMEOUT", f"no answer from {where}", on_target=on_target, address=where) from error
    except asyncssh.PermissionDenied as error:
        message = f"{where} refuses user {environment.user} with {_credential(environment)}"
        raise AuthError("E-AUTH", message, on_target=NOTHING_SENT, user=environment.user, host=where) from error
    except asyncssh.KeyExchangeFailed as error:
        raise PlanError(
            "E-KEX", f"no common algorithm with {where}: {error.reason}", on_target=NOTHING_SENT, host=where
        ) from error
    except (asyncssh.ProtocolNotSupported, asyncssh.ServiceNotAvailable) as error:
        raise PlanError(
            "E-PROTO", f"{where} does not speak SSH 2: {error.reason}", on_target=NOTHING_SENT, address=where
        ) from error
    except asyncssh.ChannelOpenError as error:
        raise NetworkError("E-CHANNELS", f"{where} opens no channel: {error.reason}", on_target=on_target) from error
    except UnicodeError as error:
        raise NetworkError(
            "E-DNS", f"{environment.host} is no host name", on_target=NOTHING_SENT, host=environment.host
        ) from error
    except asyncssh.ConnectionLost as error:
        raise _lost(error, environment, on_target) from error
    except (asyncssh.Error, OSError) as error:
        raise _other(error, environment, on_target) from error


def _other(error: Exception, environment: Environment, on_target: str) -> KdeployError:
    where = f"{environment.host}:{environment.port}"
    reason = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        message = f"{where} cannot be reached: {reason}"
        return NetworkError("E-UNREACHABLE", message, on_target=NOTHING_SENT, address=where)
    if "authentication failures" in reason:
        message = f"{where} refuses user {environment.user}: {reason}"
        return AuthError("E-AUTH", message, on_target=NOTHING_SENT, user=environment.user, host=where)
    return NetworkError("E-LOST", f"the connection to {where} was lost: {reason}", on_target=on_target)


def _lost(error: asyncssh.ConnectionLost, environment: Environment, on_target: str) -> NetworkError:
    where = f"{environment.host}:{environment.port}"
    if "keepalive" in error.reason:
        silence = defaults.KEEPALIVE_INTERVAL * (defaults.KEEPALIVE_COUNT + 1)
        message = f"no reply from {where} for {silence:.0f} s"
        return NetworkError("E-STALLED", message, on_target=on_target, address=where)
    if "Login timeout" in error.reason:
        return NetworkError("E-TIMEOUT", f"{where} does not finish the login", on_target=on_target, address=where)
    return NetworkError("E-LOST", f"the connection to {where} was lost: {error.reason}", on_target=on_target)


_UNREACHABLE = {101, 113}  # ENETUNREACH, EHOSTUNREACH


def _credential(environment: Environment) -> str:
    if environment.identity_file:
        return f"the key {environment.identity_file}"
    return f"the credential {environment.credential}" if environment.credential else "the agent's and default keys"


class _PinnedClient(asyncssh.SSHClient):
    """Accepts a host key when, and only when, its fingerprint is pinned; remembers what was offered."""

    def __init__(self, pins: Sequence[str]) -> None:
        self._pins = pins
        self.offered = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key.get_fingerprint()
        return self.offered in self._pins


class SshConnector:
    """The `Connector` port: pinned host keys only, key files and the agent, at most 8 logins at once per server."""

    def __init__(self, content: Content, secrets: Secrets, lookup: Callable[[str], Environment | None]) -> None:
        self._content = content
        self._secrets = secrets
        self._lookup = lookup
        self._logins: dict[tuple[str, int], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(defaults.UNAUTHENTICATED_CONNECTS)
        )

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        shell = SshShell(environment, await self._connections(environment))
        return ShellTarget(shell, self._content)

    async def host_key(self, environment: Environment) -> str:
        """See `Connector.host_key`."""
        with _explained(environment, NOTHING_SENT):
            tunnels = await self._tunnels(environment)
            try:
                async with asyncio.timeout(defaults.LOGIN_TIMEOUT):
                    key = await asyncssh.get_server_host_key(
                        environment.host, environment.port, tunnel=tunnels[-1] if tunnels else (), config=None
                    )
            finally:
                _close(tunnels)
        if key is None:
            raise PlanError("E-PROTO", f"{environment.address} offers no host key", address=environment.address)
        return key.get_fingerprint()

    async def _tunnels(self, environment: Environment) -> list[asyncssh.SSHClientConnection]:
        if not environment.jump:
            return []
        gateway = self._lookup(environment.jump)
        if gateway is None:
            raise PlanError("E-LAB-UNKNOWN", f"the jump host {environment.jump} is not in the lab file")
        return await self._connections(gateway)

    async def _connections(self, environment: Environment) -> list[asyncssh.SSHClientConnection]:
        """Connections from the first jump host to the machine itself, all verified."""
        if not environment.host_keys:
            raise await self._unknown(environment)
        options = await self._login_options(environment)
        tunnels = await self._tunnels(environment)
        client = _PinnedClient(environment.host_keys)
        try:
            with _explained(environment, NOTHING_SENT):
                async with self._logins[environment.host, environment.port]:
                    connection = await asyncssh.connect(
                        environment.host,
                        environment.port,
                        username=environment.user,
                        tunnel=tunnels[-1] if tunnels else (),
                        client_factory=lambda: client,
                        known_hosts=([], [], []),
                        config=None,
                        connect_timeout=defaults.CONNECT_TIMEOUT,
                        login_timeout=defaults.LOGIN_TIMEOUT,
                        keepalive_interval=defaults.KEEPALIVE_INTERVAL,
                        keepalive_count_max=defaults.KEEPALIVE_COUNT,
                        **options,
                    )
        except asyncssh.HostKeyNotVerifiable as error:
            _close(tunnels)
            raise _changed(environment, client.offered) from error
        except BaseException:
            _close(tunnels)
            raise
        return [*tunnels, connection]

    async def _unknown(self, environment: Environment) -> KdeployError:
        offered = await self.host_key(environment)
        return TrustError(
            "E-HOSTKEY-UNKNOWN",
            f"no host key is pinned for {environment.name}; it offers {offered}",
            on_target=NOTHING_SENT,
            offered=offered,
        )

    async def _login_options(self, environment: Environment) -> Mapping[str, object]:
        secret = await asyncio.to_thread(self._secrets.get, environment.credential) if environment.credential else None
        if environment.identity_file:
            return {"client_keys": [await asyncio.to_thread(_read_key, environment.identity_file, secret)]}
        return {"password": secret, "client_keys": None} if secret is not None else {}


def _changed(environment: Environment, offered: str) -> TrustError:
    pins = ", ".join(environment.host_keys)
    return TrustError(
        "E-HOSTKEY-CHANGED",
        f"the host key of {environment.name} is not the pinned one: pinned {pins}, offered {offered}",
        on_target=NOTHING_SENT,
        offered=offered,
        pinned=pins,
    )


def _read_key(name: str, passphrase: str | None) -> asyncssh.SSHKey:
    path = Path(name)
    try:
        path = path.expanduser()
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PlanError(
                "E-KEYFILE", f"the key {path} can be read by others", path=str(path), on_target=NOTHING_SENT
            )
        return asyncssh.read_private_key(path, passphrase)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PlanError(
            "E-KEYFILE", f"the key {path} cannot be read: {reason}", path=str(path), on_target=NOTHING_SENT
        ) from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise AuthError(
            "E-PASSPHRASE", f"the key {path} cannot be opened: {error}", path=str(path), on_target=NOTHING_SENT
        ) from error


def _close(connections: Sequence[asyncssh.SSHClientConnection]) -> None:
    for connection in reversed(connections):
        connection.abort()


class SshShell:
    """POSIX shell scripts over one SSH connection; a script ends with its caller."""

    def __init__(self, environment: Environment, connections: list[asyncssh.SSHClientConnection]) -> None:
        self._environment = environment
        self._connections = connections

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """See `Shell.run`; raises NetworkError E-STALLED when stdin is not taken for `defaults.STALL_TIMEOUT`."""
        words = ("exec", "/bin/sh", "-c", _TELL_PID, "kdeploy", script, "kdeploy", *arguments)
        with _explained(self._environment, UNKNOWN):
            process = await self._connections[-1].create_process(" ".join(map(shlex.quote, words)), encoding=None)
            told = _PidLine()
            stdout = asyncio.ensure_future(_collect(process.stdout, output))
            stderr = asyncio.ensure_future(_collect(process.stderr, output, told))
            try:
                await self._feed(process, source)
                captured = await asyncio.gather(stdout, stderr)
                await process.wait_closed()
            except BaseException:
                await self._end(process, told.pid, gentle)
                raise
            finally:
                stdout.cancel()
                stderr.cancel()
        if process.exit_status is None and process.exit_signal is None:
            raise NetworkError("E-LOST", f"the connection to {self._environment.address} was lost", on_target=UNKNOWN)
        return Completed(_status(process), *captured)

    async def _feed(self, process: asyncssh.SSHClientProcess[bytes], source: AsyncIterator[bytes] | None) -> None:
        """Send stdin; a command that ends early simply gets no more."""
        if source is not None:
            with suppress(BrokenPipeError):
                async for block in source:
                    await self._send(process, block)
        if not process.stdin.is_closing():
            process.stdin.write_eof()

    async def _send(self, process: asyncssh.SSHClientProcess[bytes], block: bytes) -> None:
        process.stdin.write(block)
        try:
            async with asyncio.timeout(defaults.STALL_TIMEOUT):
                await process.stdin.drain()
        except TimeoutError as error:
            raise NetworkError(
                "E-STALLED",
                f"nothing moved to {self._environment.address} for {defaults.STALL_TIMEOUT:.0f} s",
                on_target=UNKNOWN,
            ) from error

    async def _end(self, process: asyncssh.SSHClientProcess[bytes], pid: int, gentle: bool) -> None:
        """End the remote process group: TERM, a grace period to clean up or to finish renaming, then KILL.

        By `kill` on a channel of its own: OpenSSH refuses signal requests for root's sessions.
        """
        if pid and not self._connections[-1].is_closed():
            with suppress(OSError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(defaults.CANCEL_GRACE):
                    await self._signal("TERM", pid)
                    await process.wait_closed()
            if process.exit_status is None and process.exit_signal is None and not gentle:
                with suppress(OSError, asyncssh.Error, TimeoutError):
                    async with asyncio.timeout(_KILL_GRACE):
                        await self._signal("KILL", pid)
                        await process.wait_closed()
        process.close()

    async def _signal(self, name: str, pid: int) -> None:
        """Signal a process group, or the process alone where the server gave it no group of its own."""
        await self._connections[-1].run(f"kill -{name} -{pid} 2>/dev/null || kill -{name} {pid}")

    async def close(self) -> None:
        """See `Shell.close`."""
        _close(self._connections)


_KILL_GRACE = 1.0
_TELL_PID = 'echo "kdeploy-pid:$$" >&2; exec /bin/sh -c "$@"'
_PID = re.compile(rb"kdeploy-pid:(\d{1,10})\n")
_NOISE = 65536
"""Bytes that a login shell may write to stderr before our script starts."""


class _PidLine:
    """Takes the line with the process number out of a stderr stream."""

    def __init__(self) -> None:
        self.pid = 0
        self._held = b""
        self._over = False

    def feed(self, data: bytes) -> bytes:
        """What of the stream so far is the command's own."""
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
        return self._held[: found.start()] + self._held[found.end() :]


async def _collect(
    stream: asyncssh.SSHReader[bytes], output: Callable[[bytes], None] | None, told: _PidLine | None = None
) -> bytes:
    """Everything from a stream, the first `defaults.CAPTURE_CAP` bytes of it kept."""
    kept: list[bytes] = []
    size = 0
    going_on = True
    while going_on:
        chunk = await stream.read(65536)
        going_on = bool(chunk)
        own = told.feed(chunk) if told is not None else chunk
        if own and output is not None:
            output(own)
        if size < defaults.CAPTURE_CAP:
            kept.append(own)
            size += len(own)
    return b"".join(kept)


def _status(process: asyncssh.SSHClientProcess[bytes]) -> int:
    if process.exit_signal is not None:
        number = getattr(signal, f"SIG{process.exit_signal[0]}", signal.SIGKILL)
        return 128 + int(number)
    return process.exit_status or 0
