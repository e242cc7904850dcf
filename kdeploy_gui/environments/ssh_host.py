"""A physical machine, or a guest, over SSH."""

from __future__ import annotations

import asyncio
import errno
import re
import shlex
import signal
import socket
import stat
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_target import UNKNOWN, ShellTarget
from kdeploy_gui.errors import AuthError, Evidence, KdeployError, NetworkError, PlanError, TrustError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey
from kdeploy_gui.ports import Content, Secrets, Target

NOTHING_SENT = "Nothing was sent."
_GREETING_TIMEOUT = 3.0
_NOTHING_TO_SHOW: Mapping[str, object] = {"client_keys": None, "agent_path": None, "password": None}
"""Without a pin the way ends at the host key; no credential is even read."""
_SIGNATURES: Mapping[str, Sequence[str]] = {
    "ED25519": ("ssh-ed25519",),
    "ECDSA": ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    "RSA": ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"),
}
_FULL = ("Exceeded MaxStartups", "Not allowed at this time")
"""What an OpenSSH server says instead of a greeting when it takes no more logins for now (sshd.c)."""


@contextmanager
def _explained(environment: Environment, on_target: str) -> Iterator[None]:
    """Translate what asyncssh and the sockets below it raise; a host key refusal is left to whoever knows the pins."""
    try:
        yield
    except (KdeployError, asyncssh.HostKeyNotVerifiable):
        raise
    except (asyncssh.Error, OSError, UnicodeError) as error:
        raise _translated(error, environment, on_target) from error


def _translated(error: Exception, environment: Environment, on_target: str) -> KdeployError:
    where = f"{environment.host}:{environment.port}"
    said = Evidence(stderr=str(error) or type(error).__name__)
    match error:
        case socket.gaierror() | UnicodeError():
            message = f"the name {environment.host} cannot be resolved"
            return NetworkError("E-DNS", message, on_target=NOTHING_SENT, evidence=said, host=environment.host)
        case ConnectionRefusedError():
            return _closed_port(environment, f"{where} refuses connections", said)
        case TimeoutError():
            return NetworkError(
                "E-TIMEOUT", f"no answer from {where}", on_target=on_target, evidence=said, address=where
            )
        case asyncssh.PermissionDenied():
            return _refused(environment, said)
        case asyncssh.DisconnectError(reason=reason) if "authentication failures" in reason:
            return _refused(environment, said)
        case asyncssh.KeyExchangeFailed(reason=reason) if "No matching" in reason:
            message = f"no common algorithm with {where}: {reason}"
            return PlanError("E-KEX", message, on_target=NOTHING_SENT, evidence=said, host=where)
        case asyncssh.ProtocolNotSupported() | asyncssh.ServiceNotAvailable():
            return _other_protocol(environment, str(error))
        case asyncssh.ChannelOpenError(reason=reason):
            return NetworkError("E-CHANNELS", f"{where} opens no channel: {reason}", on_target=on_target, evidence=said)
        case asyncssh.ConnectionLost(reason=reason) if "keepalive" in reason:
            silence = defaults.KEEPALIVE_INTERVAL * (defaults.KEEPALIVE_COUNT + 1)
            message = f"no reply from {where} for {silence:.0f} s"
            return NetworkError("E-STALLED", message, on_target=on_target, evidence=said, address=where)
        case asyncssh.ConnectionLost(reason=reason) if "Login timeout" in reason:
            message = f"{where} does not finish the login"
            return NetworkError("E-TIMEOUT", message, on_target=on_target, evidence=said, address=where)
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            message = f"{where} cannot be reached: {said.stderr}"
            return NetworkError("E-UNREACHABLE", message, on_target=NOTHING_SENT, evidence=said, address=where)
        case _:
            message = f"the connection to {where} was lost: {said.stderr}"
            return NetworkError("E-LOST", message, on_target=on_target, evidence=said)


def _closed_port(environment: Environment, message: str, said: Evidence) -> NetworkError:
    return NetworkError("E-REFUSED", message, on_target=NOTHING_SENT, evidence=said, port=str(environment.port))


