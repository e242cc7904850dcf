"""Keys of the window as the bytes that a terminal sends for them."""

from __future__ import annotations

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QKeyEvent

_KEYS = {
    Qt.Key.Key_Return: b"\r",
    Qt.Key.Key_Enter: b"\r",
    Qt.Key.Key_Backspace: b"\x7f",
    Qt.Key.Key_Tab: b"\t",
    Qt.Key.Key_Escape: b"\x1b",
    Qt.Key.Key_Up: b"\x1b[A",
    Qt.Key.Key_Down: b"\x1b[B",
    Qt.Key.Key_Right: b"\x1b[C",
    Qt.Key.Key_Left: b"\x1b[D",
    Qt.Key.Key_Home: b"\x1b[H",
    Qt.Key.Key_End: b"\x1b[F",
    Qt.Key.Key_Insert: b"\x1b[2~",
    Qt.Key.Key_Delete: b"\x1b[3~",
    Qt.Key.Key_PageUp: b"\x1b[5~",
    Qt.Key.Key_PageDown: b"\x1b[6~",
    Qt.Key.Key_F1: b"\x1bOP",
    Qt.Key.Key_F2: b"\x1bOQ",
    Qt.Key.Key_F3: b"\x1bOR",
    Qt.Key.Key_F4: b"\x1bOS",
}
_WINDOW = {
    (Qt.Key.Key_F6, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier),
    (Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier),
    (Qt.Key.Key_PageUp, Qt.KeyboardModifier.ShiftModifier),
    (Qt.Key.Key_PageDown, Qt.KeyboardModifier.ShiftModifier),
}
"""Keys that stay with the window: away from here, copy, scroll."""
_CONTROLS = range(Qt.Key.Key_At, Qt.Key.Key_Underscore + 1)


def bytes_of(event: QKeyEvent) -> bytes | None:
    """What a key sends; empty for one that sends nothing, None for one that is the window's."""
    combination: QKeyCombination = event.keyCombination()
    key, modifiers = combination.key(), combination.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if (key, modifiers) in _WINDOW:
        return None
    if modifiers == Qt.KeyboardModifier.ControlModifier and key in _CONTROLS:
        return bytes((key.value & 0x1F,))
    if modifiers == Qt.KeyboardModifier.ControlModifier and key == Qt.Key.Key_Space:
        return b"\0"
    if key in _KEYS:
        return _KEYS[key]
    text = event.text().encode(errors="ignore")
    return b"\x1b" + text if modifiers & Qt.KeyboardModifier.AltModifier and text else text
