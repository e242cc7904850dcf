"""The tables of the pane against Qt's own checks, and what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from pytestqt.modeltest import ModelTester

from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import EnvironmentCheck, InstrumentLook
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.event import (
    CheckDone,
    DependencyDone,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    RetryScheduled,
    StageProgress,
    StageStarted,
)
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.detail.facts import FactsModel, Known
from kdeploy_gui.ui.detail.readiness import GroundsModel, grounds
from kdeploy_gui.ui.detail.step_rows import parts_of
from kdeploy_gui.ui.detail.steps import StepsModel
from kdeploy_gui.ui.detail.title import about
from kdeploy_gui.ui.detail.words import when
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.states import Condition
from tests.strategies import events
from tests.ui.log.story import START, Story, failed_story

FACTS = Facts(kernel_release="6.12", kernel_build="#1", machine="x86_64", boot_id="b1", uptime=8400.0)
MARK = ReadyMark(
    environment="a",
    ready=True,
    because="all passed",
    time=START,
    run=3,
    boot_id="b1",
    kernel_release="6.12",
    kernel_build="#1",
    manifest=(ManifestEntry("/opt/a", "0" * 64, 0o644),),
    instruments={"kasan": "on"},
)


def folded(story: Story) -> EnvironmentState:
    state = EnvironmentState("vm-kasan")
    for event in story.events:
        state = state.after(event)
    return state


def parts(model: StepsModel, stage: Stage) -> list[tuple[str, ...]]:
    return [each.cells for each in model.steps[list(Stage).index(stage)].parts]


def test_steps_grow_with_the_run(look: Look, qtmodeltester: ModelTester) -> None:
    story = failed_story()
    model = StepsModel(look)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    for number in range(1, len(story.events) + 1):
        partly = Story()
        partly.events = story.events[:number]
        model.show_state(folded(partly), partly.events)
    whole = StepsModel(look)
    whole.show_state(folded(story), story.events)
    qtmodeltester.check(whole)  # type: ignore[no-untyped-call]

    assert [each.item.cells for each in model.steps] == [each.item.cells for each in whole.steps]
    assert [each.parts for each in model.steps] == [each.parts for each in whole.steps]
    assert [row[:2] for row in parts(model, Stage.DEPLOYING)] == [("/opt/a", "Sent"), ("/opt/b", "Same")]


def test_a_running_step_says_what_it_does(look: Look) -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPLOYING, attempt=2)
    story.tell(StageProgress(20_000_000, 41_800_000, "bytes", "sending b"), Stage.DEPLOYING, attempt=2)
    model = StepsModel(look)
    model.show_state(folded(story), story.events)

    item = model.steps[3].item
    assert (item.condition, item.attempts) == (Condition.RETRYING, "2")
    assert item.detail == "19.1 MiB of 39.9 MiB, sending b"
    assert item.took


def test_a_second_attempt_replaces_what_the_first_found(look: Look) -> None:
    story = Story()
    because = Failure("E-STALLED", Category.NET, "no reply for 20 s")
    story.tell(CheckDone("memory", False, "1 MiB", "at least 2 MiB"), Stage.VALIDATING)
    model = StepsModel(look)
    model.show_state(folded(story), story.events)
    changed: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: changed.append((first.column(), last.column())))
    story.tell(RetryScheduled(4, because), Stage.VALIDATING)
    story.tell(CheckDone("memory", True, "3 MiB", "at least 2 MiB"), Stage.VALIDATING)
    model.show_state(folded(story), story.events)

    assert [row[:2] for row in parts(model, Stage.VALIDATING)] == [("Memory", "Passed"), ("Attempt 1", "Failed")]
    assert (1, 5) in changed


def test_a_failed_check_says_what_it_stands_on_and_what_would_help() -> None:
    story = Story()
    check = CheckDone("load", False, "9.00", "at most 8.00", "/proc/loadavg", "E-CHECK-LOAD", "Wait a minute.")
    story.tell(check, Stage.VALIDATING)
    ((_, _, item),) = parts_of(story.events)
    assert (item.word, item.detail) == ("Failed", "9.00 (at most 8.00). Evidence: /proc/loadavg. Wait a minute.")


def test_parts_name_what_is_wrong() -> None:
    story = Story()
    for body in (
        DependencyDone("perf", "missing", "", ">=5", False),
        InstrumentState("kasan", "required", "yes", "yes", "no", "no", "not built in"),
        InstrumentState("kcov", "wanted", "yes", "yes", "yes", "yes"),
        InstrumentState("lockdep", "wanted", "yes", "yes", "no", "no", "it has ended", "spent", "reboot"),
        FileDone("/opt/x", "mode", 0, ""),
    ):
        story.tell(body, Stage.INSTRUMENTATION)

    found = [(item.name, item.condition, item.word, item.detail) for _, _, item in parts_of(story.events)]
    assert found == [
        ("perf", Condition.WARNING, "Missing", "wanted >=5"),
        ("kasan", Condition.FAILED, "Absent", "required, built in yes, reachable yes. not built in"),
        ("kcov", Condition.PROVEN, "Proven", "wanted, built in yes, reachable yes"),
        ("lockdep", Condition.SPENT, "Spent", "wanted, built in yes, reachable yes. it has ended. reboot"),
        ("/opt/x", Condition.CHANGED, "Mode set", ""),
    ]


@given(events(1, 1))
def test_parts_are_harmless(event: Event) -> None:
    assert all(is_visible(cell) for _, _, item in parts_of([event]) for cell in item.cells)


def test_the_newest_value_of_a_fact_counts(look: Look, qtmodeltester: ModelTester) -> None:
    story = Story()
    story.tell(FactFound("kernel", "6.1"), Stage.CONNECTING)
    story.tell(FactFound("rack", "7"), Stage.CONNECTING)
    known = Known()
    before = known.take(story.events, None, None)
    after = known.take(story.events, FACTS, START + timedelta(days=1))
    model = FactsModel(look)
    model.show_facts(before)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]
    resets: list[None] = []
    model.modelReset.connect(lambda: resets.append(None))
    model.show_facts(after)
    model.show_facts(after)

    assert [(each.name, each.value) for each in before] == [("kernel", "6.1"), ("rack", "7")]
    assert [(each.name, each.value) for each in after][:2] == [("kernel", "6.12"), ("rack", "7")]
    assert len(resets) == 1
    older = Known()
    older.take(story.events, FACTS, START - timedelta(days=1))
    assert older.take(story.events, None, None)[0].value == "6.1"


def test_what_moved_is_named(look: Look, qtmodeltester: ModelTester) -> None:
    rebooted = Facts(kernel_release="6.12", kernel_build="#2", machine="x86_64", boot_id="b2")
    because = ("the machine has rebooted", "/opt/a has other content")
    moved = grounds(MARK, EnvironmentCheck("a", False, because, rebooted, MARK), START + timedelta(hours=1), None)
    model = GroundsModel(look)
    model.show_grounds(moved)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]

    assert [each.condition for each in moved[:3]] == [Condition.CHANGED] * 3
    assert moved[2].found == "/opt/a has other content"
    assert moved[0].cells == ("Boot", "Changed", "b1", "b2")


def test_nothing_is_claimed_that_was_not_looked_at() -> None:
    for check, looked in ((None, None), (EnvironmentCheck("a", True, (), FACTS, MARK), START - timedelta(hours=1))):
        found = grounds(MARK, check, looked, None)
        assert [each.condition for each in found[:4]] == [Condition.UNKNOWN] * 4
    holds = grounds(MARK, EnvironmentCheck("a", True, ("fine",), FACTS, MARK), START + timedelta(hours=1), None)
    assert [each.condition for each in holds[:3]] == [Condition.SAME] * 3


@pytest.mark.parametrize(
    ("state", "condition"),
    [("proven", Condition.SAME), ("active", Condition.SAME), ("spent", Condition.CHANGED), ("", Condition.CHANGED)],
)
def test_instruments_that_are_on_no_more_are_told(state: str, condition: Condition) -> None:
    mark = replace(MARK, instruments={"kasan": "active"})
    found = (InstrumentState("kasan", "wanted", state=state),) if state else ()
    look = InstrumentLook("a", START + timedelta(hours=1), (*found, InstrumentState("kcov", "off", state="off")))

    assert grounds(mark, None, None, look)[3].cells[1:] == (
        condition.word,
        "kasan active",
        f"kasan {state}" if state else "",
    )
    assert grounds(mark, None, None, replace(look, time=START - timedelta(hours=1)))[3].condition is Condition.UNKNOWN
    assert grounds(replace(mark, instruments={}), None, None, look)[3].proven == "none asked for"


def test_the_title_says_what_is_known() -> None:
    guest = Environment(name="a", host="hv-02", kind=Kind.QEMU)

    assert about(guest, FACTS, "") == "guest on hv-02, 6.12, up 2 h 20 min"
    assert about(guest, None, "6.1") == "guest on hv-02, 6.1"
    assert about(None, None, "") == ""
    days = Facts(kernel_release="6", kernel_build="", machine="", boot_id="", uptime=200_000.0)
    assert about(None, days, "") == "6, up 2 d 7 h"


def test_moments() -> None:
    now = datetime.now(UTC)

    assert when(now).startswith("today ")
    assert when(now - timedelta(days=1)).startswith("yesterday ")
    assert when(datetime(2020, 3, 4, 12, tzinfo=UTC)).startswith("Wed 4 Mar 2020 ")
