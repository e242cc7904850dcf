"""Text from outside, made fit for one line of a message."""

from __future__ import annotations

import unicodedata


def is_control(character: str) -> bool:
    """Control characters, line and paragraph separators, and the ones that turn the reading direction."""
    turns = "\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069"
    return turns or unicodedata.category(character) in {"Cc", "Zl", "Zp"}


def printable(text: str) -> str:
    """`text` with control characters, and bytes that are not UTF-8 (surrogates), as escapes."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each.encode("unicode_escape").decode() if is_control(each) else each for each in readable)
