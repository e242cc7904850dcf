"""A real OpenSSH server on loopback with its own keys, port and logical hosts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh

from kdeploy_gui.environments.demo_process import MARKER, end_survivors
from kdeploy_gui.model.environment import Environment
from tests.lab.accounts import Account, throwaway_accounts
from tests.lab.ports import free_port
from tests.lab.processes import descendants, name_of, send_signal, wait_until

_PRIVILEGE_SEPARATION = Path("/run/sshd")
_PORT_TRIES = 5
_MAX_LISTEN = 16
_ALGORITHMS = {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa"}


def sshd_program() -> str | None:
    """Absolute path of the OpenSSH server, None if it is not installed."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


@dataclass
class Sshd:
    """One server that answers as many hosts: 127.0.0.11, .12 ... each with a home of its own.

    As root every host can have an account of its own (`accounts=True`); otherwise all hosts are the current user with
    HOME set per host, so that `~` is never this machine's real home. `options` are further lines of sshd_config,
    `variables` the environment of its sessions: left alone, nobody follows the log of this machine's own kernel.
    """

    folder: Path
    hosts: int = 1
    accounts: bool = False
    host_key_types: tuple[str, ...] = ("ed25519",)
    max_startups: str = "1000:30:2000"
    options: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=lambda: {"KDEPLOY_KERNEL_LOG": "no"})
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _users: tuple[Account, ...] = ()
    _cleanup: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            # Not below `folder`: pytest's folders are closed to other accounts.
            self._public = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kdt-")))
            self._public.chmod(0o755)
            self._make_client_key()
            self._make_host_keys()
            if self.accounts:
                self._users = stack.enter_context(throwaway_accounts(self.hosts, self._public))
            stack.callback(self.stop)
            self.start()
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def identity_file(self) -> Path:
        """The client's private key."""
        return self.folder / "identity"

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA256 fingerprints of the host keys that the server has now."""
        keys = (self.folder / f"host_{kind}" for kind in self.host_key_types)
        return tuple(asyncssh.read_private_key(key).get_fingerprint() for key in keys)

    @property
    def log(self) -> str:
        """What the server wrote so far."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Process number of the listener."""
        return self._running().pid

    def home(self, host: int = 0) -> Path:
        """HOME on a logical host."""
        return self._users[host].home if self.accounts else self.folder / f"home-{host}"

    def user(self, host: int = 0) -> str:
        """The account on a logical host."""
        return self._users[host].name if self.accounts else pwd.getpwuid(os.getuid()).pw_name

    def environment(self, name: str = "", host: int = 0) -> Environment:
        """A logical host as an environment, its keys pinned."""
        return Environment(
            name=name or f"host-{host + 1}",
            host=_address(host),
            port=self.port,
            user=self.user(host),
            identity_file=str(self.identity_file),
            host_keys=self.fingerprints,
        )

    def environments(self) -> tuple[Environment, ...]:
        """All logical hosts."""
        return tuple(self.environment(host=host) for host in range(self.hosts))

    def start(self) -> None:
        """Start the server and wait until it answers; on a new port only if it never had one."""
        for _ in range(_PORT_TRIES):
            port = self.port or free_port(_address(0))
            if self._start_on(port):
                self.port = port
                return
        raise AssertionError(f"sshd does not start:\n{self.log}")

    def stop(self) -> None:
        """End the server, its sessions and what they run."""
        if self._process is None:
            return
        for pid in (self._process.pid, *descendants(self._process.pid)):
            send_signal(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        end_survivors(str(self.folder))

    def restart(self) -> None:
        """Stop and start on the same port; all sessions end."""
        self.stop()
        self.start()

    def change_host_keys(self) -> tuple[str, ...]:
        """Give the server new host keys and restart it; the new fingerprints."""
        self._make_host_keys()
        self.restart()
        return self.fingerprints

    def kill_sessions(self) -> int:
        """SIGKILL the server's processes for connections, not the server; how many there were."""
        sessions = self._sessions()
        for pid in sessions:
            send_signal(pid, signal.SIGKILL)
        return len(sessions)

    def reload(self) -> None:
        """Let the listener start over (SIGHUP); sessions go on."""
        send_signal(self._running().pid, signal.SIGHUP)

    def pause(self) -> None:
        """Stop the server and its sessions as a hung machine would be: connections stay, nobody answers."""
        for pid in (self._running().pid, *self._sessions()):
            send_signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        for pid in (self._running().pid, *self._sessions()):
            send_signal(pid, signal.SIGCONT)

    def _sessions(self) -> list[int]:
        return [pid for pid in descendants(self._running().pid) if name_of(pid).startswith("sshd")]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "sshd is not running"
        return self._process

    def _make_client_key(self) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        _write_key(self.identity_file, key)
        key.write_public_key(self._public / "authorized_keys")
        (self._public / "authorized_keys").chmod(0o644)

    def is_at_work(self) -> bool:
        """Whether anything that sessions started is alive."""
        wanted = f"{MARKER}={self.folder}".encode()
        for each in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (each / "environ").read_bytes().split(b"\0"):
                    return True
        return False

    def _make_host_keys(self) -> None:
        for kind in self.host_key_types:
            _write_key(self.folder / f"host_{kind}", asyncssh.generate_private_key(_ALGORITHMS[kind]))

    def _start_on(self, port: int) -> bool:
        program = sshd_program()
        assert program is not None, "install openssh-server"
        if os.getuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(self._config(port))
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stderr=log)
        process = self._process
        wait_until(lambda: process.poll() is not None or _answers(port), "sshd answers or gives up")
        return process.poll() is None

    def _config(self, port: int) -> str:
        lines = {
            "Port": str(port),
            "AuthorizedKeysFile": str(self._public / "authorized_keys"),
            "AuthenticationMethods": "publickey",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "MaxStartups": self.max_startups,
            "PrintMotd": "no",
            **self.options,
        }
        keys = [f"HostKey {self.folder / f'host_{kind}'}\n" for kind in self.host_key_types]
        addresses = [_address(host) for host in range(self.hosts)] if self.hosts < _MAX_LISTEN else ["0.0.0.0"]
        listen = [f"ListenAddress {address}\n" for address in addresses]
        return "".join([*(f"{name} {value}\n" for name, value in lines.items()), *keys, *listen, *self._variables()])

    def _variables(self) -> list[str]:
        marker = " ".join(f"{name}={value}" for name, value in {MARKER: self.folder, **self.variables}.items())
        if self.accounts:
            return [f"SetEnv {marker}\n"]
        for host in range(self.hosts):
            self.home(host).mkdir(mode=0o700, exist_ok=True)
        homes = ((_address(host), self.home(host)) for host in range(self.hosts))
        return [f"Match LocalAddress {address}\n    SetEnv HOME={home} {marker}\n" for address, home in homes]


def _address(host: int) -> str:
    return f"127.0.{host // 200}.{host % 200 + 11}"


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_address(0), port), timeout=5) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _write_key(path: Path, key: asyncssh.SSHKey) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
