"""The console tab on a machine behind a TCP port: live text, search, copy, and keys for whoever takes the input."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.console import Link, Piece
from kdeploy_gui.model.environment import Console, Environment
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.console.keys import bytes_of
from kdeploy_gui.ui.console.lines import KEPT, SPARE, ConsoleLines, edited
from kdeploy_gui.ui.console.page import GIVE_BACK, TAKE, ConsolePage, ConsoleTools
from kdeploy_gui.ui.detail.pane import CONSOLE, DetailPane
from kdeploy_gui.ui.session import Session

Key, Modifier = Qt.Key, Qt.KeyboardModifier
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


class Machine:
    """A console behind a TCP port: it greets, and remembers what is typed."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.clients: list[socket.socket] = []
        self.typed = b""
        port = self._listening.getsockname()[1]
        self.environment = Environment(name="board-a", host="h.invalid", console=Console(tcp=f"127.0.0.1:{port}"))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.clients.append(client)
                client.sendall(b"[    0.000000] Linux version 6.1.0\r\nboard login: ")
                threading.Thread(target=self._read, args=(client,), daemon=True).start()

    def _read(self, client: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(4096):
                self.typed += data

    def print(self, data: bytes) -> None:
        """It prints."""
        self.clients[-1].sendall(data)

    def break_off(self) -> None:
        """The server ends the connection."""
        self.clients[-1].shutdown(socket.SHUT_RDWR)

    def go_away(self) -> None:
        """The server and all connections to it end."""
        for each in (self._listening, *self.clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing of it is left."""
        self.go_away()
        for each in (self._listening, *self.clients):
            each.close()


@pytest.fixture
def machine() -> Iterator[Machine]:
    with closing(Machine()) as found:
        yield found


@pytest.fixture
def page(session: Session, machine: Machine, qtbot: QtBot) -> ConsolePage:
    made = ConsolePage(session)
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show_console(machine.environment, "board-a")
    made.show()
    qtbot.waitUntil(lambda: takes_keys(made) and lines(made)[-1:] == ["board login: "])
    return made


def takes_keys(page: ConsolePage) -> bool:
    return page.state.link is Link.OPEN and page._feed._session is not None


def has_ended(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def lines(page: ConsolePage) -> list[str]:
    document = page.view.document
    return [document.row(index).text for index in range(len(document))]


def test_it_is_live_and_takes_no_keys_by_itself(page: ConsolePage, machine: Machine, qtbot: QtBot) -> None:
    machine.print(b"\x1b]0;title\x07\x1b[31mred\x1b[0m\r\nnext \xff\x05")
    qtbot.waitUntil(lambda: lines(page)[-1] == "next \\xff\\x05")
    assert lines(page) == ["[    0.000000] Linux version 6.1.0", "board login: red", "next \\xff\\x05"]
    assert page.bar.lines == f"Open: {machine.environment.console.tcp} (raw)    3 lines"
    QTest.keyClicks(page.view, "rm -rf /")
    QTest.keyClick(page.view, Key.Key_Return)
    assert not page.has_input
    machine.print(b"!")
    qtbot.waitUntil(lambda: lines(page)[-1].endswith("!"))
    assert machine.typed == b""


def test_who_takes_the_input_types_at_the_machine(page: ConsolePage, machine: Machine, qtbot: QtBot) -> None:
    tools = ConsoleTools(page.view.look, page)
    qtbot.addWidget(tools)
    assert tools.input.text() == TAKE
    QTest.mouseClick(tools.input, Qt.MouseButton.LeftButton)
    assert (tools.input.text(), page.has_input) == (GIVE_BACK, True)
    assert "Keys go to board-a" in page.bar.lines
    QTest.keyClicks(page.view, "root")
    QTest.keyClick(page.view, Key.Key_Return)
    QTest.keyClick(page.view, Key.Key_C, Modifier.ControlModifier)
    QTest.keyClick(page.view, Key.Key_Tab)
    QTest.keyClick(page.view, Key.Key_Up)
    qtbot.waitUntil(lambda: machine.typed == b"root\r\x03\t\x1b[A")
    QTest.mouseClick(tools.input, Qt.MouseButton.LeftButton)
    QTest.keyClicks(page.view, "x")
    assert not page.has_input
    assert machine.typed == b"root\r\x03\t\x1b[A"


def test_who_goes_elsewhere_gives_the_input_back(page: ConsolePage, qtbot: QtBot) -> None:
    page.activateWindow()
    page.set_input(True)
    qtbot.waitUntil(page.view.hasFocus)
    QTest.keyClick(page.view, Key.Key_Tab)
    assert page.has_input, "Tab is the machine's"
    page.bar.time.show()
    page.bar.time.setFocus()
    assert not page.has_input


def test_what_is_typed_into_nothing_is_told(page: ConsolePage, machine: Machine, qtbot: QtBot) -> None:
    machine.go_away()
    qtbot.waitUntil(lambda: page.state.link is Link.WAITING)
    page.set_input(True)
    QTest.keyClicks(page.view, "x")
    qtbot.waitUntil(lambda: any("nothing was sent" in line for line in lines(page)))


def test_a_break_stands_between_the_lines_and_it_goes_on(page: ConsolePage, machine: Machine, qtbot: QtBot) -> None:
    machine.break_off()
    qtbot.waitUntil(lambda: len(machine.clients) == 2 and page.state.link is Link.OPEN)
    qtbot.waitUntil(lambda: lines(page).count("board login: ") == 2)
    assert any(line.startswith("Not open: the server closed the connection") for line in lines(page))
    assert any(line.startswith("Open: 127.0.0.1") for line in lines(page))


def test_a_console_out_of_sight_is_closed_and_comes_back_with_what_was_recorded(
    page: ConsolePage, machine: Machine, qtbot: QtBot
) -> None:
    page.set_input(True)
    page.hide()
    assert not page.has_input
    qtbot.waitUntil(lambda: has_ended(machine.clients[0]))
    page.show()
    qtbot.waitUntil(lambda: len(machine.clients) == 2)
    qtbot.waitUntil(
        lambda: (
            lines(page)[:2] == ["[    0.000000] Linux version 6.1.0", "board login: [    0.000000] Linux version 6.1.0"]
        )
    )


def test_lines_are_found_and_copied(page: ConsolePage, machine: Machine, qtbot: QtBot) -> None:
    tools = ConsoleTools(page.view.look, page)
    qtbot.addWidget(tools)
    machine.print(b"\r\n" + b"".join(b"usb %d: new device\r\n" % number for number in range(300)))
    qtbot.waitUntil(lambda: lines(page)[-1] == "usb 299: new device")
    tools.field.setText("USB 29")
    assert tools.count.text() == "11 of 11" or page.hits[1] == 11
    tools.field.setText("usb 150:")
    assert page.hits == (1, 1)
    assert "usb 150: new device" in page.view.text_of(page.view.current)
    assert not page.view.following
    machine.print(b"usb 150: again\r\n")
    qtbot.waitUntil(lambda: page.hits == (1, 2))
    page.step_hit(1)
    page.step_hit(1)
    page.step_hit(-1)
    assert page.hits == (2, 2)
    page.view.copy(raw=True)
    assert QGuiApplication.clipboard().text() == "usb 150: again"
    page.view.copy()
    assert QGuiApplication.clipboard().text().endswith("  serial   usb 150: again")
    page.view.follow_end()
    assert page.view.is_at_end
    tools.field.setText("nowhere")
    assert tools.count.text() == "No hit"


def test_a_machine_without_a_console_says_what_to_do(session: Session, qtbot: QtBot) -> None:
    page = ConsolePage(session)
    tools = ConsoleTools(session.look, page)
    for each in (page, tools):
        qtbot.addWidget(each)
    page.show_console(Environment(name="plain", host="h"), "plain")
    page.show()
    tools.tell()
    assert page.state.link is Link.NONE
    assert not tools.input.isEnabled()
    page.set_input(True)
    assert not page.has_input


def test_the_pane_has_it_as_a_tab(session: Session, machine: Machine, qtbot: QtBot) -> None:
    assert session.services.inventory.add(machine.environment) == ()
    qtbot.waitUntil(lambda: session.machines.get("board-a") is not None)
    pane = DetailPane(session)
    qtbot.addWidget(pane)
    pane.resize(1176, 420)
    pane.show_environment(0, "board-a")
    pane.show()
    assert machine.clients == []
    session.commands.run("view.console")
    assert pane.tabs.currentIndex() == CONSOLE
    qtbot.waitUntil(lambda: lines(pane.console)[-1:] == ["board login: "])
    assert pane.console_tools.isVisible()
    session.commands.run("log.search")
    session.commands.run("log.times")
    session.commands.run("log.wrap")
    assert (pane.console.view.wrap, pane.console.view.times) == (True, False)
    pane.tabs.setCurrentIndex(0)
    assert not pane.console.isVisible()


def test_old_lines_are_forgotten_and_numbers_go_on() -> None:
    document = ConsoleLines()
    document.add(Piece(NOW, b"".join(b"%d\n" % number for number in range(KEPT + SPARE + 5))))
    assert len(document) == KEPT
    assert document.first == SPARE + 5
    assert document.row(0).text == str(SPARE + 5)
    assert list(document.matching(str(KEPT + SPARE + 4))) == [KEPT + SPARE + 4]


@given(st.binary(max_size=200), st.lists(st.integers(min_value=0), max_size=5))
def test_lines_are_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    whole, cut_up = ConsoleLines(), ConsoleLines()
    whole.add(Piece(NOW, data))
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for index in range(len(places) - 1):
        cut_up.add(Piece(NOW, data[places[index] : places[index + 1]]))
    assert [cut_up.row(each) for each in range(len(cut_up))] == [whole.row(each) for each in range(len(whole))]
    assert all(is_visible(whole.row(each).text) for each in range(len(whole)))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"# lx\b \bs", b"# ls"),
        (b"# lx\b\x1b[Ks", b"# ls"),
        (b"\x1b[1m# \x1b[0mab\b\bxy", b"\x1b[1m# \x1b[0mxy"),
        (b"50%\b\b\b100%", b"100%"),
        (b"\b\bab", b"ab"),
        ("äö\bx".encode(), "äx".encode()),
    ],
)
def test_backspaces_are_obeyed(raw: bytes, shown: bytes) -> None:
    assert edited(raw) == shown


@pytest.mark.parametrize(
    ("key", "modifiers", "text", "sent"),
    [
        (Key.Key_A, Modifier.NoModifier, "a", b"a"),
        (Key.Key_D, Modifier.ControlModifier, "\x04", b"\x04"),
        (Key.Key_BracketLeft, Modifier.ControlModifier, "", b"\x1b"),
        (Key.Key_Space, Modifier.ControlModifier, " ", b"\0"),
        (Key.Key_B, Modifier.AltModifier, "b", b"\x1bb"),
        (Key.Key_Backspace, Modifier.NoModifier, "\x08", b"\x7f"),
        (Key.Key_Shift, Modifier.ShiftModifier, "", b""),
        (Key.Key_F6, Modifier.NoModifier, "", None),
        (Key.Key_C, Modifier.ControlModifier | Modifier.ShiftModifier, "\x03", None),
        (Key.Key_Enter, Modifier.KeypadModifier, "\r", b"\r"),
    ],
)
def test_keys_are_those_of_a_terminal(
    key: Qt.Key, modifiers: Qt.KeyboardModifier, text: str, sent: bytes | None
) -> None:
    assert bytes_of(QKeyEvent(QEvent.Type.KeyPress, key, modifiers, text)) == sent
