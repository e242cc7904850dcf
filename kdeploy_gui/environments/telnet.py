"""Telnet as serial servers speak it (RFC 854, 856, 858, 2217): bytes in, data and answers out.

It carries data both ways unchanged and never asks for other settings of the port than the server has. pyserial's client
blocks a thread per port, telnetlib3 brings a shell and encodings of its own, and the standard library drops telnetlib.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT = 0, 1, 3, 44
_CR, _NUL = 13, 0
_THEIRS = frozenset({BINARY, ECHO, SUPPRESS_GO_AHEAD})
"""What the server may do."""
_SWITCHED_OFF = 4
"""Times an option is switched off before it stays off: two ends that change their minds without waiting for an answer
would agree and disagree for ever (RFC 1143)."""


class _State(Enum):
    DATA = auto()
    COMMAND = auto()
    OPTION = auto()
    OPTION_DATA = auto()
    OPTION_DATA_COMMAND = auto()


class Telnet:
    """One end of a connection, ours. `com_port` offers RFC 2217. However the bytes are cut, the result is the same."""

    def __init__(self, *, com_port: bool) -> None:
        self._ours = frozenset({BINARY, SUPPRESS_GO_AHEAD} | ({COM_PORT} if com_port else set()))
        self._asked = {(WILL, each) for each in self._ours} | {(DO, each) for each in (BINARY, SUPPRESS_GO_AHEAD)}
        self._on: set[tuple[int, int]] = set()
        self._switched_off: Counter[tuple[int, int]] = Counter()
        self._state = _State.DATA
        self._verb = 0
        self._after_cr = False

    def opening(self) -> bytes:
        """What is said first."""
        return b"".join(bytes((IAC, *each)) for each in sorted(self._asked))

    def send(self, data: bytes) -> bytes:
        """Data as it goes over the line."""
        escaped = data.replace(b"\xff", b"\xff\xff")
        return escaped if (WILL, BINARY) in self._on else escaped.replace(b"\r", b"\r\0")

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """The data in what came over the line, and what has to be answered."""
        if self._state is _State.DATA and not self._after_cr and IAC not in data and _CR not in data:
            return data, b""
        arrived, answers = bytearray(), bytearray()
        for byte in data:
            self._take(byte, arrived, answers)
        return bytes(arrived), bytes(answers)

    def _take(self, byte: int, arrived: bytearray, answers: bytearray) -> None:
        match self._state:
            case _State.DATA if byte == IAC:
                self._state = _State.COMMAND
            case _State.DATA:
                self._data(byte, arrived)
            case _State.COMMAND:
                self._command(byte, arrived)
            case _State.OPTION:
                self._state = _State.DATA
                answers += self._answer(self._verb, byte)
            case _State.OPTION_DATA if byte == IAC:
                self._state = _State.OPTION_DATA_COMMAND
            case _State.OPTION_DATA:
                pass
            case _State.OPTION_DATA_COMMAND:
                self._state = _State.DATA if byte == SE else _State.OPTION_DATA

    def _data(self, byte: int, arrived: bytearray) -> None:
        """The NUL that follows a carriage return in text is no data."""
        filler = self._after_cr and byte == _NUL
        self._after_cr = byte == _CR and (DO, BINARY) not in self._on
        if not filler:
            arrived.append(byte)

    def _command(self, byte: int, arrived: bytearray) -> None:
        self._state = _State.DATA
        if byte == IAC:
            self._data(IAC, arrived)
        elif byte in (WILL, WONT, DO, DONT):
            self._verb, self._state = byte, _State.OPTION
        elif byte == SB:
            self._state = _State.OPTION_DATA

    def _answer(self, verb: int, option: int) -> bytes:
        """Answer a request, once, and never an answer: neither side can go on for ever (RFC 854)."""
        agree, refuse, allowed = (WILL, WONT, self._ours) if verb in (DO, DONT) else (DO, DONT, _THEIRS)
        ours = (agree, option)
        asked = ours in self._asked
        self._asked.discard(ours)
        if verb in (DO, WILL):
            if option not in allowed or self._switched_off[ours] >= _SWITCHED_OFF:
                return bytes((IAC, refuse, option))
            known = asked or ours in self._on
            self._on.add(ours)
            return b"" if known else bytes((IAC, agree, option))
        was_on = ours in self._on
        self._on.discard(ours)
        self._switched_off[ours] += was_on
        return bytes((IAC, refuse, option)) if was_on else b""
