"""The desktop is told what a user misses who looks elsewhere: once, as plain text, and only while that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    Event,
    ReadinessChanged,
    RunFinished,
    RunStarted,
    RunSubmitted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Status
from kdeploy_gui.ui import news as news_module
from kdeploy_gui.ui.news import News
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.lab.notifications import Notifications, SessionBus
from tests.ui.answers import Answers

SOON = 30_000


@dataclass
class Looking:
    """Whether the user looks at the window."""

    now: bool = False


@pytest.fixture
def looking() -> Looking:
    return Looking()


@pytest.fixture
def service(no_desktop: None, session_bus: SessionBus) -> Iterator[Notifications]:
    with Notifications(session_bus, ("body", "body-markup")) as running:
        yield running


@pytest.fixture
def news(demo: Session, looking: Looking, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> News:
    monkeypatch.setattr(news_module, "GATHER_MS", 300)
    qtbot.waitUntil(lambda: demo.machines.loaded, timeout=SOON)
    return News(demo, lambda: looking.now)


def tell_run(demo: Session, qtbot: QtBot) -> int:
    """A run of the sample's boards that another program had, from its start to its end."""
    history, names = demo.services.history, [each.name for each in demo.machines.environments]
    run = history.begin("net <b>smoke</b>", names)
    events: list[Event] = []

    def add(body: Body, environment: str = "") -> None:
        events.append(Event(seq=len(events) + 1, time=datetime.now(UTC), run=run, body=body, environment=environment))

    add(RunSubmitted("net <b>smoke</b>", tuple(names)))
    add(RunStarted())
    history.append(events)
    demo.runs.open(run)
    qtbot.waitUntil(lambda: run in demo.runs.active, timeout=SOON)
    count = len(events)
    for name in names[:2]:
        add(ReadinessChanged(True, "all is well"), name)
        add(EnvironmentFinished(Status.COMPLETED, True), name)
    for name in names[2:]:
        error = Failure(
            "E-NOSPC", Category.TARGET, f"no space on {name}: {'x' * 300}\nnone", "error", Place(name, "", ""), "", ""
        )
        add(EnvironmentFinished(Status.FAILED, False, error), name)
    add(RunFinished(Outcome.FAILED, fold(events).summary()))
    with qtbot.waitSignal(demo.runs.ended, timeout=SOON):
        history.append(events[count:])
    history.release(run)
    return run


def settle(demo: Session, qtbot: QtBot) -> None:
    """Wait until all machines were looked at, and all is told."""
    names = [each.name for each in demo.machines.environments]
    qtbot.waitUntil(lambda: not any(map(demo.machines.is_checking, names)), timeout=SOON)
    qtbot.waitUntil(lambda: not demo.bridge.busy, timeout=SOON)


def make_ready(demo: Session, names: Sequence[str], qtbot: QtBot) -> dict[str, ReadyMark]:
    """Let these boards be READY, as a run would have left them."""
    marks: dict[str, ReadyMark] = {}
    for name in names:
        check = demo.machines.result(name)
        assert check is not None
        assert check.facts is not None
        facts = check.facts
        marks[name] = ReadyMark(
            environment=name,
            ready=True,
            because="all is well",
            time=datetime.now(UTC),
            run=7,
            boot_id=facts.boot_id,
            kernel_release=facts.kernel_release,
            kernel_build=facts.kernel_build,
        )
        demo.services.readiness.mark(marks[name])
    demo.machines.check(names)
    settle(demo, qtbot)
    assert all(demo.machines.condition(name)[0] is Condition.READY for name in names)
    return marks


def is_wanted(demo: Session, news: News) -> bool:
    """What the menu says, which is what counts."""
    checked = demo.commands.action("view.notifications").isChecked()
    assert checked is news.is_on
    return checked


def reboot(demo: Session, mark: ReadyMark) -> None:
    """Let a mark speak of another boot, as if the machine had been switched off and on since."""
    demo.services.readiness.mark(replace(mark, boot_id="<i>before</i>"))


