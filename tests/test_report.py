"""The HTML report: complete, offline, and inert whatever machines say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from kdeploy_gui import report
from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    ReadinessChanged,
    RetryScheduled,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.splat import Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil&amp;\"'"

LEAK = Splat(kind=SplatClass.KMEMLEAK, title="kmemleak: new leaks", severity=Severity.NOTE, excerpt="not shown")
OOPS = Splat(
    kind=SplatClass.OOPS, title="Oops in foo_show", severity=Severity.CRASH, excerpt=f"RIP: {HOSTILE}", printed="31.4"
)


class Story:
    """Events of one run, numbered and timed as they are told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, body: Body, environment: str = "", stage: Stage | None = None, attempt: int = 1) -> None:
        number = len(self.events) + 1
        moment = START + timedelta(milliseconds=250 * number)
        header = {"seq": number, "time": moment, "run": 118, "environment": environment, "stage": stage}
        self.events.append(Event(body=body, attempt=attempt if stage else 0, **header))  # type: ignore[arg-type]

    def end(self, outcome: Outcome) -> list[Event]:
        self.tell(RunFinished(outcome, fold(self.events).summary()))
        return self.events


def failure(message: str = "no space is left on /opt", code: str = "E-NOSPC") -> Failure:
    return Failure(
        code=code,
        category=Category.TARGET,
        message=message,
        where=Place("board-b", Stage.DEPLOYING.value, "/opt/tests/net"),
        on_target="The previous version is intact.",
        remedy="Free space on board-b.",
        evidence=Evidence("place files", 1, f"tar: write error {HOSTILE}"),
    )


def story_of_two() -> Story:
    story = Story()
    story.tell(RunSubmitted("net-smoke", ("board-a", "board-b")))
    story.tell(RunStarted())
    for stage in Stage:
        story.tell(StageStarted(), "board-a", stage)
        if stage is Stage.CONNECTING:
            story.tell(FactFound("kernel_release", "6.1.0-debug"), "board-a", stage)
            story.tell(RetryScheduled(1.0, failure("connection lost", "E-LOST")), "board-a", stage)
            story.tell(StageStarted(), "board-a", stage, attempt=2)
        if stage is Stage.DEPENDENCIES:
            story.tell(DependencyDone("iperf3", "missing", wanted=">=3.9", required=False), "board-a", stage)
        if stage is Stage.DEPLOYING:
            story.tell(FileDone("/opt/tests/net/run.sh", "sent", 2048, "ab" * 32), "board-a", stage)
        if stage is Stage.INSTRUMENTATION:
            story.tell(InstrumentState("ftrace", "wanted", "yes", "no", "no", "unknown"), "board-a", stage)
            story.tell(SplatSeen(LEAK, fails=False), "board-a", stage)
            story.tell(SplatSeen(OOPS, fails=True), "board-a", stage)
            story.tell(SplatSeen(OOPS, fails=True), "board-a", stage)
        if stage is Stage.VALIDATING:
            story.tell(CheckDone("memory", True, "512 MiB", "256 MiB"), "board-a", stage)
        story.tell(StageFinished(StageOutcome.SUCCEEDED, 0.25), "board-a", stage)
    story.tell(ReadinessChanged(True, "boot 1234"), "board-a")
    story.tell(EnvironmentFinished(Status.COMPLETED, True), "board-a")
    story.tell(StageStarted(), "board-b", Stage.PREPARING)
    story.tell(FileDone(f"/opt/{HOSTILE}", "sent", 1, "cd" * 32), "board-b", Stage.DEPLOYING)
    story.tell(StageFinished(StageOutcome.FAILED, 0.1), "board-b", Stage.DEPLOYING)
    story.tell(EnvironmentFinished(Status.FAILED, False, failure()), "board-b")
    return story


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.words: list[str] = []
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._style = tag == "style"
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_report_tells_everything() -> None:
    page = Page(report.render(story_of_two().end(Outcome.FAILED)))
    wanted = ["net-smoke", "Run 118", "failed", "board-a", "board-b", "READY", "E-NOSPC", "no space is left on /opt"]
    wanted += [
        "The previous version is intact.",
        "Free space on board-b.",
        "place files",
        "exit status 1",
        "tar: write",
    ]
    wanted += [
        "6.1.0-debug",
        "E-LOST: connection lost",
        "2 attempts",
        "iperf3",
        ">=3.9",
        "optional",
        "ftrace",
        "wanted",
    ]
    wanted += ["/opt/tests/net/run.sh", "2.0 KiB", "abababababababab", "memory", "512 MiB", "256 MiB", "boot 1234"]
    wanted += ["Oops in foo_show", "RIP: <script>", "31.4", "crash", "kmemleak: new leaks", "note"]
    missing = [each for each in wanted if each not in page.text]
    assert not missing
    assert "not shown" not in page.text
    assert page.text.count("Oops in foo_show") == 1
    assert all(stage.label in page.text for stage in Stage)


def test_report_is_inert() -> None:
    story = story_of_two()
    story.events[0] = Event(seq=1, time=START, run=118, body=RunSubmitted(HOSTILE, ("board-a", "board-b")))
    html = report.render(story.end(Outcome.FAILED))
    page = Page(html)
    assert "script" not in page.tags
    assert not {"link", "img", "iframe", "object", "base", "form", "a"} & page.tags
    assert not [name for name in page.attributes if name.startswith("on") or name in {"src", "href", "style"}]
    assert "default-src 'none'" in " ".join(page.attributes["content"])
    assert "<script>alert(1)</script>\\x1b[31m\\u202eevil&amp;\"'" in page.text
    assert not {"\x1b", "\u202e"} & set(html)


def test_hostile_state_word_cannot_leave_its_attribute() -> None:
    story = story_of_two()
    story.tell(InstrumentState("perf", "wanted", built_in='yes"><script>'), "board-a", Stage.INSTRUMENTATION)
    assert "script" not in Page(report.render(story.events)).tags


@pytest.mark.parametrize("length", [0, 1, 2, 9, 30])
def test_any_beginning_of_a_run_has_a_report(length: int) -> None:
    page = Page(report.render(story_of_two().events[:length]))
    assert "Environments" in page.text
    assert "running" in page.text


def test_long_file_lists_are_cut_and_counted() -> None:
    story = story_of_two()
    for number in range(report.FILES_SHOWN + 7):
        story.tell(FileDone(f"/opt/same/{number}", "same", 1, "00" * 32), "board-a", Stage.DEPLOYING)
    page = Page(report.render(story.events))
    assert "and 8 more" in page.text
    assert "/opt/tests/net/run.sh" in page.text


def test_checks_of_an_earlier_attempt_do_not_count() -> None:
    story = story_of_two()
    story.tell(CheckDone("load", False, "99.5", "8.0"), "board-a", Stage.VALIDATING)
    story.tell(StageStarted(), "board-a", Stage.VALIDATING, attempt=2)
    story.tell(CheckDone("load", True, "0.5", "8.0"), "board-a", Stage.VALIDATING, attempt=2)
    assert "99.5" not in Page(report.render(story.events)).text


def test_a_failed_check_is_told_with_evidence_and_remedy() -> None:
    story = story_of_two()
    check = CheckDone("load", False, "99.5", "8.0", f"/proc/loadavg {HOSTILE}", "E-CHECK-LOAD", "Run `top` there.")
    story.tell(check, "board-a", Stage.VALIDATING)
    html = report.render(story.events)
    assert "Evidence: /proc/loadavg &lt;script&gt;" in html
    assert "Run <code>top</code> there." in html
