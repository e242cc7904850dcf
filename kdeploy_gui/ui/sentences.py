"""Messages as sentences of the window."""

from __future__ import annotations

_ORDINARY = frozenset(
    [
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
        "nothing",
        "one",
        "only",
        "required",
        "some",
        "the",
        "these",
        "this",
        "two",
    ]
)
"""First words that are no names: a command such as awk keeps its own first letter."""


def sentence(message: str) -> str:
    """`message` with a capital where a sentence has one."""
    return message[:1].upper() + message[1:] if message.partition(" ")[0] in _ORDINARY else message
