"""Words, symbols and colours of states, and the consoles that draw them. A colour never stands alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.model.visible import visible

UNLIMITED = 4000


@dataclass(frozen=True, slots=True)
class Look:
    """How one state is drawn; `plain` where the terminal's encoding lacks the symbol."""

    symbol: str
    plain: str
    style: str = ""


DONE = Look("✓", "+", "green")
FAILED = Look("✗", "x", "bold red")
STOPPED = Look("■", "#", "yellow")
BROKEN = Look("!", "!", "yellow")
RUNNING = Look("▸", ">", "blue")
AGAIN = Look("↻", "~", "yellow")
WAITING = Look("·", ".", "dim")

STATUS_LOOKS = {
    Status.PENDING: WAITING,
    Status.COMPLETED: DONE,
    Status.FAILED: FAILED,
    Status.CANCELLED: STOPPED,
    Status.INTERRUPTED: BROKEN,
}
STAGE_LOOKS = {
    StageOutcome.PENDING: WAITING,
    StageOutcome.RUNNING: RUNNING,
    StageOutcome.SUCCEEDED: DONE,
    StageOutcome.FAILED: FAILED,
    StageOutcome.CANCELLED: STOPPED,
}
OUTCOME_LOOKS = {
    Outcome.SUCCEEDED: DONE,
    Outcome.FAILED: FAILED,
    Outcome.CANCELLED: STOPPED,
    Outcome.INTERRUPTED: BROKEN,
}
STAGE_HEADINGS = {
    Stage.PREPARING: "prepare",
    Stage.CONNECTING: "connect",
    Stage.DEPENDENCIES: "depend",
    Stage.DEPLOYING: "deploy",
    Stage.INSTRUMENTATION: "instrument",
    Stage.VALIDATING: "validate",
}


class Screen(Console):
    """A console that interprets nothing in what it prints and lets a broken pipe through."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        out = stream or sys.stdout
        width = None if out.isatty() else UNLIMITED
        super().__init__(file=out, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)

    def on_broken_pipe(self) -> None:
        """Let the command's boundary deal with it."""
        raise BrokenPipeError

    @property
    def live(self) -> bool:
        """Whether a table can be redrawn in place here."""
        return self.file.isatty() and not self.is_dumb_terminal

    def show(self, *parts: Text | Table) -> None:
        """Print parts one below the other; into a file or pipe without blanks at the ends of lines."""
        if self.file.isatty():
            self.print(*parts, sep="\n")
            return
        with self.capture() as captured:
            self.print(*parts, sep="\n")
        self.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
        self.file.flush()

    def draw(self, look: Look, words: str) -> Text:
        """Symbol and words in the look's style."""
        return Text(f"{self.symbol(look)} {visible(words)}", style=look.style)

    def symbol(self, look: Look) -> str:
        """The look's symbol as this terminal's encoding has it."""
        try:
            look.symbol.encode(self.encoding)
        except UnicodeEncodeError:
            return look.plain
        return look.symbol


def plain_table(*headings: str) -> Table:
    """A table without lines; the last column takes what is left."""
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def cell(value: str, style: str = "") -> Text:
    """Foreign text for a table's cell."""
    return Text(visible(value), style=style)


def status_words(status: Status) -> str:
    """The status as people read it: `completed`, `script deployment`."""
    return Stage(status.value).label if status.value in set(Stage) else status.value
