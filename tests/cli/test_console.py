"""`kdeploy console` in a real terminal, on a machine behind a TCP port."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, kdeploy, running
from tests.lab.processes import wait_until

LAB = """
[[environment]]
name = "board-a"
host = "192.0.2.1"
[environment.console]
tcp = "127.0.0.1:{port}"

[[environment]]
name = "board-b"
host = "192.0.2.2"
"""


class Machine:
    """A console behind a TCP port, in a thread: it greets every client and remembers what is typed."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.typed = b""
        self.clients: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.clients.append(client)
                client.sendall(b"board login: ")
                threading.Thread(target=self._read, args=(client,), daemon=True).start()

    def _read(self, client: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(4096):
                self.typed += data

    def print(self, data: bytes) -> None:
        """It prints to the newest client."""
        self.clients[-1].sendall(data)

    def break_off(self) -> None:
        """The server ends the connection."""
        self.clients[-1].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """It is gone."""
        self._listening.close()
        for each in self.clients:
            each.close()


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.master, inside = pty.openpty()
        self._inside = inside
        self.before = termios.tcgetattr(inside)
        os.set_blocking(self.master, False)
        self.shown = b""
        argv = [*COMMAND, *arguments]
        self.process = subprocess.Popen(argv, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)

    def shows(self, text: bytes) -> bool:
        """Whether the terminal has shown a text by now."""
        with suppress(BlockingIOError, OSError):
            while data := os.read(self.master, 65536):
                self.shown += data
        return text in self.shown

    def wait(self, text: bytes) -> None:
        """Until it has shown a text."""
        wait_until(lambda: self.shows(text) or self.process.poll() is not None, f"the terminal to show {text!r}", 30)
        assert text in self.shown, self.shown

    def type(self, keys: bytes) -> None:
        """Somebody types."""
        os.write(self.master, keys)

    @property
    def settings(self) -> object:
        """As they are now."""
        return termios.tcgetattr(self._inside)

    def ended(self) -> int:
        """The exit status; the terminal is as it was."""
        status = self.process.wait(30)
        self.shows(b"")
        assert self.settings == self.before
        return status

    def close(self) -> None:
        """Close the window."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._inside)
        os.close(self.master)


@pytest.fixture
def machine() -> Iterator[Machine]:
    with closing(Machine()) as found:
        yield found


@pytest.fixture
def lab(kdeploy_home: Path, machine: Machine) -> Path:
    kdeploy_home.mkdir(mode=0o700, exist_ok=True)
    (kdeploy_home / "lab.toml").write_text(LAB.format(port=machine.port))
    return kdeploy_home


@pytest.fixture
def terminal(lab: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def make(*arguments: str) -> Terminal:
        opened.append(Terminal("console", "board-a", *arguments))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_keys_go_to_the_machine_and_its_text_comes_here(terminal: Callable[..., Terminal], machine: Machine) -> None:
    here = terminal()
    here.wait(b"~. ends")
    here.wait(b"board login: ")
    assert here.settings != here.before
    here.type(b"root\r\x03\x1b[A")
    wait_until(lambda: machine.typed == b"root\r\x03\x1b[A", "the keys to arrive")
    machine.print(b"\x1b]0;evil\x07\x1b[6n\x1b[31mred\x1b[0m\r\n")
    here.wait(b"\x1b[31mred\x1b[0m")
    here.type(b"\r~?")
    wait_until(lambda: here.shows(b"") or here.shown.count(b"~? says this") == 2, "the help")
    here.type(b"~~\r~.")
    assert here.ended() == 0
    wait_until(lambda: machine.typed == b"root\r\x03\x1b[A\r~\r", "the last keys")
    assert b"evil" not in here.shown
    assert b"\x1b[6n" not in here.shown


def test_a_console_that_breaks_off_is_opened_again(terminal: Callable[..., Terminal], machine: Machine) -> None:
    here = terminal()
    here.wait(b"console open: 127.0.0.1")
    here.wait(b"board login: ")
    machine.break_off()
    here.wait(b"the server closed the connection")
    wait_until(lambda: len(machine.clients) == 2, "the second connection")
    machine.print(b"back again")
    here.wait(b"back again")
    here.type(b"~.")
    assert here.ended() == 0


def test_reading_only_sends_nothing(terminal: Callable[..., Terminal], machine: Machine) -> None:
    here = terminal("--read-only")
    here.wait(b"read only")
    here.wait(b"board login: ")
    here.type(b"rm -rf /\r")
    machine.print(b"still here")
    here.wait(b"still here")
    here.type(b"\x03")
    assert here.ended() == 0
    assert machine.typed == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_as_it_was_after_a_signal(terminal: Callable[..., Terminal], number: signal.Signals) -> None:
    here = terminal()
    here.wait(b"board login: ")
    here.process.send_signal(number)
    assert here.ended() == 130


def test_a_second_one_goes_through_the_first(terminal: Callable[..., Terminal], machine: Machine) -> None:
    first = terminal()
    first.wait(b"console open: 127.0.0.1")
    second = terminal()
    second.wait(f"console open: through kdeploy (pid {first.process.pid})".encode())
    second.type(b"hello\r")
    wait_until(lambda: machine.typed == b"hello\r", "what the second one typed")
    machine.print(b"\r\nfor both")
    first.wait(b"for both")
    second.wait(b"for both")
    assert len(machine.clients) == 1
    first.type(b"~.")
    assert first.ended() == 0
    wait_until(lambda: len(machine.clients) == 2, "the second one to open it itself")
    second.wait(b"console open: 127.0.0.1")
    second.type(b"~.")
    assert second.ended() == 0


def test_following_needs_no_terminal(lab: Path, machine: Machine) -> None:
    with running("console", "board-a", "--follow", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: bool(machine.clients), "the connection", 30)
        machine.print(b"\x1b]0;t\x07line\r\n")
        assert process.stdout is not None
        assert process.stdout.readline() == "board login: \\x1b]0;t\\x07line\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = kdeploy("console", "board-a", "--log")
    assert log.status == 0
    assert log.stdout.endswith("  board login: \\x1b]0;t\\x07line\n")
    (row, *_) = document = kdeploy("console", "board-a", "--log", "--json").json["output"]
    assert "".join(each["text"] for each in document) == "board login: \x1b]0;t\x07line\r\n"
    assert row["time"].endswith("Z")


def test_what_cannot_be_done_is_said(lab: Path) -> None:
    assert "use --follow or --log" in kdeploy("console", "board-a").stderr
    said = kdeploy("console", "board-b", "--follow", "--json")
    assert said.status == 1
    assert json.loads(said.stdout)["error"]["code"] == "E-CONSOLE-NONE"
    assert "board-b" in kdeploy("console", "board-x", "--follow").stderr
    assert "exclude each other" in kdeploy("console", "board-a", "--follow", "--log").stderr
    assert "Nothing was recorded yet" in kdeploy("console", "board-a", "--log").stderr
