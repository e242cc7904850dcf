"""A run of one environment as events and stored output, written as it would happen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    OutputAppended,
    ReadinessChanged,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.group import Output
from kdeploy_gui.ui.log.lines import find_lines
from kdeploy_gui.ui.log.rows import Header, tell

START = datetime(2026, 11, 23, 14, 32, tzinfo=UTC)
SUCCEEDED, FAILED = StageOutcome.SUCCEEDED, StageOutcome.FAILED


class Story:
    """Collects events of `vm-kasan` in run 118, a second apart, and what they stored."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stored = bytearray()
        self.reads = 0

    def read(self, offset: int, length: int) -> bytes:
        """As a store reads."""
        self.reads += 1
        return bytes(self.stored[offset : offset + length])

    def tell(self, body: Body, stage: Stage | None = None, attempt: int = 1) -> None:
        """One more event."""
        number = len(self.events) + 1
        event = Event(
            seq=number,
            time=START + timedelta(seconds=number),
            run=118,
            body=body,
            environment="vm-kasan",
            stage=stage,
            attempt=attempt if stage else 0,
        )
        self.events.append(event)

    def output(self, data: bytes, stage: Stage) -> None:
        """Output of a command."""
        self.tell(OutputAppended(len(self.stored), len(data)), stage)
        self.stored += data

    def stage(self, stage: Stage, *bodies: Body | bytes, outcome: StageOutcome = SUCCEEDED) -> None:
        """A stage from its start to its end."""
        self.tell(StageStarted(), stage)
        for body in bodies:
            if isinstance(body, bytes):
                self.output(body, stage)
            else:
                self.tell(body, stage)
        self.tell(StageFinished(outcome, 3.0), stage)

    def document(self) -> LogDocument:
        """The log of all this, read to its end."""
        document = LogDocument(self.read, "vm-kasan", 118)
        document.add(tell(self.events))
        index_all(document)
        return document


def index_all(document: LogDocument) -> None:
    """Find the lines of all output."""
    for key, block in tuple(document.blocks()):
        if isinstance(block, Output) and block.lines.end < block.expected:
            document.extend(key, find_lines(document.read, block.lines.end, block.expected, block.lines.fresh))


def texts(document: LogDocument) -> list[str]:
    """What all rows say; headers in brackets."""
    rows = [document.row(number) for number in range(len(document))]
    return [f"[{row.title}] {row.said}".strip() if isinstance(row, Header) else row.text for row in rows]


def failed_story(output: Sequence[bytes] = (b"BUG: KASAN: slab-use-after-free\n", b"all quiet\n")) -> Story:
    """Two stages pass, dependencies are installed with output, and the instrumentation stops."""
    story = Story()
    story.tell(EnvironmentQueued(1))
    story.stage(Stage.PREPARING)
    story.stage(Stage.CONNECTING, FactFound("kernel", "6.12.58-kasan"))
    story.stage(Stage.DEPENDENCIES, b"Reading package lists\nDone\n", DependencyDone("iperf3", "installed", "3.12"))
    story.stage(Stage.DEPLOYING, FileDone("/opt/a", "sent", 5, "0" * 64), FileDone("/opt/b", "same", 0, "0" * 64))
    story.stage(Stage.INSTRUMENTATION, *output, outcome=FAILED)
    failure = Failure(
        "E-SPLAT",
        Category.TARGET,
        "the kernel reported a splat",
        where=Place("vm-kasan", Stage.INSTRUMENTATION.value),
        on_target="The files are deployed.",
        remedy="Restore the snapshot.",
        evidence=Evidence("dmesg", 1, "one\n\x1b[31mtwo\x1b[0m"),
    )
    story.tell(EnvironmentFinished(Status.FAILED, False, failure))
    return story


def passed_story() -> Story:
    """All six stages pass."""
    story = Story()
    for stage in Stage:
        if stage is not Stage.VALIDATING:
            story.stage(stage)
    check = CheckDone("files", True, "all as declared", "all as declared")
    story.stage(Stage.VALIDATING, check, ReadinessChanged(True, "all passed"))
    story.tell(EnvironmentFinished(Status.COMPLETED, True))
    return story
