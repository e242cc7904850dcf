"""Two texts -> the lines that differ, with some around them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from kdeploy_gui.model.preview import DiffLine

CONTEXT = 3
"""Equal lines shown on either side of a change."""
EFFORT = 2_000_000
"""Pairs of equal lines beyond which texts are not compared line by line: it would take minutes."""

_HEADING = re.compile(r"[A-Za-z_$]")
_HEADING_LENGTH = 60
_Change = tuple[str, int, int, int, int]


def diff_lines(old: str, new: str) -> tuple[DiffLine, ...]:
    """What turns `old` into `new`, in groups that a hunk line introduces; empty where they are equal."""
    before, after = _split(old), _split(new)
    found: list[DiffLine] = []
    for group in _groups(_changes(before, after)):
        found.append(_hunk(group, before))
        for kind, old_start, old_end, new_start, new_end in group:
            if kind == "equal":
                numbers = zip(range(old_start, old_end), range(new_start, new_end), strict=True)
                found.extend(
                    DiffLine("context", one + 1, other + 1, before[one].rstrip("\n")) for one, other in numbers
                )
                continue
            for number in range(old_start, old_end):
                found.extend(_line("removed", number + 1, 0, before[number]))
            for number in range(new_start, new_end):
                found.extend(_line("added", 0, number + 1, after[number]))
    return tuple(found)


def _split(text: str) -> list[str]:
    """Lines with their line feeds; a carriage return is a part of its line."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _line(kind: str, old: int, new: int, text: str) -> Iterator[DiffLine]:
    yield DiffLine("added" if kind == "added" else "removed", old, new, text.rstrip("\n"))
    if not text.endswith("\n"):
        yield DiffLine("hunk", 0, 0, "No line feed at the end of the file")


def _changes(before: Sequence[str], after: Sequence[str]) -> list[_Change]:
    """Opcodes as `SequenceMatcher` has them; equal ends are cut off first."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    changes: list[_Change] = [("equal", 0, start, 0, start)]
    if _effort(old, new) <= EFFORT:
        matcher = SequenceMatcher(None, old, new, autojunk=False)
        changes += [(kind, a + start, b + start, c + start, d + start) for kind, a, b, c, d in matcher.get_opcodes()]
    else:
        changes.append(("replace", start, start + len(old), start, start + len(new)))
    changes.append(("equal", len(before) - end, len(before), len(after) - end, len(after)))
    return changes


def _effort(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(new)
    return sum(times * counts[line] for line, times in Counter(old).items()) + len(old) + len(new)


def _groups(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes with their context; those closer than twice the context go together."""
    group: list[_Change] = []
    for number, (kind, a, b, c, d) in enumerate(changes, 1):
        if kind != "equal":
            group.append((kind, a, b, c, d))
            continue
        if not group:
            skip = max(0, b - a - CONTEXT)
            group = [(kind, a + skip, b, c + skip, d)]
        elif b - a > 2 * CONTEXT or number == len(changes):
            keep = min(CONTEXT, b - a)
            if any(each[0] != "equal" for each in group):
                yield [*group, (kind, a, a + keep, c, c + keep)]
            skip = max(0, b - a - CONTEXT)
            group = [(kind, a + skip, b, c + skip, d)]
        else:
            group.append((kind, a, b, c, d))


def _hunk(group: Sequence[_Change], before: Sequence[str]) -> DiffLine:
    (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
    heading = next((line for line in reversed(before[:old_start]) if _HEADING.match(line)), "").rstrip()
    text = f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@ {heading[:_HEADING_LENGTH]}"
    return DiffLine("hunk", 0, 0, text.rstrip())


def _range(start: int, end: int) -> str:
    return f"{start + 1 if end > start else start},{end - start}"