def _refused(environment: Environment, said: Evidence) -> AuthError:
    where = f"{environment.host}:{environment.port}"
    message = f"{where} refuses user {environment.user} with {_credential(environment)}"
    return AuthError("E-AUTH", message, on_target=NOTHING_SENT, evidence=said, user=environment.user, host=where)


def _other_protocol(environment: Environment, said: str) -> PlanError:
    where = f"{environment.host}:{environment.port}"
    message = f"{where} does not speak SSH 2: {said}"
    return PlanError("E-PROTO", message, on_target=NOTHING_SENT, evidence=Evidence(stderr=said), address=where)


def _credential(environment: Environment) -> str:
    if environment.identity_file:
        return f"the key {environment.identity_file}"
    return f"the credential {environment.credential}" if environment.credential else "the agent's and default keys"


Tell = Callable[[CheckStep], None]


def _untold(step: CheckStep) -> None:
    pass


def _passed(part: CheckPart, text: str, offered: HostKey | None = None) -> CheckStep:
    return CheckStep(part, CheckOutcome.OK, text, offered=offered)


def _tell_key(step: CheckStep, tell: Tell) -> None:
    if step.part is CheckPart.HOST_KEY:
        tell(step)


def _signatures(algorithm: str) -> tuple[str, ...]:
    """What a server may prove itself with: with that algorithm, or with any, as OpenSSH prefers them."""
    return tuple(each for name in ALGORITHMS if algorithm in ("", name) for each in _SIGNATURES[name])


class _PinnedClient(asyncssh.SSHClient):
    """Accepts a host key when, and only when, its fingerprint is pinned; remembers what was offered."""

    def __init__(self, pins: Sequence[str], tell: Tell) -> None:
        self._pins = pins
        self._tell = tell
        self._connection: asyncssh.SSHClientConnection | None = None
        self.answered = ""
        self.offered: HostKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def tell_port(self) -> None:
        """Tell what the server says it is, if it has said so."""
        said = self._connection.get_extra_info("server_version", "") if self._connection else ""
        if said:
            banner = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            self._tell(_passed(CheckPart.PORT, f"{self.answered}{banner.removeprefix('SSH-2.0-')}"))
            self._connection = None

    @property
    def is_satisfied(self) -> bool:
        """Whether a pinned key was offered."""
        return self.offered is not None and self.offered.fingerprint in self._pins

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.tell_port()
        known, offered = self.offered, HostKey.read(key.public_data)
        self.offered = offered
        if self.is_satisfied and known is None:  # and not once more when keys are renewed
            self._tell(_passed(CheckPart.HOST_KEY, f"{offered.algorithm} {offered.fingerprint} is pinned", offered))
        return self.is_satisfied


