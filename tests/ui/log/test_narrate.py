"""Every event has its words, one line each."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.event import (
    CheckDone,
    DependencyDone,
    Event,
    FactFound,
    InstrumentState,
    OutputAppended,
    RetryScheduled,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageProgress,
    StageStarted,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.log.narrate import Level, elapsed, narrate, narrate_failure, plural, progress_words
from tests.strategies import events, failures
from tests.ui.log.story import START


def words(body: object, attempt: int = 1) -> list[tuple[str, Level]]:
    event = Event(seq=1, time=START, run=1, body=StageStarted(), attempt=attempt)
    notes = narrate(dataclasses.replace(event, body=body))  # type: ignore[arg-type]
    return [(each.text, each.level) for each in notes]


@given(events(1, 1))
def test_every_event_is_told_in_harmless_lines(event: Event) -> None:
    notes = narrate(event)

    assert all(is_visible(each.text) and each.text for each in notes)
    silent = isinstance(event.body, OutputAppended | StageProgress | StageStarted)
    assert notes or silent


@given(failures)
def test_a_failure_is_told_whole(failure: Failure) -> None:
    notes = narrate_failure(failure)

    assert all(is_visible(each.text) and each.level is Level.PROBLEM for each in notes)


def test_words() -> None:
    because = Failure("E-STALLED", Category.NET, "no reply for 20 s")

    assert words(StageStarted(), attempt=2) == [("Attempt 2", Level.ATTENTION)]
    assert words(StageStarted()) == []
    assert words(RunSubmitted("net-smoke", ("a", "b"))) == [("net-smoke was submitted for 2 environments", Level.PLAIN)]
    assert words(RunStarted()) == [("The run started", Level.PLAIN)]
    assert words(RunFinished(Outcome.FAILED)) == [("The run ended: failed", Level.PLAIN)]
    assert words(RetryScheduled(4, because)) == [
        ("no reply for 20 s (E-STALLED). Trying again in 4.0 s.", Level.ATTENTION)
    ]
    assert words(StageProgress(0, 2, "packages", "installing a, b")) == [("Installing a, b", Level.PLAIN)]
    assert words(DependencyDone("awk", "missing", "", ">=1", False)) == [
        ("awk missing, wanted >=1 (optional)", Level.ATTENTION)
    ]
    assert words(CheckDone("clock_skew", False, "9 s", "at most 5 s")) == [
        ("Check clock skew failed: 9 s (at most 5 s)", Level.PROBLEM)
    ]
    again = "Target rebooted (boot id changed from b1 to b2); what was done before is verified again"
    assert words(TargetRebooted("b1", "b2")) == [(again, Level.ATTENTION)]
    assert words(FactFound("warning_kernel_errors", "2")) == [("warning kernel errors: 2", Level.ATTENTION)]
    assert words(FactFound("kernel", "6.1")) == [("kernel: 6.1", Level.PLAIN)]
    waiting = "waiting for boot, 35 s of 180 s"
    assert words(StageProgress(35, 0, "s", waiting)) == [], "one line in the log is enough"
    assert progress_words(StageProgress(35, 0, "s", waiting)) == waiting
    assert words(InstrumentState("kasan", "required", on="no"))[0][1] is Level.PROBLEM


def test_evidence_belongs_to_the_failure() -> None:
    failure = Failure(
        "E-X",
        Category.TARGET,
        "it broke",
        on_target="Nothing.",
        remedy="Mend it.",
        evidence=Evidence("cp a b", 1, "x\ny", "Reset cause: WDOG\nU-Boot"),
    )

    assert [each.text for each in narrate_failure(failure)] == [
        "it broke (E-X)",
        "Nothing.",
        "Mend it.",
        "cp a b ended with status 1",
        "x",
        "y",
        "last lines of the serial console:",
        "Reset cause: WDOG",
        "U-Boot",
    ]


@given(st.integers(0, 10**6))
def test_durations_read_as_a_clock(seconds: int) -> None:
    assert (" h " in elapsed(seconds)) == (seconds >= 3600)


def test_figures() -> None:
    assert [elapsed(each) for each in (0.4, 28, 725, 8400)] == ["0:00", "0:28", "12:05", "2 h 20 min"]
    assert plural(1, "file") == "1 file"
    assert plural(1338, "line") == "1,338 lines"
    assert plural(2, "dependency") == "2 dependencies"
    assert progress_words(StageProgress(29_600_000, 41_800_000, "bytes")) == "28.2 MiB of 39.9 MiB"
    assert progress_words(StageProgress(2, 3, "packages")) == "2 of 3 packages"
    assert progress_words(StageProgress(0, 0, note="waiting")) == "waiting"


def test_kernel_reports_ask_to_be_read_as_much_as_they_matter() -> None:
    oops = Splat(kind=SplatClass.OOPS, title="Oops in foo_show", severity=Severity.CRASH)
    assert words(SplatSeen(oops, fails=True)) == [("Kernel: Oops in foo_show (crash)", Level.PROBLEM)]
    assert words(SplatSeen(oops, fails=False)) == [("Kernel: Oops in foo_show (crash)", Level.ATTENTION)]
    wanted = dataclasses.replace(oops, grade=Grade.EXPECTED)
    assert words(SplatSeen(wanted, fails=False)) == [("Kernel: Oops in foo_show (crash, expected)", Level.PLAIN)]
