"""How far the check of a source tree is: lines as semantic patches end, or a few that are redrawn on a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.text import Text

from kdeploy_gui.cli.look import Screen
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.source_check import CheckProgress, PatchOutcome, PatchReport
from kdeploy_gui.model.visible import visible

Tell = Callable[[CheckProgress], None]


@contextmanager
def progress(output: Output) -> Iterator[Tell]:
    """What hears of the progress, on whatever thread."""
    screen = Screen(sys.stderr)
    if output.quiet or output.json or not screen.live:
        yield lambda told: _line(output, told)
        return
    picture = _Picture()
    with Live(console=screen, get_renderable=picture.draw, refresh_per_second=8, transient=True, redirect_stdout=False):
        yield picture.take


def _line(output: Output, told: CheckProgress) -> None:
    if told.ended is not None and not output.json:
        output.note(f"[{told.done}/{told.total}] {told.patch}: {_ended(told.ended)}, {count(told.handled, 'file')}")


def _ended(report: PatchReport) -> str:
    if report.outcome is PatchOutcome.LEFT_OUT:
        return f"left out: {report.why}"
    if report.failure is not None:
        return f"failed: {report.failure.message}"
    found = len(report.result.found.findings) if report.result is not None else 0
    new = f", {len(report.new)} new" if report.baseline is not None else ""
    return f"{count(found, 'finding')}{new} in {duration(report.seconds)}"


class _Picture:
    """The semantic patches that run now, and how many have ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._done = self._total = self._found = 0

    def take(self, told: CheckProgress) -> None:
        """The newest word on one semantic patch."""
        with self._lock:
            self._done, self._total = told.done, told.total
            self._running[told.patch] = told.handled
            if told.ended is not None:
                del self._running[told.patch]
                result = told.ended.result
                self._found += len(result.found.findings) if result is not None else 0

    def draw(self) -> Group:
        """The picture of now."""
        with self._lock:
            patches = count(self._total, "semantic patch", "semantic patches")
            head = Text(f"{self._done} of {patches}, {count(self._found, 'finding')}", style="bold")
            rows = [
                Text(f"  {visible(patch)}: {count(handled, 'file')}", overflow="ellipsis", no_wrap=True)
                for patch, handled in self._running.items()
            ]
        return Group(head, *rows)
