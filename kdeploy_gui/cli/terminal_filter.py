"""What a machine prints, for the engineer's own terminal: it may colour and move the cursor, and nothing else.

Dropped are strings (titles, clipboard, links, device controls), questions that a terminal answers as if somebody had
typed, mouse and key modes, resizing, printing, and the erasing of what was scrolled away.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum, auto

from kdeploy_gui.model.visible import visible

_ESCAPE = "\x1b"
_LONGEST = 64
"""Characters of a control sequence that are looked at."""
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]+")
_HARMLESS = frozenset("\r\n\t\b\a")
_MOVES = re.compile(r"[0-9;]*[@ABCDEFGHIKLMPSXZ`adefr]|[012]?J|[0-9:;]*m|[0-9]*T|[su]")
_MODES = re.compile(r"(\??)([0-9]{1,4})([hl])")
_USUAL = {
    ("", "4"): "l",
    ("", "20"): "l",
    ("?", "1"): "l",
    ("?", "7"): "h",
    ("?", "12"): "l",
    ("?", "25"): "h",
    ("?", "47"): "l",
    ("?", "1047"): "l",
    ("?", "1049"): "l",
    ("?", "2004"): "l",
}
"""Modes that may be switched, as they are in a terminal at rest."""
_SIMPLE = frozenset("78DEM=>")
_CHARACTERS = frozenset({"(0", "(B", ")0", ")B"})


class _State(Enum):
    TEXT = auto()
    ESCAPE = auto()
    CONTROL = auto()
    STRING = auto()
    STRING_ESCAPE = auto()


class TerminalFilter:
    """Takes bytes as they come, cut anywhere. A string that nobody ends ends with its line, so that noise hides none.

    Bytes that are not UTF-8, C1 controls and what turns the reading order become visible escapes.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        self._state = _State.TEXT
        self._sequence = ""
        self._modes: dict[tuple[str, str], str] = {}
        self._undo: set[str] = set()

    def feed(self, data: bytes) -> str:
        """What of the next bytes may be written to the terminal."""
        text = self._decoder.decode(data)
        shown: list[str] = []
        at = 0
        while at < len(text):
            plain = _PLAIN.match(text, at) if self._state is _State.TEXT else None
            if plain is not None:
                shown.append(visible(plain[0]))
                at = plain.end()
            else:
                shown.append(self._take(text[at]))
                at += 1
        return "".join(shown)

    def restoring(self) -> str:
        """What brings the terminal back to rest."""
        modes = (f"\x1b[{mark}{number}{usual}" for (mark, number), usual in self._modes.items())
        return "".join((*modes, *sorted(self._undo)))

    def _take(self, character: str) -> str:
        if character in "\x18\x1a" or (character in "\r\n" and self._state is not _State.TEXT):
            self._state = _State.TEXT
            return character if character in "\r\n" else ""
        match self._state:
            case _State.TEXT:
                return self._control(character)
            case _State.ESCAPE:
                return self._after_escape(character)
            case _State.CONTROL:
                return self._in_control(character)
            case _State.STRING if character == "\a":
                self._state = _State.TEXT
            case _State.STRING if character == _ESCAPE:
                self._state = _State.STRING_ESCAPE
            case _State.STRING:
                pass
            case _State.STRING_ESCAPE if character == "\\":
                self._state = _State.TEXT
            case _State.STRING_ESCAPE:
                self._state, self._sequence = _State.ESCAPE, ""
                return self._after_escape(character)
        return ""

    def _control(self, character: str) -> str:
        if character == _ESCAPE:
            self._state, self._sequence = _State.ESCAPE, ""
            return ""
        if character in "\x0e\x0f":
            self._undo.add("\x0f")
            return character
        if character in _HARMLESS:
            return character
        return "" if character in "\0\x7f" else visible(character)

    def _after_escape(self, character: str) -> str:
        if character == _ESCAPE:
            self._sequence = ""
            return ""
        self._state = _State.TEXT
        if character == "[":
            self._state, self._sequence = _State.CONTROL, ""
        elif character in "]PX^_" and not self._sequence:
            self._state = _State.STRING
        elif " " <= character <= "/":
            self._state, self._sequence = _State.ESCAPE, (self._sequence + character)[:_LONGEST]
        elif not self._sequence and character in _SIMPLE:
            if character == "=":
                self._undo.add("\x1b>")
            return _ESCAPE + character
        elif self._sequence + character in _CHARACTERS:
            self._undo.add("\x1b(B\x1b)B")
            return _ESCAPE + self._sequence + character
        return ""

    def _in_control(self, character: str) -> str:
        if character == _ESCAPE:
            self._state, self._sequence = _State.ESCAPE, ""
            return ""
        self._sequence = (self._sequence + character)[: _LONGEST + 1]
        if " " <= character <= "?":
            return ""
        self._state = _State.TEXT
        sequence = self._sequence
        if len(sequence) > _LONGEST:
            return ""
        modes = _MODES.fullmatch(sequence)
        if modes is not None:
            return self._switched(modes[1], modes[2], sequence)
        if _MOVES.fullmatch(sequence) is None:
            return ""
        if character == "m":
            self._undo.add("\x1b[0m")
        elif character == "r":
            self._undo.add("\x1b7\x1b[r\x1b8")
        return f"{_ESCAPE}[{sequence}"

    def _switched(self, mark: str, number: str, sequence: str) -> str:
        usual = _USUAL.get((mark, number))
        if usual is None:
            return ""
        self._modes[mark, number] = usual
        return f"{_ESCAPE}[{sequence}"
