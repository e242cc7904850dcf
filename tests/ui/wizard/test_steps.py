"""The pages of the wizard: what they show is what they give back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.draft import Draft
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Backoff,
    Dependency,
    Instrumentation,
    OnSplat,
    PlanDraft,
    Policy,
    Rollback,
    Validation,
    Want,
)
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.wizard.artifacts import ArtifactsStep, guessed
from kdeploy_gui.ui.wizard.asked_instruments import AskedInstruments
from kdeploy_gui.ui.wizard.dependencies import DependenciesStep
from kdeploy_gui.ui.wizard.environments import EnvironmentsStep, patterns
from kdeploy_gui.ui.wizard.fleet_model import INSTRUMENTS, SPACE
from kdeploy_gui.ui.wizard.instrumentation import InstrumentationStep
from kdeploy_gui.ui.wizard.page import rebased
from kdeploy_gui.ui.wizard.validation import ValidationStep, bytes_of, seconds_of, span_of, text_of
from tests.strategies import START

DRAFT = PlanDraft(
    name="net-smoke",
    environments=("board-*", "tag:arm64"),
    artifacts=(
        Artifact(source="scripts/*.sh", type=ArtifactType.SCRIPT, target="/opt/tests/", mode=0o755, owner="root:root"),
        Artifact(
            source="key", type=ArtifactType.DATA, target="~/key", mode=0o600, sensitive=True, depends_on=("lib/*",)
        ),
    ),
    dependencies=(
        Dependency(name="iperf3", version=">=3.9", names={"apk": "iperf3"}),
        Dependency(tool="perf", required=False),
        Dependency(pip="pyserial", files=("wheels/*.whl", "more.whl")),
    ),
    instrumentation=Instrumentation(
        {"perf": Want.WANTED, "kasan": Want.OFF}, may_reboot=True, may_switch=False, kernel_params=("panic=1",)
    ),
    validation=Validation(
        kernel=">=5.10",
        arch=("x86_64",),
        memory=64 << 20,
        disk={"/opt": 1 << 30},
        load=8.0,
        clock_skew=5.0,
        temperature=80.5,
    ),
    policy=Policy(7, 3, 2, Backoff(initial=2.0, factor=3.0), 90.0, Rollback.NONE, 5, OnSplat.WARN),
)
Step = EnvironmentsStep | ArtifactsStep | DependenciesStep | InstrumentationStep | ValidationStep
STEPS: tuple[Callable[[Session], Step], ...] = (
    lambda session: EnvironmentsStep(session, AskedInstruments(session)),
    ArtifactsStep,
    DependenciesStep,
    lambda session: InstrumentationStep(session, AskedInstruments(session)),
    ValidationStep,
)


@pytest.mark.parametrize("step", STEPS)
def test_a_draft_comes_back_as_it_was(step: Callable[[Session], Step], session: Session, qtbot: QtBot) -> None:
    page = step(session)
    qtbot.addWidget(page)

    page.show_draft(DRAFT)

    assert page.apply(DRAFT) == DRAFT


def environments(*groups: str) -> tuple[Environment, ...]:
    return tuple(Environment(name=f"e{n}", host="h", group=group) for n, group in enumerate(groups))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"e0", "e1"}, ("group:a",)),
        ({"e0"}, ("e0",)),
        ({"e0", "e1", "e2"}, ("group:a", "e2")),
        ({"e3"}, ("e3",)),
        (set(), ()),
    ],
)
def test_choices_are_said_in_the_shortest_honest_way(chosen: set[str], said: tuple[str, ...]) -> None:
    assert patterns(environments("a", "a", "b", ""), frozenset(chosen)) == said


def test_a_group_is_not_named_where_a_folder_below_it_is_left_out() -> None:
    assert patterns(environments("a", "a", "a/b"), frozenset({"e0", "e1"})) == ("e0", "e1")


def test_ticking_changes_the_draft(session: Session, qtbot: QtBot) -> None:
    for name in ("board-1", "board-2"):
        session.services.inventory.add(Environment(name=name, host="127.0.0.1", port=1, group="rack"))
    session.machines.reload()
    page = EnvironmentsStep(session, AskedInstruments(session))
    qtbot.addWidget(page)
    qtbot.waitUntil(lambda: len(session.machines.environments) == 2)
    page.show_draft(PlanDraft(name="x", environments=()))
    page.show()
    page.focus_first()

    with qtbot.waitSignal(page.edited):
        QTest.keyClick(page.tree, Qt.Key.Key_Space)

    assert page.apply(DRAFT).environments == ("group:rack",)
    page.tree.setCurrentIndex(page.model.index(0, 0, page.model.index(0, 0)))
    QTest.keyClick(page.tree, Qt.Key.Key_Space)
    assert page.apply(DRAFT).environments == ("board-2",)
    qtbot.waitUntil(lambda: session.machines.result("board-1") is not None)
    result = page.model.index(0, 7, page.model.index(0, 0))
    assert result.data() == "Does not answer"


def test_space_is_measured_where_the_plan_points(demo: Session, qtbot: QtBot) -> None:
    page = EnvironmentsStep(demo, AskedInstruments(demo))
    qtbot.addWidget(page)
    qtbot.waitUntil(lambda: demo.machines.result("board-1") is not None)
    page.show_draft(replace(DRAFT, artifacts=(replace(DRAFT.artifacts[0], target="~/suite/"),)))
    rack = page.model.index(0, 0)

    def space() -> str:
        return str(page.model.index(0, SPACE, rack).data())

    assert space() == "Not checked"
    page.show()

    qtbot.waitUntil(lambda: space()[-3:] in {"KiB", "MiB", "GiB", "TiB"})
    assert page.model.headerData(SPACE, Qt.Orientation.Horizontal) == "Space on ~/suite"


def test_nothing_is_measured_while_other_steps_are_edited(demo: Session, qtbot: QtBot) -> None:
    page = EnvironmentsStep(demo, AskedInstruments(demo))
    qtbot.addWidget(page)
    qtbot.waitUntil(lambda: demo.machines.result("board-1") is not None)

    page.show_draft(DRAFT)

    assert not demo.machines.is_checking("board-1")


def test_the_fleet_model_is_sound(demo: Session, qtbot: QtBot, qtmodeltester: ModelTester) -> None:
    page = EnvironmentsStep(demo, AskedInstruments(demo))
    qtbot.addWidget(page)
    qtbot.waitUntil(lambda: len(demo.machines.environments) == 6)
    qtmodeltester.check(page.model)  # type: ignore[no-untyped-call]


def test_a_file_is_guessed_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "tool").write_bytes(b"\x7fELF\x02")
    (tmp_path / "suite.conf").write_text("a = 1\n")
    (tmp_path / "corpus").write_bytes(b"\0\1")

    found = [guessed(tmp_path / name, tmp_path, "/opt/") for name in ("run", "tool", "suite.conf", "corpus")]

    assert [(each.source, each.type, each.mode) for each in found] == [
        ("run", "script", 0o755),
        ("tool", "binary", 0o755),
        ("suite.conf", "config", 0o644),
        ("corpus", "data", 0o644),
    ]


def test_files_dropped_on_the_page_become_entries(session: Session, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    page = ArtifactsStep(session)
    qtbot.addWidget(page)
    page.show_folder(tmp_path)
    page.show_draft(DRAFT)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "run.sh"))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )

    page.dropEvent(event)

    added = page.apply(DRAFT).artifacts[-1]
    assert (added.source, added.target, added.mode) == ("run.sh", "/opt/tests/", 0o755)


def test_what_cannot_be_is_refused_and_the_old_value_stays(session: Session, qtbot: QtBot) -> None:
    page = ArtifactsStep(session)
    qtbot.addWidget(page)
    page.show_draft(DRAFT)
    said: list[str] = []
    page.table.refused.connect(said.append)

    assert not page.table.setData(page.table.index(0, 3), "9x")
    assert not page.table.setData(page.table.index(0, 2), "opt/tests")
    assert page.table.setData(page.table.index(0, 3), "0700")

    assert "octal" in said[0]
    assert "starts with /" in said[1]
    assert page.apply(DRAFT).artifacts[0].mode == 0o700


def test_a_stored_artifact_may_have_the_mode_it_was_stored_with(session: Session, qtbot: QtBot, tmp_path: Path) -> None:
    page = ArtifactsStep(session)
    qtbot.addWidget(page)
    stored = Artifact(source="store:suite@1", type=None, target="/opt/", mode=0o700, depends_on=("store:lib",))
    draft = replace(DRAFT, artifacts=(stored, DRAFT.artifacts[0]))
    page.show_draft(draft)
    assert page.table.setData(page.table.index(0, 3), "")
    assert not page.table.setData(page.table.index(1, 3), "")
    assert [page.table.index(0, column).data() for column in (1, 3)] == ["", ""]
    assert page.apply(draft).artifacts[0] == replace(stored, mode=None)
    moved = rebased(Draft(id="a", draft=draft, folder=tmp_path / "old", saved=START), tmp_path)
    assert moved.artifacts[0] == stored
    assert moved.artifacts[1].source == "old/scripts/*.sh"


def test_a_problem_marks_its_cell(session: Session, qtbot: QtBot) -> None:
    page = ArtifactsStep(session)
    qtbot.addWidget(page)
    page.show_draft(DRAFT)

    page.show_problems([Problem("setuid needs allow_setuid", "artifacts[1].mode")])

    assert "setuid" in str(page.table.index(1, 3).data(Qt.ItemDataRole.ToolTipRole))
    assert "setuid" in str(page.table.index(1, 3).data(Qt.ItemDataRole.AccessibleTextRole))
    assert "setuid" not in str(page.table.index(0, 3).data(Qt.ItemDataRole.ToolTipRole))


def test_a_dependency_keeps_its_name_whatever_it_becomes(session: Session, qtbot: QtBot) -> None:
    page = DependenciesStep(session)
    qtbot.addWidget(page)
    page.show_draft(DRAFT)
    edit = Qt.ItemDataRole.EditRole

    page.table.setData(page.table.index(1, 0), "Python package", edit)
    page.table.setData(page.table.index(1, 5), "a.whl, b.whl", edit)
    page.table.setData(page.table.index(2, 0), "package", edit)
    page.table.setData(page.table.index(2, 1), "python3-serial", edit)

    assert page.apply(DRAFT).dependencies[1:] == (
        Dependency(pip="perf", required=False, files=("a.whl", "b.whl")),
        Dependency(name="python3-serial", files=("wheels/*.whl", "more.whl")),
    )
    page.show_problems([Problem("no such file", "dependencies[2].files[1]")])
    assert "no such file" in str(page.table.index(2, 5).data(Qt.ItemDataRole.ToolTipRole))


def test_an_entry_removed_can_be_taken_back(session: Session, qtbot: QtBot) -> None:
    page = ArtifactsStep(session)
    qtbot.addWidget(page)
    page.show_draft(DRAFT)
    page.view.setCurrentIndex(page.table.index(0, 0))

    QTest.keyClick(page.view, Qt.Key.Key_Delete)
    assert len(page.apply(DRAFT).artifacts) == 1

    session.undo.take_back()
    assert page.apply(DRAFT) == DRAFT


def test_what_is_known_of_many_environments_stays_short(session: Session, qtbot: QtBot) -> None:
    names = [f"b-{number:02}" for number in range(20)]
    session.services.inventory.add_all([Environment(name=name, host="127.0.0.1", port=1) for name in names])
    session.machines.reload()
    qtbot.waitUntil(lambda: len(session.machines.environments) == 20)
    page = DependenciesStep(session)
    qtbot.addWidget(page)

    page.show_draft(PlanDraft(name="x", environments=("*",)))

    assert page._known.text() == "not checked: b-00, b-01, b-02, b-03, b-04, b-05 and 14 more"


def test_space_goes_to_the_next_choice(session: Session, qtbot: QtBot) -> None:
    page = InstrumentationStep(session, AskedInstruments(session))
    qtbot.addWidget(page)
    page.show_draft(PlanDraft(name="x", environments=()))
    page.view.setCurrentIndex(page.table.index(0, 1))

    QTest.keyClick(page.view, Qt.Key.Key_Space)

    assert list(page.apply(DRAFT).instrumentation.wants.values()).count(Want.WANTED) == 1


def asks(environments: tuple[str, ...], **wants: Want) -> PlanDraft:
    return PlanDraft(name="x", environments=environments, instrumentation=Instrumentation(wants))


def test_what_is_asked_for_is_looked_at_on_the_chosen_machines(demo: Session, qtbot: QtBot) -> None:
    asked = AskedInstruments(demo)
    environments, page = EnvironmentsStep(demo, asked), InstrumentationStep(demo, asked)
    for each in (environments, page):
        qtbot.addWidget(each)
    qtbot.waitUntil(lambda: demo.machines.result("board-1") is not None)
    board = demo.machines.get("board-1")
    assert board is not None
    draft = asks(("board-1",), kcsan=Want.REQUIRED, perf=Want.WANTED)
    environments.show_draft(asks(("board-1",)))
    asked.watch(True)
    assert environments.model.cell(board, INSTRUMENTS) == (Condition.NOT_TRIED, "None asked")
    assert demo.instruments.going("board-1") is None

    page.show_draft(draft)
    asked.show_draft(draft)
    rows = [each.name for each in page.table.items]
    page.view.setCurrentIndex(page.table.index(rows.index("kcsan"), 1))
    qtbot.waitUntil(lambda: demo.instruments.result(board) is not None)

    look = demo.instruments.result(board)
    assert look is not None
    on = sum(State(each.state).is_on for each in look.instruments if each.instrument in ("kcsan", "perf"))
    assert environments.model.cell(board, INSTRUMENTS) == (Condition.WARNING, f"{on} of 2")
    assert page.table.items[rows.index("kcsan")].known == "On: 0 of 1. Absent: board-1"
    assert page.table.items[rows.index("kasan")].known == ""
    assert page.needs.text().startswith("board-1: absent: ")
    assert page.view.currentIndex().row() == rows.index("kcsan")


def test_nobody_is_looked_at_twice_in_a_boot_or_out_of_sight(
    demo: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: demo.machines.result("board-1") is not None)
    looks: list[str] = []
    start = demo.services.inventory.start_instruments

    def counted(environment: Environment, *, prove: bool = False) -> Future[InstrumentLook]:
        looks.append(environment.name)
        return start(environment, prove=prove)

    monkeypatch.setattr(demo.services.inventory, "start_instruments", counted)
    asked = AskedInstruments(demo)
    asked.show_draft(asks(("board-*",), perf=Want.WANTED))
    assert asked.summary("perf") == "Not checked"
    assert not looks
    asked.watch(True)
    qtbot.waitUntil(lambda: demo.instruments.result(demo.machines.get("board-1")) is not None)
    demo.machines.check(["board-1"])
    qtbot.waitUntil(lambda: not demo.machines.is_checking("board-1"))

    assert looks.count("board-1") == 1
    assert "board-4-reflashed" not in looks
    assert "not checked" in asked.summary("perf")


def test_a_limit_that_is_no_limit_is_named(session: Session, qtbot: QtBot) -> None:
    page = ValidationStep(session)
    qtbot.addWidget(page)
    page.show_draft(DRAFT)
    field = page._fields["memory"]
    field.clear()

    QTest.keyClicks(field, "lots")

    assert "is no size" in page._notes["memory"].text()
    assert page.apply(DRAFT).validation.memory != 0


@pytest.mark.parametrize("count", [0, 1, 1024, 64 << 20, 3 << 30, 1000])
def test_sizes_are_written_as_they_are_read(count: int) -> None:
    assert bytes_of(text_of(count)) == count


@pytest.mark.parametrize("seconds", [0.5, 5.0, 60.0, 90.0, 600.0])
def test_durations_are_written_as_they_are_read(seconds: float) -> None:
    assert seconds_of(span_of(seconds)) == seconds
