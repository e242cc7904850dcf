"""Foreign text made harmless: what a machine or a file says never steers a terminal, a page or the reading order."""

from __future__ import annotations

import re

_CONTROLS = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
_FIRST_UNDECODABLE = 0xDC00
"""Bytes that are not UTF-8 stand as this plus their value (PEP 383)."""
_UNSAFE = re.compile(_CONTROLS)
_UNSAFE_IN_LINES = re.compile(f"(?![\n\t]){_CONTROLS}")


def visible(text: str) -> str:
    """One line of text: control characters, line ends, escape sequences and bidi controls as visible escapes."""
    return _UNSAFE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Several lines of text: as `visible`, but line feeds and tabs stay, and CR LF counts as a line feed."""
    return _UNSAFE_IN_LINES.sub(_escape, text.replace("\r\n", "\n"))


def is_visible(text: str) -> bool:
    """Whether `text` holds nothing that would be escaped."""
    return _UNSAFE.search(text) is None


def _escape(found: re.Match[str]) -> str:
    undecodable = ord(found.group()) - _FIRST_UNDECODABLE
    if 0x80 <= undecodable <= 0xFF:
        return f"\\x{undecodable:02x}"
    return found.group().encode("unicode_escape").decode("ascii")
