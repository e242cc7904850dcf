"""Runs and machines as the window sees them, on the embedded lab."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RunSubmitted
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Stage
from kdeploy_gui.ui.runs import PORTION
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.bench.storm import storm


def checked(session: Session) -> bool:
    return session.machines.loaded and all(
        session.machines.result(each.name) is not None for each in session.machines.environments
    )


def test_machines_are_looked_at_when_the_lab_is_read(demo: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: checked(demo))

    conditions = {each.name: demo.machines.condition(each.name)[0] for each in demo.machines.environments}

    assert conditions == {
        "board-1": Condition.NOT_READY,
        "board-2": Condition.NOT_READY,
        "board-3-flaky": Condition.NOT_READY,
        "board-4-reflashed": Condition.NOT_TRUSTED,
        "board-5-locked": Condition.FAILED,
        "board-6-bare": Condition.NOT_READY,
    }


def test_a_run_is_followed_to_its_end(demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    plan = demo.services.plans.check(sample).plan
    assert plan is not None
    begun: list[int] = []
    ended: list[int] = []
    demo.runs.started.connect(begun.append)
    demo.runs.ended.connect(ended.append)
    run = demo.services.submit(plan)
    demo.runs.open(run)

    qtbot.waitUntil(lambda: ended == [run], timeout=30_000)

    state = demo.runs.state(run)
    assert state is not None
    assert state.outcome is Outcome.FAILED
    assert state == fold(demo.services.history.events(run))
    assert begun == [run]
    assert demo.runs.active == ()
    qtbot.waitUntil(lambda: demo.machines.condition("board-1")[0] is Condition.READY)
    qtbot.waitUntil(lambda: demo.machines.condition("board-6-bare")[0] is Condition.FAILED)


def test_news_of_a_large_fleet_leaves_the_window_its_turn(session: Session, qtbot: QtBot) -> None:
    names = [f"board-{number}" for number in range(100)]
    told: list[frozenset[str]] = []
    ended: list[int] = []
    looked: list[str] = []
    run = session.services.history.begin("storm", names)
    session.runs.changed.connect(lambda _, names: told.append(names))
    session.runs.ended.connect(ended.append)
    session.machines.checked.connect(looked.append)
    groups = storm(run, names, 2)
    session.services.history.append(next(groups))
    session.runs.open(run)
    qtbot.waitUntil(lambda: session.runs.active == (run,))

    for group in groups:
        session.services.history.append(group)
    session.services.history.release(run)
    qtbot.waitUntil(lambda: ended == [run])

    assert max(map(len, told)) <= PORTION
    assert set().union(*told) == {"", *names}
    state = session.runs.state(run)
    assert state == fold(session.services.history.events(run))
    states = len(Stage) + 2
    assert max(Counter(looked).values()) <= states, "told where the state differs, not at each event"


def test_a_run_of_another_window_is_found(demo: Session, qtbot: QtBot) -> None:
    history = demo.services.history
    run = history.begin("of another window", ["board-1"])
    submitted = RunSubmitted("of another window", ("board-1",))
    history.append([Event(seq=1, time=datetime.now(UTC), run=run, body=submitted)])
    demo.runs.look()

    qtbot.waitUntil(lambda: demo.runs.state(run) is not None)
    history.release(run)


def test_a_look_with_settings_of_before_is_given_up(session: Session, qtbot: QtBot) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        board = Environment(name="board", host="127.0.0.1", port=silent.getsockname()[1])
        session.services.inventory.add(board)
        session.machines.reload()
        qtbot.waitUntil(lambda: session.machines.is_checking("board"))
        session.services.inventory.update("board", replace(board, port=closed.getsockname()[1]))

        session.machines.reload()
        session.machines.check(["board"])

        qtbot.waitUntil(lambda: session.machines.result("board") is not None)
    found = session.machines.result("board")
    assert found is not None
    assert found.failure is not None
    assert found.failure.code == "E-REFUSED"
    assert not session.machines.is_checking("board")


def test_a_ready_machine_is_looked_at_by_its_own_interval(demo: Session, qtbot: QtBot) -> None:
    sample = demo.services.sample_plan
    assert sample is not None
    plan = demo.services.plans.check(sample).plan
    assert plan is not None
    board = next(each for each in plan.environments if each.name == "board-1")
    demo.runs.open(demo.services.submit(replace(plan, environments=(board,))))
    qtbot.waitUntil(lambda: demo.machines.condition("board-1")[0] is Condition.READY)
    lab = demo.services.lab_file
    lab.write_text(lab.read_text().replace('name = "board-1"\n', 'name = "board-1"\nmonitor = "1s"\n'))

    demo.machines.reload()
    qtbot.waitUntil(lambda: (found := demo.machines.get("board-1")) is not None and found.monitor == 1.0)
    qtbot.waitUntil(lambda: demo.machines.condition("board-1")[0] is Condition.READY)
    before = demo.machines.checked_at("board-1")

    qtbot.waitUntil(lambda: demo.machines.checked_at("board-1") != before)
