"""Bytes in, reports out: fed with a console or a kernel log piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kdeploy_gui.engine.splats.lines import LONGEST, Line, parse
from kdeploy_gui.engine.splats.report import GAP, Report
from kdeploy_gui.engine.splats.signatures import SIGNATURES, Signature
from kdeploy_gui.engine.splats.surroundings import HINTS, Surroundings
from kdeploy_gui.model.splat import Severity, Splat

CALLERS = 16
"""Reports that are open at once at most: of so many tasks and CPUs."""
_CUT_HERE = "[ cut here ]"
_TOKENS = tuple(each.encode() for each in (*SIGNATURES, *HINTS, _CUT_HERE, "\x1b", "\x00"))
_WORD = r"[\w.()/+#-]{1,24}"
_LEAD = re.compile(rf"(?:\[ |{_WORD}(?: {_WORD}){{0,3}}: ?){{0,3}}")
_LEAD_WIDTH = 64
_PREFACE_LINES = 4
_PREFACE_LIFE = 32


@dataclass(slots=True)
class _Preface:
    """What stood between "cut here" and the first line of the report; forgotten after some lines of anybody."""

    texts: list[str] = field(default_factory=list)
    left: int = _PREFACE_LIFE


class Recogniser:
    """Finds the reports in a stream. How it is cut into pieces makes no difference; memory is bounded.

    Reports of several tasks or CPUs at once are kept apart where printk names its callers. `emulated`: the machine is
    known to run on an emulated processor.
    """

    def __init__(self, emulated: bool = False) -> None:
        self._held = b""
        self._open: dict[str, Report] = {}
        self._prefaces: dict[str, _Preface] = {}
        self._around = Surroundings(emulated)
        self._root = ""
        self._root_ended: float | None = None

    @property
    def pending(self) -> bool:
        """Whether a report is open: if nothing more comes, `settle` ends it."""
        return bool(self._open)

    @property
    def emulated(self) -> bool:
        """Whether the machine is known to run on an emulated processor."""
        return self._around.emulated

    @emulated.setter
    def emulated(self, value: bool) -> None:
        self._around.emulated = value

    def feed(self, data: bytes) -> list[Splat]:
        """Take the next bytes; the reports that ended with them, in the order in which they ended."""
        data = data.replace(b"\r", b"\n")
        cut = data.rfind(b"\n") + 1
        if not cut:
            self._hold(data)
            return []
        block, self._held = self._held + data[:cut], b""
        self._hold(data[cut:])
        return [splat for raw in self._lines(block) for splat in self._line(parse(raw))]

    def settle(self) -> list[Splat]:
        """End what is open, because nothing has come for a while or nothing will."""
        line, self._held = parse(self._held), b""
        return self._line(line) + [self._close(caller) for caller in list(self._open)]

    def _hold(self, data: bytes) -> None:
        if len(self._held) < LONGEST:
            self._held = (self._held + data[:LONGEST])[:LONGEST]

    def _lines(self, block: bytes) -> Iterator[bytes]:
        """The lines of a block that can matter: all while something is open, else those with a token in them."""
        places = {token: block.find(token) for token in _TOKENS}
        at = 0
        while at < len(block):
            if not (self._open or self._prefaces or self._around.in_suite):
                hit = _next(block, places, at)
                if hit < 0:
                    return
                at = max(at, block.rfind(b"\n", at, hit) + 1)
            end = block.find(b"\n", at)
            if end > at:
                yield block[at : min(end, at + LONGEST)]
            at = end + 1

    def _line(self, line: Line) -> list[Splat]:
        if not line.text:
            return []
        ended = self._outdated(line)
        found = None if line.user else _signature(line.text)
        report = self._open.get(line.caller)
        cut_here = _CUT_HERE in line.text and not (report and report.awaited)
        if report is not None and (cut_here or (found is not None and not report.absorbs(found[0]))):
            ended.append(self._close(line.caller))
            report = None
        if report is None and found is not None:
            ended += self._begin(line, *found)
        elif report is not None and not line.user:
            report.add(line, found[0] if found else None)
        if found is None:
            self._around.follow(line)
            self._preface(line, cut_here)
        return ended + [self._close(caller) for caller, each in list(self._open.items()) if each.ended]

    def _outdated(self, line: Line) -> list[Splat]:
        """Reports of any caller that this line shows to be over."""
        ended = []
        for caller, report in list(self._open.items()):
            if caller != line.caller or line.user:
                report.pass_by(line)
            if report.ended or report.stale(line):
                ended.append(self._close(caller))
        return ended

    def _preface(self, line: Line, cut_here: bool) -> None:
        for caller, preface in list(self._prefaces.items()):
            preface.left -= 1
            if caller == line.caller and not line.user:
                preface.texts.append(line.text)
            if not preface.left or len(preface.texts) > _PREFACE_LINES:
                del self._prefaces[caller]
        if cut_here and len(self._prefaces) < CALLERS:
            self._prefaces[line.caller] = _Preface([line.text])

    def _begin(self, line: Line, signature: Signature, match: re.Match[str]) -> list[Splat]:
        ended = [self._close(next(iter(self._open)))] if len(self._open) >= CALLERS else []
        preface = self._prefaces.pop(line.caller, _Preface())
        grade = self._around.grade(line, signature.severity)
        self._open[line.caller] = Report(signature, match, line, preface.texts, grade)
        return ended

    def _close(self, caller: str) -> Splat:
        """A crash soon after another report follows from that one; the next crash follows from the same."""
        report = self._open.pop(caller)
        soon = self._root_ended is not None and report.began is not None and report.began - self._root_ended < GAP
        splat = report.splat(self._root if soon and report.signature.severity is Severity.CRASH else "")
        self._root, self._root_ended = splat.follows or splat.title, report.last
        return splat


def _next(block: bytes, places: dict[bytes, int], at: int) -> int:
    """Where the next token is from `at` on, -1 if nowhere; `places` remembers those that are further on."""
    nearest = -1
    for token, place in places.items():
        found = place
        if 0 <= place < at:
            found = places[token] = block.find(token, at)
        if found >= 0 and (nearest < 0 or found < nearest):
            nearest = found
    return nearest


def _signature(text: str) -> tuple[Signature, re.Match[str]] | None:
    for opening, signatures in SIGNATURES.items():
        place = text.find(opening)
        if not 0 <= place <= _LEAD_WIDTH or _LEAD.fullmatch(text, 0, place) is None:
            continue
        for signature in signatures:
            match = signature.pattern.match(text, place + len(opening))
            if match is not None:
                return signature, match
    return None