class SshConnector:
    """The `Connector` port: pinned host keys only, key files and the agent, at most 8 logins at once per server.

    `owner` tells those who share this workstation's environment locks from everybody else, `lookup` finds jump hosts.
    """

    def __init__(
        self, content: Content, secrets: Secrets, lookup: Callable[[str], Environment | None], owner: str = ""
    ) -> None:
        self._content = content
        self._secrets = secrets
        self._lookup = lookup
        self._owner = owner
        self._logins: dict[tuple[str, int], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(defaults.UNAUTHENTICATED_CONNECTS)
        )

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        return await self.approach(environment, _untold)

    async def approach(self, environment: Environment, tell: Tell) -> Target:
        """See `Connector.approach`."""
        shell = SshShell(environment, await self._connections(environment, tell))
        return ShellTarget(shell, self._content, f"{self._owner}-{environment.name}" if self._owner else "")

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """See `Connector.host_key`."""
        with _explained(environment, NOTHING_SENT):
            tunnels = await self._tunnels(environment)
            try:
                async with asyncio.timeout(defaults.LOGIN_TIMEOUT):
                    key = await asyncssh.get_server_host_key(
                        environment.host,
                        environment.port,
                        tunnel=tunnels[-1] if tunnels else (),
                        server_host_key_algs=_signatures(algorithm),
                        config=None,
                    )
            except (asyncssh.Error, ConnectionError) as error:
                if not algorithm:
                    raise
                message = f"{environment.address} proves itself with no {algorithm} key"
                raise PlanError("E-KEX", message, on_target=NOTHING_SENT, host=environment.address) from error
            finally:
                _close(tunnels)
        if key is None:
            raise PlanError("E-PROTO", f"{environment.address} offers no host key", address=environment.address)
        return HostKey.read(key.public_data)

    async def _tunnels(self, environment: Environment) -> list[asyncssh.SSHClientConnection]:
        if not environment.jump:
            return []
        gateway = self._lookup(environment.jump)
        if gateway is None:
            raise PlanError("E-LAB-UNKNOWN", f"the jump host {environment.jump} is not in the lab file")
        return await self._connections(gateway)

    async def _connections(self, environment: Environment, tell: Tell = _untold) -> list[asyncssh.SSHClientConnection]:
        """Connections from the first jump host to the machine itself, all verified."""
        try:
            options = await self._login_options(environment) if environment.host_keys else _NOTHING_TO_SHOW
        except KdeployError:
            tell(CheckStep(CheckPart.LOGIN, CheckOutcome.FAILED))
            raise
        tunnels = await self._tunnels(environment)
        try:
            with _explained(environment, NOTHING_SENT):
                async with self._logins[environment.host, environment.port]:
                    connection = await self._verified(environment, options, tunnels, tell)
        except BaseException:
            _close(tunnels)
            raise
        method = next(iter(connection.get_server_auth_methods()), "none")
        tell(_passed(CheckPart.LOGIN, f"as {environment.user} with {_credential(environment)} ({method})"))
        return [*tunnels, connection]

    async def _verified(
        self,
        environment: Environment,
        options: Mapping[str, object],
        tunnels: list[asyncssh.SSHClientConnection],
        tell: Tell,
    ) -> asyncssh.SSHClientConnection:
        """A login at the machine that has a pinned key, of whatever algorithm; it may offer another one first."""
        client = _PinnedClient(environment.host_keys, tell)
        try:
            return await self._login(environment, client, options, tunnels, tell)
        except asyncssh.HostKeyNotVerifiable as error:
            offered = client.offered
            for algorithm in ALGORITHMS if environment.host_keys and offered else ():
                if offered is not None and algorithm != offered.algorithm:
                    other = _PinnedClient(environment.host_keys, lambda step: _tell_key(step, tell))
                    try:
                        return await self._login(environment, other, options, tunnels, _untold, algorithm)
                    except (asyncssh.Error, OSError, KdeployError):
                        if other.is_satisfied:  # else it has none of that algorithm, and most servers just hang up
                            raise
            tell(CheckStep(CheckPart.HOST_KEY, CheckOutcome.FAILED, offered=offered))
            raise _not_trusted(environment, offered) from error
        except Exception:
            client.tell_port()
            raise

    async def _login(
        self,
        environment: Environment,
        client: _PinnedClient,
        options: Mapping[str, object],
        tunnels: list[asyncssh.SSHClientConnection],
        tell: Tell,
        algorithm: str = "",
    ) -> asyncssh.SSHClientConnection:
        """The TCP connection gets its own, shorter time: a slow board may need long for its key exchange."""
        way: Mapping[str, object]
        connection: socket.socket | None = None
        if tunnels:
            tell(_passed(CheckPart.ADDRESS, f"{environment.host}, as {environment.jump} knows it"))
            way = {"host": environment.host, "port": environment.port, "tunnel": tunnels[-1]}
        else:
            started = time.monotonic()
            connection = await _tcp(environment.host, environment.port, tell)
            way = {"sock": connection}
            client.answered = f"answers in {duration(time.monotonic() - started)}, "
        try:
            return await asyncssh.connect(
                **way,
                username=environment.user,
                client_factory=lambda: client,
                known_hosts=([], [], []),
                server_host_key_algs=_signatures(algorithm),
                config=None,
                login_timeout=defaults.LOGIN_TIMEOUT,
                keepalive_interval=defaults.KEEPALIVE_INTERVAL,
                keepalive_count_max=defaults.KEEPALIVE_COUNT,
                **options,
            )
        except asyncio.CancelledError:
            if connection is not None:
                connection.close()  # asyncssh closes it only once it has begun to use it
            raise
        except asyncssh.ChannelOpenError as error:
            message = f"{environment.jump} cannot reach {environment.host}:{environment.port}: {error.reason}"
            raise _closed_port(environment, message, Evidence(stderr=str(error))) from error
        except asyncssh.ConnectionLost:
            greeting = "" if tunnels or algorithm else await _greeting(environment.host, environment.port)
            if greeting and not greeting.startswith(_FULL):
                raise _other_protocol(environment, greeting) from None
            raise

    async def _login_options(self, environment: Environment) -> Mapping[str, object]:
        secret = await asyncio.to_thread(self._secrets.get, environment.credential) if environment.credential else None
        if environment.identity_file:
            return {"client_keys": [await asyncio.to_thread(_read_key, environment.identity_file, secret)]}
        return {"password": secret, "client_keys": None} if secret is not None else {}


