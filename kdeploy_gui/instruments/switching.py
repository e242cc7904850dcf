"""Switches of a running kernel: what is asked of `switch.sh`, and what it said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import Switch, Switched

ANY = "*"


def throwing(switches: Iterable[Switch]) -> tuple[str, ...]:
    """Arguments that throw these; mounts first, because other switches may lie below them."""
    ordered = sorted(switches, key=lambda each: not each.mount)
    return tuple(
        word
        for each in ordered
        for word in (("mount", each.path, each.mount, ANY) if each.mount else ("write", each.path, each.on, ANY))
    )


def switched_in(done: Completed, switches: Mapping[str, Switch], boot_id: str) -> tuple[Switched, ...]:
    """Those that were thrown; what was so already is nobody's to take back."""
    return tuple(
        Switched(switches[path], before, after, boot_id)
        for word, path, before, after, _ in _answers(done)
        if word == "ok" and path in switches
    )


def undoing(switched: Sequence[Switched]) -> tuple[str, ...]:
    """Arguments that take these back, the last one first; not where somebody has changed it since."""
    words: list[str] = []
    for each in reversed(switched):
        switch = each.switch
        if switch.mount:
            words += ["umount", switch.path, switch.mount, ANY]
        else:
            words += ["write", switch.path, switch.undo or each.before, each.after]
    return tuple(words)


def left_in(done: Completed, switched: Sequence[Switched]) -> Mapping[str, str]:
    """What could not be taken back, and why, by path; nothing: all of it was, and was read back."""
    said = {path: (word, after, why) for word, path, _, after, why in _answers(done)}
    left: dict[str, str] = {}
    for each in switched:
        word, after, why = said.get(each.switch.path, ("failed", "", "no answer"))
        if word == "other":
            left[each.switch.path] = f"somebody has changed it since: it is '{after}'"
        elif word not in {"ok", "same"} or after != each.before:
            left[each.switch.path] = why or f"it is '{after}', and was '{each.before}'"
    return left


def _answers(done: Completed) -> list[tuple[str, str, str, str, str]]:
    rows = (line.split("\t") for line in done.text.split("\n"))
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows if len(row) == 5]
