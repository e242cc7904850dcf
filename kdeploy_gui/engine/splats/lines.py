"""One line of a console or kernel log: what printk put before the message, and the message."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 8192
"""Bytes of a line that are looked at."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])?")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_STAMP = re.compile(r"\[ {0,8}(\d{1,10}\.\d{3,9})\](?:\[ {0,8}([TC]\d{1,10})\])? ?")
_RECORD = re.compile(r"(\d{1,3}),\d{1,20},(\d{1,20}),[^;]{1,80};")
_PRIORITY = re.compile(r"<(\d{1,3})>(?:\[ {0,8}([TC]\d{1,10})\] ?)?")
_CALLER = re.compile(r"caller=([TC]\d{1,10})")
_BEFORE_STAMP = re.compile(
    r"(?:<(?P<priority>\d{1,3})>|[a-z]{2,8} {0,3}:[a-z]{2,8} {0,3}: "
    r"|.{0,80}(?: kernel: |login: ?|[Pp]assword: ?|[#$>] ))?"
)
_PROCESS = re.compile(r"[\w@./:-]{1,40}\[\d{1,10}\]:? ")
_USERS = 8
"""Syslog priorities from here on are not the kernel's."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message with `printed`, the kernel's time as it stood there, and `caller`: the task or CPU that printed it.

    `user`: a program wrote it, not the kernel.
    """

    text: str
    printed: str = ""
    caller: str = ""
    user: bool = False

    @property
    def seconds(self) -> float | None:
        """The kernel's time in seconds since boot, None if no time was printed."""
        return float(self.printed) if self.printed else None


def plain(raw: bytes) -> str:
    """The text of a line without escape sequences and control characters, cut at `LONGEST`."""
    text = raw[:LONGEST].decode(errors="replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return _UNPRINTABLE.sub("", text).rstrip()


def parse(raw: bytes) -> Line:
    """The line of these bytes, cut at `LONGEST`; never raises."""
    text = plain(raw)
    line = _record(text) if text[:1].isdigit() else None
    if line is None:
        line = _stamped(text)
    return line if line.user or not _PROCESS.match(line.text) else Line(line.text, line.printed, line.caller, True)


def _record(text: str) -> Line | None:
    """A record of /dev/kmsg or of netconsole's extended format."""
    found = _RECORD.match(text)
    if found is None:
        return None
    caller = _CALLER.search(text, 0, found.end())
    printed = f"{int(found[2]) / 1e6:.6f}"
    return Line(text[found.end() :], printed, caller[1] if caller else "", int(found[1]) >= _USERS)


def _stamped(text: str) -> Line:
    stamp = _STAMP.search(text, 0, 160)
    if stamp is None or (before := _BEFORE_STAMP.fullmatch(text, 0, stamp.start())) is None:
        found = _PRIORITY.match(text)
        return Line(text[found.end() :], "", found[2] or "", int(found[1]) >= _USERS) if found else Line(text)
    user = int(before["priority"] or 0) >= _USERS
    return Line(text[stamp.end() :], stamp[1], stamp[2] or "", user)
