"""What spatch says: findings of its four modes, the files it could not look at, and why it ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from kdeploy_gui.model.source_check import Mode, SourceFinding

HANDLING = re.compile(r"^HANDLING: (.*)$")
"""A line of stderr: the file that is looked at."""
FAILED_IN = re.compile(r"^EXN: .* in (\S+)$")
"""A line of stderr: what a file came to grief with."""
_PARSE = re.compile(r"parse error:\s*File \"(?P<file>[^\n]*)\", line (?P<line>\d+), column (?P<column>\d+)")
_AROUND = re.compile(r"around = '(.*)',")
_REPORT = re.compile(r":(\d+)(?::(\d+)(?:-\d+)?)?:\s*")
_ORG_MORE = re.compile(r"^\[\[view:.*\]\]$")
"""Another place that belongs to the finding above it."""
_ORG = re.compile(r"^\*+ TODO \[\[view:(.*)::face=[^:]*::linb=(\d+)::colb=(\d+)::cole=\d+\]\[(.*)\]\]$")
_DIFF = re.compile(r"^diff -u -p (?:a/|\./)?(.+?) \S+$")
_HUNK = re.compile(r"^@@ -(\d+)")

Exists = Callable[[str], bool]
"""Whether the source tree has a file of that name, relative to it."""


def findings(mode: Mode, text: str, exists: Exists) -> tuple[tuple[SourceFinding, ...], tuple[str, ...]]:
    """The findings in what spatch said, and the lines that are none."""
    read = {Mode.REPORT: _reported, Mode.ORG: _organised}.get(mode, _differences)
    found: list[SourceFinding] = []
    rest: list[str] = []
    for each in read(text.splitlines(), exists):
        if isinstance(each, SourceFinding):
            found.append(each)
        elif each.strip():
            rest.append(each)
    return tuple(sorted(set(found))), tuple(rest)


def _reported(lines: list[str], exists: Exists) -> Iterator[SourceFinding | str]:
    """`FILE:LINE:COLUMN-END: text`. A name may look like that itself, so that the file decides where it ends."""
    for line in lines:
        for mark in _REPORT.finditer(line):
            file = plain_name(line[: mark.start()])
            if exists(file):
                yield SourceFinding(file, int(mark[1]), int(mark[2] or 0), line[mark.end() :])
                break
        else:
            yield line


def _organised(lines: list[str], exists: Exists) -> Iterator[SourceFinding | str]:
    """`* TODO [[view:FILE::face=...::linb=LINE::colb=COLUMN::cole=END][text]]`."""
    for line in lines:
        found = _ORG.match(line)
        if found is not None and exists(plain_name(found[1])):
            yield SourceFinding(plain_name(found[1]), int(found[2]), int(found[3]), found[4])
        elif not _ORG_MORE.match(line):
            yield line


def _differences(lines: list[str], exists: Exists) -> Iterator[SourceFinding | str]:
    """Differences as of `diff -u`: each run of changed lines is one finding, at its first line of the file."""
    file, number = "", 0
    start, changed = 0, list[str]()
    for line in [*lines, ""]:
        if file and number and line[:1] in {"-", "+"}:
            start = start if changed else number
            changed.append(line)
            number += line[0] == "-"
            continue
        if changed:
            yield SourceFinding(file, start, 0, "\n".join(changed))
            changed = []
        begins, hunk = _DIFF.match(line), _HUNK.match(line)
        if begins is not None:
            file, number = (plain_name(begins[1]) if exists(plain_name(begins[1])) else ""), 0
        elif hunk is not None and file:
            number = int(hunk[1])
        elif number:
            number += line[:1] == " "
        elif not (file and line.startswith(("--- ", "+++ "))):
            yield line


def plain_name(name: str) -> str:
    """A file's name as people write it."""
    return name.removeprefix("./")


def parse_error(said: str) -> str:
    """Where a semantic patch does not parse, in words; empty where that is not what spatch said."""
    found = _PARSE.search(said)
    if found is None:
        return ""
    around = _AROUND.search(said, found.end())
    near = f", near '{around[1]}'" if around is not None else ""
    return f"line {found['line']}, column {found['column']}{near}"
