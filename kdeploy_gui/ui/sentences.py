"""Messages as sentences of the window."""

from __future__ import annotations

import re

_MARKED = re.compile(r"`([^`\n]+)`")
_ORDINARY = frozenset(
    {
        "a",
        "an",
        "and",
        "another",
        "commands",
        "every",
        "files",
        "installing",
        "it",
        "kdeploy's",
        "looking",
        "no",
        "none",
        "nothing",
        "one",
        "only",
        "required",
        "some",
        "the",
        "these",
        "this",
        "two",
    }
)
"""First words that are no names: a command such as awk keeps its own first letter."""


def sentence(message: str) -> str:
    """`message` with a capital where a sentence has one."""
    return message[:1].upper() + message[1:] if message.partition(" ")[0] in _ORDINARY else message


def without_marks(text: str) -> str:
    """`text` without the marks that the terminal puts around commands and fields."""
    return _MARKED.sub(r"\1", text)
