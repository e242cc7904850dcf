"""This terminal as that of a machine: raw while it lasts, and as it was afterwards, whatever happens."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from kdeploy_gui.cli.escape_keys import EscapeKeys, Wish
from kdeploy_gui.cli.terminal_filter import TerminalFilter
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.visible import visible

WAITING = 4 * 1024 * 1024
"""Bytes that wait for a terminal that is slow or stopped; older ones are left out, and that is said."""
HELP = "at the beginning of a line: ~. ends, ~~ types one tilde, ~? says this"
READ_ONLY_HELP = "read only: ~. at the beginning of a line or Ctrl-C ends, ~? says this"
_LEFT_OUT = "older text is left out: this terminal is slower than the console; it is in the recording"
_INTERRUPT = b"\x03"
_KEYS = 4096
_WORDS = {Link.OPENING: "opening", Link.OPEN: "open", Link.WAITING: "not open", Link.NONE: "there is none"}

Write = Callable[[bytes], "Future[None]"]


def in_words(state: LinkState) -> str:
    """How the way to a console is, as a note."""
    return f"[kdeploy: console {_WORDS[state.link]}{f': {state.words}' if state.words else ''}]"


class Inbox:
    """What a console prints, from the engine's thread to the one that shows it; can be selected for reading."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[Piece | LinkState] = deque()
        self._waiting = 0
        self._left_out = False

    def __enter__(self) -> Inbox:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            os.close(self._reading)
            os.close(self._writing)
            self._writing = -1

    def fileno(self) -> int:
        """Readable when there is something to take."""
        return self._reading

    def hear(self, piece: Piece) -> None:
        """The console printed."""
        with self._lock:
            self._waiting += len(piece.data)
            self._items.append(piece)
            while self._waiting > WAITING and isinstance(oldest := self._items[0], Piece):
                self._waiting -= len(oldest.data)
                self._items.popleft()
                self._left_out = True
            self._wake()

    def tell(self, state: LinkState) -> None:
        """The way to it is otherwise."""
        with self._lock:
            self._items.append(state)
            self._wake()

    def take(self) -> list[Piece | LinkState]:
        """All that came, in order."""
        os.read(self._reading, _KEYS)
        with self._lock:
            items = list(self._items)
            self._items.clear()
            self._waiting = 0
            if self._left_out:
                self._left_out = False
                items.insert(0, LinkState(Link.OPEN, _LEFT_OUT))
            return items

    def _wake(self) -> None:
        if self._writing >= 0:
            with suppress(BlockingIOError):
                os.write(self._writing, b".")


@contextmanager
def raw_terminal() -> Iterator[None]:
    """Keys come one by one and as they are; the settings before come back on every way out."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        with suppress(termios.error):  # the terminal itself is gone
            termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)


class _Screen:
    """Writes to the terminal what is harmless there, and kdeploy's own remarks on lines of their own."""

    def __init__(self) -> None:
        self._filter = TerminalFilter()
        self._line_begins = True

    def show(self, data: bytes) -> None:
        self._put(self._filter.feed(data))

    def say(self, text: str) -> None:
        start = "" if self._line_begins else "\r\n"
        self._put(f"{start}{visible(text)}\r\n")

    def restore(self) -> None:
        with suppress(OSError):
            self._put(self._filter.restoring())
            self._put("" if self._line_begins else "\r\n")

    def _put(self, text: str) -> None:
        rest = text.encode(errors="backslashreplace")
        while rest:
            rest = rest[os.write(sys.stdout.fileno(), rest) :]
        if text:
            self._line_begins = text.endswith("\n")


def interact(inbox: Inbox, before: Sequence[Piece], write: Write | None) -> None:
    """Show `before` and what comes, and send what is typed, until `~.`; `write` None: nothing is sent.

    Ends, too, with the terminal, and where no way leads to the console.
    """
    screen = _Screen()
    with raw_terminal():
        try:
            for piece in before:
                screen.show(piece.data)
            screen.say(f"[kdeploy: {HELP if write else READ_ONLY_HELP}]")
            _Dialogue(screen, inbox, write).go_on()
        finally:
            screen.restore()


class _Dialogue:
    def __init__(self, screen: _Screen, inbox: Inbox, write: Write | None) -> None:
        self._screen = screen
        self._inbox = inbox
        self._write = write
        self._keys = EscapeKeys()
        self._told = ""

    def go_on(self) -> None:
        keyboard = sys.stdin.fileno()
        going = True
        while going:
            ready, _, _ = select.select([keyboard, self._inbox], [], [])
            if self._inbox in ready:
                going = self._show()
            if going and keyboard in ready:
                going = self._type(os.read(keyboard, _KEYS))

    def _show(self) -> bool:
        for each in self._inbox.take():
            if isinstance(each, Piece):
                self._screen.show(each.data)
                continue
            words = in_words(each)
            if each.link is not Link.OPENING and words != self._told:
                self._screen.say(words)
                self._told = words
            if each.link is Link.NONE:
                return False
        return True

    def _type(self, data: bytes) -> bool:
        if not data or (self._write is None and _INTERRUPT in data):
            return False
        for typed in self._keys.feed(data):
            if typed.data and self._write is not None:
                try:
                    self._write(typed.data).result()
                except NetworkError as error:
                    self._screen.say(f"[kdeploy: not sent: {error.message}]")
            if typed.wish is Wish.END:
                return False
            if typed.wish is Wish.HELP:
                self._screen.say(f"[kdeploy: {HELP if self._write else READ_ONLY_HELP}]")
        return True