async def _tcp(host: str, port: int, tell: Tell = _untold) -> socket.socket:
    """A connected socket. Raises OSError, and TimeoutError after `defaults.CONNECT_TIMEOUT`."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(errno.EHOSTUNREACH, "no address")
    async with asyncio.timeout(defaults.CONNECT_TIMEOUT):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        tell(_passed(CheckPart.ADDRESS, ", ".join(dict.fromkeys(str(each[4][0]) for each in found))))
        for family, kind, protocol, _, address in found:
            with ExitStack() as unless_used:
                connection = unless_used.enter_context(socket.socket(family, kind, protocol))
                connection.setblocking(False)
                try:
                    await loop.sock_connect(connection, address)
                except OSError as error:
                    failure = error
                else:
                    unless_used.pop_all()
                    return connection
    raise failure


async def _greeting(host: str, port: int) -> str:
    """The first line of a server that closes connections to SSH clients, empty if it is an SSH server or silent."""
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection(sock=await _tcp(host, port))
        try:
            async with asyncio.timeout(_GREETING_TIMEOUT):
                writer.write(b"SSH-2.0-kdeploy\r\n\r\n")
                line = (await reader.read(200)).split(b"\n")[0].strip()
                return "" if line.startswith(b"SSH-") else line.decode(errors="replace")
        finally:
            writer.close()
    return ""


def _not_trusted(environment: Environment, key: HostKey | None) -> TrustError:
    offered = key.fingerprint if key else "a key that cannot be read"
    if not environment.host_keys:
        message = f"no host key is pinned for {environment.name}; it offers {offered}"
        return TrustError("E-HOSTKEY-UNKNOWN", message, on_target=NOTHING_SENT, offered=offered)
    pins = ", ".join(environment.host_keys)
    message = f"the host key of {environment.name} is not the pinned one: pinned {pins}, offered {offered}"
    return TrustError("E-HOSTKEY-CHANGED", message, on_target=NOTHING_SENT, offered=offered, pinned=pins)


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
                await self._end(process, told, gentle)
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

    async def _end(self, process: asyncssh.SSHClientProcess[bytes], told: _PidLine, gentle: bool) -> None:
        """End the remote process group: TERM, a grace period to clean up or to finish renaming, then KILL.

        By `kill` on a channel of its own: OpenSSH refuses signal requests for root's sessions.
        """
        if not self._connections[-1].is_closed():
            with suppress(OSError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(defaults.CANCEL_GRACE):
                    await told.known.wait()
                    await self._signal("TERM", told.pid)
                    await process.wait_closed()
            ended = process.exit_status is not None or process.exit_signal is not None
            if told.pid and not ended and not gentle:
                with suppress(OSError, asyncssh.Error, TimeoutError):
                    async with asyncio.timeout(_KILL_GRACE):
                        await self._signal("KILL", told.pid)
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
        self.known = asyncio.Event()
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
        if self.pid <= 1:
            raise NetworkError("E-LOST", "the machine's answer is not that of a shell", on_target=UNKNOWN)
        self.known.set()
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
