"""The embedded lab: real SSH servers on loopback, each a board with its own key and home, some with a fault.

Commands are real processes of the current user. Nothing but the lab's own client key opens a board, and no process
of a lab outlives it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import tempfile
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import asyncssh

from kdeploy_gui.environments.demo_board import BoardSetup, Fault, setups
from kdeploy_gui.environments.demo_process import BoardProcess, end_survivors
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment, Lab

HOST = "127.0.0.1"
DROP_AFTER = 64 * 1024
"""Bytes of one command's input after which the flaky board drops the connection, once."""
GRACE = 2.0
"""Seconds a process group gets between TERM and KILL when its client is gone."""
_KEY = "ssh-ed25519"
_LOGIN_TIMEOUT = 20
_BACKLOG = 512
_WATCH = 0.5


class DemoLab:
    """A lab of `boards` boards in its own thread with its own event loop; start and stop it from any thread.

    Everything lies under `root` (made if missing, kept at the end); without one under a temporary folder that goes
    with the lab. `lab` lists the boards while they run, `trouble` what went wrong inside the lab itself.
    Raises ValueError below one board.
    """

    def __init__(self, boards: int = 6, root: Path | None = None) -> None:
        if boards < 1:
            raise ValueError(f"a lab has at least one board, not {boards}")
        self.lab = Lab()
        self.trouble: list[str] = []
        self._count = boards
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._root = root
        self._boards: tuple[_Board, ...] = ()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._changing = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def root(self) -> Path:
        """The folder that holds the client key and the boards' homes; known once the lab has started."""
        if self._root is None:
            raise RuntimeError("the lab has not been started")
        return self._root

    @property
    def identity_file(self) -> Path:
        """The client's private key."""
        return self.root / "identity"

    def home(self, name: str) -> Path:
        """The home folder of a board."""
        return self.root / name / "home"

    def start(self) -> Lab:
        """Start all boards. Raises LocalError where folders cannot be made, OSError where no port can be had."""
        with self._changing:
            if self._thread is not None:
                return self.lab
            try:
                self._boards = self._prepare()
            except OSError as error:
                self._remove_temporary()
                place = str(error.filename or self._root)
                message = f"the embedded lab cannot be set up: {place}: {error.strerror}"
                raise LocalError("E-WRITE", message, path=place) from error
            ready: Future[None] = Future()
            self._thread = threading.Thread(target=self._run, args=(ready,), name="embedded-lab", daemon=True)
            self._thread.start()
            try:
                ready.result()
            except OSError:
                self._finish()
                raise
            self.lab = Lab(tuple(board.environment(self.identity_file) for board in self._boards))
            return self.lab

    def stop(self) -> None:
        """End every connection, process and server; no harm if the lab does not run."""
        with self._changing:
            if self._loop is not None and self._loop.is_running():
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._finish()

    def write_lab_file(self, path: Path) -> None:
        """Write the running boards as a lab file. Raises OSError."""
        tables = (_table(environment) for environment in self.lab.environments)
        path.write_text("# The embedded lab: these boards exist while it runs.\n" + "".join(tables), encoding="utf-8")

    def _prepare(self) -> tuple[_Board, ...]:
        if self._root is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="kdeploy-lab-")
            self._root = Path(self._temporary.name)
        self._root = self._root.absolute()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        client = asyncssh.generate_private_key(_KEY, comment="kdeploy embedded lab")
        _write_private(self.identity_file, client.export_private_key())
        boards = tuple(_Board(setup, client) for setup in setups(self._count, self._root))
        for board in boards:
            board.setup.create()
        return boards

    def _run(self, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(ready))
        finally:
            ready.cancel()

    async def _serve(self, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._record)
        self._stopping = asyncio.Event()
        try:
            for board in self._boards:
                await board.listen()
            ready.set_result(None)
            await self._stopping.wait()
        except OSError as error:
            ready.set_exception(error)
        finally:
            await asyncio.gather(*(board.close() for board in self._boards))

    def _finish(self) -> None:
        if self._thread is None:
            return
        self._thread.join()
        self._thread = self._loop = None
        self.lab = Lab()
        end_survivors(str(self.root))
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = self._root = None

    def _record(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.trouble.append(f"{context['message']}: {context.get('exception')!r}")


class _Board:
    """One server with its connections and the tasks that start and end its processes."""

    def __init__(self, setup: BoardSetup, client: asyncssh.SSHKey) -> None:
        self.setup = setup
        self.user = _current_user()
        self.variables = setup.variables(self.user)
        self.connections: set[asyncssh.SSHServerConnection] = set()
        stranger = asyncssh.generate_private_key(_KEY)
        self._host_key = asyncssh.generate_private_key(_KEY)
        self._pinned = stranger if setup.fault is Fault.REFLASHED else self._host_key
        self._authorized = (stranger if setup.fault is Fault.LOCKED else client).public_data
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._will_drop = setup.fault is Fault.FLAKY

    async def listen(self) -> None:
        """Serve on a free loopback port: public keys only, no terminal, no subsystem, no forwarding."""
        self._acceptor = await asyncssh.listen(
            HOST,
            0,
            server_factory=lambda: _Server(self),
            server_host_keys=[self._host_key],
            config=None,
            encoding=None,
            backlog=_BACKLOG,
            login_timeout=_LOGIN_TIMEOUT,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            allow_pty=False,
            line_editor=False,
            agent_forwarding=False,
            x11_forwarding=False,
        )

    def environment(self, identity: Path) -> Environment:
        """The board as a lab file describes it; it must be listening."""
        return Environment(
            name=self.setup.name,
            host=HOST,
            group=self.setup.group,
            tags=self.setup.tags,
            port=cast(asyncssh.SSHAcceptor, self._acceptor).get_port(),
            user=self.user,
            identity_file=str(identity),
            host_keys=(self._pinned.get_fingerprint(),),
        )

    def accepts(self, user: str, key: asyncssh.SSHKey) -> bool:
        """Whether this key opens the board for this user."""
        return user == self.user and key.public_data == self._authorized

    def drops(self, received: int) -> bool:
        """Whether the connection is to fail now that a command got `received` bytes; true once at most."""
        if not self._will_drop or received < DROP_AFTER:
            return False
        self._will_drop = False
        return True

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` and hold it until it has ended; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drop every connection and wait until its processes have ended."""
        if self._acceptor is not None:
            self._acceptor.close()
        while self.connections:
            connections = tuple(self.connections)
            for connection in connections:
                connection.abort()
            await asyncio.gather(*(connection.wait_closed() for connection in connections))
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._acceptor is not None:
            await self._acceptor.wait_closed()


class _Server(asyncssh.SSHServer):
    """One connection to a board."""

    def __init__(self, board: _Board) -> None:
        self._board = board
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._board.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._board.connections.discard(self._connection)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._board.accepts(username, key)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._board, cast(asyncssh.SSHServerConnection, self._connection))


class _Session(asyncssh.SSHServerSession[bytes]):
    """One command of a client: passes bytes between its channel and its process, both ways with flow control.

    What the client does before the process has started is kept and done then.
    """

    def __init__(self, board: _Board, connection: asyncssh.SSHServerConnection) -> None:
        self._board = board
        self._connection = connection
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._command = ""
        self._process: BoardProcess | None = None
        self._early: list[Callable[[BoardProcess], object]] = []
        self._received = 0
        self._ended = False
        self._throttled = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        self._board.spawn(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._received += len(data)
        if self._board.drops(self._received):
            self._connection.abort()
        else:
            self._do(lambda process: process.write(data))

    def eof_received(self) -> bool:
        self._do(BoardProcess.write_eof)
        return True

    def signal_received(self, signal_name: str) -> None:
        number = signal.Signals.__members__.get(f"SIG{signal_name}")
        if number is not None:
            self._do(lambda process: process.send_signal(number))

    def pause_writing(self) -> None:
        self._do(lambda process: process.pause_output(paused=True))

    def resume_writing(self) -> None:
        self._do(lambda process: process.pause_output(paused=False))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:
            self._do(lambda process: self._board.spawn(process.end(GRACE)))

    def output(self, data: bytes, *, error: bool) -> None:
        """Pass on what the process wrote."""
        if not self._channel.is_closing():
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if error else None)

    def throttle(self, *, full: bool) -> None:
        """Make the client wait while the process does not take its input."""
        self._throttled = full
        if full:
            self._channel.pause_reading()
            self._watch()
        else:
            self._channel.resume_reading()

    def ended(self, status: int) -> None:
        """Report the process's exit status or signal and close the channel."""
        self._ended = True
        name = next((each.name.removeprefix("SIG") for each in signal.Signals if each == -status), "")
        if name:
            self._channel.exit_with_signal(name)
        else:
            self._channel.exit(status if status >= 0 else 128 - status)

    async def _start(self) -> None:
        try:
            process = await BoardProcess.start(self._command, self._board.setup.home, self._board.variables, self)
        except (OSError, ValueError) as error:
            self.output(f"the command cannot be started: {error}\n".encode(), error=True)
            self.ended(126)
            return
        self._process = process
        for action in self._early:
            action(process)
        self._early.clear()

    def _do(self, action: Callable[[BoardProcess], object]) -> None:
        if self._process is None:
            self._early.append(action)
        else:
            action(self._process)

    def _watch(self) -> None:
        # asyncssh reports a closed channel only when all of its input was taken, which a stuck process never does.
        if self._throttled and self._channel.is_closing():
            self.throttle(full=False)
        elif self._throttled:
            asyncio.get_running_loop().call_later(_WATCH, self._watch)


def _current_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _table(environment: Environment) -> str:
    values: dict[str, str | int | list[str]] = {
        "name": environment.name,
        "group": environment.group,
        "tags": list(environment.tags),
        "host": environment.host,
        "port": environment.port,
        "user": environment.user,
        "identity_file": environment.identity_file,
        "host_key": environment.host_keys[0],
    }
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    return "\n[[environment]]\n" + "".join(lines)