def test_the_end_of_a_run_is_told_once(demo: Session, news: News, service: Notifications, qtbot: QtBot) -> None:
    run = tell_run(demo, qtbot)
    qtbot.waitUntil(lambda: bool(service.shown), timeout=SOON)
    settle(demo, qtbot)
    (shown,) = service.shown
    assert shown.title == f"Run {run} failed: net <b>smoke</b>"
    first, *failed, last = shown.text.splitlines()
    assert (first, last) == ("2 ready, 4 failed", "and 1 more")
    assert [each.partition(": ")[0] for each in failed] == ["board-3-flaky", "board-4-reflashed", "board-5-locked"]
    assert failed[0].startswith("board-3-flaky: no space on board-3-flaky: xxx")
    assert failed[0].endswith("x…")
    assert len(failed[0]) < 220


def test_nothing_is_told_to_whoever_looks_or_wants_none(
    demo: Session, news: News, service: Notifications, looking: Looking, qtbot: QtBot
) -> None:
    assert is_wanted(demo, news)
    looking.now = True
    tell_run(demo, qtbot)
    settle(demo, qtbot)
    looking.now = False
    demo.commands.run("view.notifications")
    assert not is_wanted(demo, news)
    tell_run(demo, qtbot)
    settle(demo, qtbot)
    assert not service.shown
    demo.commands.run("view.notifications")
    assert is_wanted(demo, news)
    tell_run(demo, qtbot)
    qtbot.waitUntil(lambda: len(service.shown) == 1, timeout=SOON)


def test_machines_that_are_no_longer_ready_are_told_together(
    demo: Session, news: News, service: Notifications, qtbot: QtBot
) -> None:
    settle(demo, qtbot)
    marks = make_ready(demo, ["board-1", "board-2", "board-6-bare"], qtbot)
    one, *others = marks.values()

    reboot(demo, one)
    demo.machines.check([one.environment])
    qtbot.waitUntil(lambda: len(service.shown) == 1, timeout=SOON)
    assert service.shown[0].title == "board-1 is no longer READY"
    assert service.shown[0].text.startswith("the machine has rebooted (boot id ")
    assert "was &lt;i&gt;before&lt;/i&gt;)" in service.shown[0].text

    for each in others:
        reboot(demo, each)
    demo.machines.check([each.environment for each in others])
    qtbot.waitUntil(lambda: len(service.shown) == 2, timeout=SOON)
    demo.machines.check()
    settle(demo, qtbot)
    assert len(service.shown) == 2, "what was told is no news"
    assert service.shown[1].title == "2 environments are no longer READY"
    named = sorted(line.partition(":")[0] for line in service.shown[1].text.splitlines())
    assert named == ["board-2", "board-6-bare"]


def test_a_machine_that_was_ready_when_the_window_opened_is_told(
    demo: Session, news: News, service: Notifications, qtbot: QtBot
) -> None:
    settle(demo, qtbot)
    board = demo.machines.get("board-1")
    assert board is not None
    mark = ReadyMark(environment="board-1", ready=True, because="", time=datetime.now(UTC), boot_id="before")
    demo.services.readiness.mark(mark)
    assert demo.services.inventory.update("board-1", replace(board, tags=("new",))) == ()
    demo.machines.reload()
    qtbot.waitUntil(lambda: len(service.shown) == 1, timeout=SOON)
    assert service.shown[0].title == "board-1 is no longer READY"


def test_what_a_run_leaves_not_ready_is_told_by_its_end_alone(
    demo: Session, news: News, service: Notifications, qtbot: QtBot
) -> None:
    settle(demo, qtbot)
    mark = make_ready(demo, ["board-1"], qtbot)["board-1"]
    demo.services.readiness.mark(replace(mark, ready=False, because="memory", run=8))
    demo.machines.check(["board-1"])
    settle(demo, qtbot)
    assert not news.gathering
    assert not service.shown


def test_without_a_service_nothing_is_said_and_nothing_fails(
    demo: Session, news: News, answers: Answers, qtbot: QtBot
) -> None:
    tell_run(demo, qtbot)
    settle(demo, qtbot)
    assert news.is_on
    assert not answers.failures
    assert not answers.asked
