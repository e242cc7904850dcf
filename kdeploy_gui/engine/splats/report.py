"""One report while its lines come in."""

from __future__ import annotations

import re

from kdeploy_gui.engine.splats.frames import clean, frame_of, machinery, place_of, telling
from kdeploy_gui.engine.splats.lines import Line
from kdeploy_gui.engine.splats.signatures import ABSORBING, End, Signature
from kdeploy_gui.engine.splats.surroundings import of_tests
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass

MOST_LINES = 500
"""Lines after which a report is closed."""
GAP = 2.0
"""Seconds of the kernel's time without a line of a report after which it is closed."""
_EXCERPT_LINES = 60
_EXCERPT_WIDTH = 240
_TITLE_WIDTH = 160
_RAW_FRAMES = 48
_SEVERITIES = tuple(Severity)
_GRAVE = frozenset({Severity.CRASH, Severity.HANG})
_FENCE = re.compile(r"={20,}")
_OCCASION = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,16}\b|\b\d+\b")
_TRACE = re.compile(r"\s*(?:Call [Tt]race|Backtrace):")
_TRACE_OVER = re.compile(r"\s*(?:</TASK>|Allocated by |Freed by |Uninit was |Modules linked |Code: |---\[ |RIP: 0033)")
_BLOCK = re.compile(r".*(?: by (?:task|interrupt)| at 0x| \(in kfence).*:$")
_ACCESS = re.compile(r"\b(Read|Write) (?:of size|at addr)\b")
_RACERS = re.compile(r" in ([\w.$]+)\S*(?: \[[\w-]+\])?(?: / ([\w.$]+))?")
_LOST = re.compile(r"\*\* \d+ printk messages dropped")


class Report:
    """Collects the lines of one caller from the first one on, until `ended`.

    `began` and `last` are the kernel's times of its first and last line, in seconds.
    """

    def __init__(
        self, signature: Signature, match: re.Match[str], line: Line, preface: list[str], grade: Grade
    ) -> None:
        groups = match.groupdict()
        self.signature = signature
        self._grade = grade
        self._severity = signature.severity
        self._groups = groups
        self._printed = line.printed
        self.began = line.seconds
        self.last = line.seconds
        self._lines = 0
        self._excerpt: list[str] = []
        self._access = ""
        self._place = ""
        self._frames: list[str] = []
        self._tracing = signature.bare
        self._traced = False
        self._whole = True
        self._where = groups.get("where") or ""
        if signature.kind is SplatClass.KCSAN:
            self._where = _racers(line.text)
        self._judge(line.text)
        for text in preface:
            self._quote(text)
        self._quote(line.text)
        self.ended = signature.end is End.LINE

    @property
    def awaited(self) -> frozenset[SplatClass]:
        """Reports in whose form this one may still come."""
        return ABSORBING.get(self.signature.kind, frozenset()) if not self._frames else frozenset()

    def absorbs(self, signature: Signature) -> bool:
        """Whether a first line of that signature is one more line of this report."""
        return signature.tail or signature.kind in self.awaited

    def pass_by(self, line: Line) -> None:
        """A line of another caller."""
        self._lines += 1
        if _LOST.search(line.text):
            self._whole = False
        self.ended = self.ended or self._lines > MOST_LINES or self.stale(line)

    def stale(self, line: Line) -> bool:
        """Whether too much time has passed since the last line of this report."""
        return self.last is not None and line.seconds is not None and line.seconds - self.last > GAP

    def add(self, line: Line, also: Signature | None = None) -> None:
        """Take one more line; it may be the first of a report that this one absorbs, and is as bad as the worst."""
        text = line.text
        if _FENCE.fullmatch(text):
            self.ended = True
            return
        if also is not None:
            self._severity = min(self._severity, also.severity, key=_SEVERITIES.index)
        self._quote(text)
        self.last = line.seconds if line.seconds is not None else self.last
        self._judge(text)
        if not self._access and (found := _ACCESS.search(text)):
            self._access = found[1]
        self._place = self._place or place_of(text)
        self._trace(text)
        self._lines += 1
        self.ended = self._ends(text) or self._lines > MOST_LINES

    def _judge(self, text: str) -> None:
        if self._severity not in _GRAVE and of_tests(text):
            self._grade = Grade.EXPECTED

    def _ends(self, text: str) -> bool:
        match self.signature.end:
            case End.TASK if "</TASK>" in text:
                return self._severity is not Severity.CRASH
            case _:
                return text.startswith("---[ end ")

    def _quote(self, text: str) -> None:
        if _LOST.search(text):
            self._whole = False
        if len(self._excerpt) < _EXCERPT_LINES:
            self._excerpt.append(text[:_EXCERPT_WIDTH])

    def _trace(self, text: str) -> None:
        """One trace is enough: the first; that of memory's history and of other locks comes later or not at all."""
        if self._traced:
            return
        frame = frame_of(text) if self._tracing else ""
        if frame:
            self._frames.append(frame)
            self._traced = len(self._frames) >= _RAW_FRAMES
        elif self._frames and (_TRACE_OVER.match(text) or (self.signature.bare and text.endswith(":"))):
            self._traced = True
        elif _TRACE.match(text) or (self.signature.bare and _BLOCK.match(text)):
            self._tracing = True

    def splat(self, follows: str) -> Splat:
        """The report as far as it is known."""
        at = [self._place] if self._place else []
        frames = telling([*at, *(each for number, each in enumerate(self._frames) if number or each not in at)])
        return Splat(
            kind=self.signature.kind,
            title=self._title(frames),
            severity=self._severity,
            grade=self._grade,
            frames=frames,
            excerpt="\n".join(self._excerpt),
            printed=self._printed,
            follows=follows,
            whole=self._whole,
        )

    def _title(self, frames: tuple[str, ...]) -> str:
        words = {
            "name": self._groups.get("name") or "",
            "what": _OCCASION.sub("N", self._groups.get("what") or "").strip(),
            "access": f" {self._access}" if self._access else "",
        }
        title = self.signature.title.format_map(words)
        where = self._function(frames)
        if where and self.signature.end is not End.LINE and self.signature.kind is not SplatClass.PANIC:
            title = f"{title} in {where}"
        return "".join(each if each.isprintable() else "?" for each in title)[:_TITLE_WIDTH]

    def _function(self, frames: tuple[str, ...]) -> str:
        """Where it happened: what the first line says, unless that is a helper or a file and the trace knows more."""
        innermost = frames[0].partition(" ")[0] if frames else ""
        said = clean(self._where).removeprefix("../")
        if said and "/" in said and self.signature.kind is SplatClass.KCSAN:
            return said
        vague = not said or "/" in said or said.endswith((".c", ".h", ".rs")) or machinery(said)
        return innermost or said if vague else said


def _racers(text: str) -> str:
    found = _RACERS.search(text)
    if found is None:
        return ""
    return " / ".join(clean(each) for each in found.groups() if each)
