"""Health out of what `facts.sh` says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from kdeploy_gui.model.health import Health

COLDEST, HOTTEST = -100_000, 250_000
"""Thousandths of a degree beyond which a sensor is not there or broken: some say -274000."""
_LEVEL = re.compile(r"<\d{1,3}>\s*")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_ALL_READ = "<ok>"
_STOPPED = frozenset({"errors=remount-ro", "emergency_ro"})
"""Mount options that say that an error, not a wish, made a file system read-only."""


def health_in(text: str) -> Health | None:
    """None where nobody asked for it."""
    keys = ("health", "temperature", "mounted", "fstab", "kernel_errors", "kernel_log")
    said: dict[str, list[str]] = {key: [] for key in keys}
    for line in text.split("\n"):
        key, _, value = line.partition("\t")
        if key in said:
            said[key].append(value)
    if not said["health"]:
        return None
    count, last = _errors(said["kernel_errors"], said["kernel_log"])
    return Health(_hottest(said["temperature"]), _read_only(said["mounted"], said["fstab"]), count, last)


def _hottest(lines: Sequence[str]) -> float | None:
    sensors = [int(each) for each in lines if re.fullmatch(r"-?\d{1,9}", each)]
    sane = [each for each in sensors if COLDEST <= each <= HOTTEST]
    return max(sane) / 1000 if sane else None


def _read_only(mounted: Sequence[str], table: Sequence[str]) -> Mapping[str, str]:
    """Mounts of disks that are read-only although nobody wants them to be; of equal ones the last hides the others."""
    now, wanted = dict(_places(mounted)), dict(_places(table))
    found: dict[str, str] = {}
    for path, options in now.items():
        wish = wanted.get(path, frozenset())
        if "ro" not in options or "ro" in wish:
            continue
        if options & _STOPPED:
            found[path] = "is read-only, as after an error of its disk"
        elif path in wanted:
            found[path] = "is read-only, and /etc/fstab says that it is writable"
    return found


def _places(lines: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in lines:
        options, _, path = line.partition("\t")
        yield _ESCAPE.sub(lambda found: chr(int(found[1], 8)), path), frozenset(options.split(","))


def _errors(counts: Sequence[str], last: Sequence[str]) -> tuple[int | None, tuple[str, ...]]:
    """How many lines there are, and the last of them; the very last one says that the whole log was read."""
    if not counts or not re.fullmatch(r"[1-9]\d{0,8}", counts[0]) or not last or last[-1] != _ALL_READ:
        return None, ()
    return int(counts[0]) - 1, tuple(_LEVEL.sub("", each, count=1) for each in last[:-1])
