"""The fleet's table: rows change in place, and move only when they are told to."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.modeltest import ModelTester

from kdeploy_gui.model.event import StageFinished, StageProgress
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome
from kdeploy_gui.ui.filters import Filter, parse
from kdeploy_gui.ui.progress.model import COLUMNS, HEADERS, Column, FleetModel, Order
from kdeploy_gui.ui.progress.rows import FILTER_KEYS, Row, row_of
from tests.strategies import Fleet, fleets
from tests.ui.progress.runs import MIB, NAMES, NOW, SPLAT, Story, net_smoke

ATTENTION = [
    "vm-kasan",
    "imx8mp-evk-2",
    "s32g3-rdb",
    "am62-sk",
    "zcu102-lab",
    "vm-kcov",
    "vm-lockdep",
    "vm-gcov",
    "imx8mp-evk-1",
    "rk3588-evb",
    "rpi5-net",
    "vm-stock",
]


def model_of(story: Story) -> FleetModel:
    model = FleetModel()
    model.show(story.state, NOW)
    return model


def shown(model: FleetModel) -> list[str]:
    return [row.name for row in model.shown()]


def cells_told(model: FleetModel) -> set[tuple[str, int]]:
    """Cells of which the model tells from now on that they changed."""
    told: set[tuple[str, int]] = set()

    def tell(first: QModelIndex, last: QModelIndex) -> None:
        rows, columns = range(first.row(), last.row() + 1), range(first.column(), last.column() + 1)
        told.update((model.at(row).name, column) for row in rows for column in columns)

    model.dataChanged.connect(tell)
    return told


def filter_of(text: str) -> Filter:
    found = parse(text, FILTER_KEYS)
    assert isinstance(found, Filter)
    return found


def test_a_model_as_qt_wants_it(qtmodeltester: ModelTester) -> None:
    story = net_smoke()
    model = model_of(story)
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]

    model.set_filter(filter_of("vm-"))
    model.set_order(Order.NAME)
    model.set_filter(filter_of("status:running"))
    model.set_filter(Filter())
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]


def test_orders() -> None:
    model = model_of(net_smoke())

    assert shown(model) == ATTENTION
    model.set_order(Order.PLAN)
    assert shown(model) == list(NAMES)
    model.set_order(Order.NAME)
    assert shown(model) == sorted(NAMES)


def test_filter_by_text_state_and_stage() -> None:
    model = model_of(net_smoke())
    counted: list[tuple[int, int]] = []
    model.counted.connect(lambda some, every: counted.append((some, every)))

    model.set_filter(filter_of("status:ready"))
    assert shown(model) == ["imx8mp-evk-1", "rk3588-evb", "rpi5-net", "vm-stock"]
    model.set_filter(filter_of("stage:instrumentation !lockdep"))
    assert shown(model) == ["vm-kasan", "zcu102-lab"]
    model.set_filter(filter_of('stage:"script deployment"'))
    assert shown(model) == ["imx8mp-evk-2", "vm-gcov"]
    model.set_filter(filter_of("/run 1\\d7/"))
    assert shown(model) == ["s32g3-rdb"]
    assert counted == [(4, 12), (2, 12), (2, 12), (1, 12)]


def test_only_changed_cells_are_told() -> None:
    story = net_smoke()
    model = model_of(story)
    told = cells_told(model)

    story.at = 192
    story.tell(StageProgress(35 * MIB, round(41.8 * MIB), "bytes"), "vm-gcov", Stage.DEPLOYING, 1)
    model.update(story.state, {"vm-gcov"}, NOW)

    assert told == {("vm-gcov", Column.STAGES + 3), ("vm-gcov", Column.NOW)}
    told.clear()
    model.refresh(NOW + timedelta(seconds=0.4))
    assert told == set()
    model.refresh(NOW + timedelta(seconds=1))
    ended = {name for name in NAMES if (row := model.get(name)) and row.final}
    assert {name for name, column in told if column == Column.TIME} == set(NAMES) - ended
    assert not {name for name, _ in told} & ended


def test_rows_stay_where_they_are_until_they_are_arranged() -> None:
    story = net_smoke()
    model = model_of(story)
    model.set_filter(filter_of("!status:ready"))
    stale: list[bool] = []
    model.stale.connect(lambda: stale.append(True))
    before = shown(model)
    cursor = QPersistentModelIndex(model.index(model.place("vm-gcov"), 3))

    story.at = 192
    story.ready("am62-sk", 1, 1, 1, 1, 1, 1)
    story.failed("vm-gcov", 1, because=SPLAT, took=1)
    model.update(story.state, {"am62-sk", "vm-gcov"}, NOW)

    assert shown(model) == before
    assert stale == [True]
    model.arrange()
    assert shown(model)[:2] == ["vm-kasan", "vm-gcov"]
    assert "am62-sk" not in shown(model)
    assert (cursor.row(), cursor.column()) == (1, 3), "a cursor goes with its row"


def test_environments_that_appear_late_get_a_row() -> None:
    story = Story(["a"])
    model = model_of(story)
    story.running("b", 1)

    model.update(story.state, {"b"}, NOW)

    assert shown(model) == ["b", "a"]


def test_the_end_of_a_run_reaches_every_row() -> None:
    story = net_smoke()
    model = model_of(story)

    story.end(Outcome.INTERRUPTED)
    model.update(story.state, {""}, NOW)

    assert all(row.final for row in model.shown())


def test_every_cell_has_a_text_for_those_who_cannot_see_it() -> None:
    model = model_of(net_smoke())
    role = Qt.ItemDataRole.AccessibleTextRole

    row = model.place("vm-kasan")
    texts = [model.data(model.index(row, column), role) for column in range(COLUMNS)]

    assert texts[:4] == ["Environment: vm-kasan", "State: Failed", "Artifact preparation: Done, 0:01", texts[3]]
    assert texts[6] == "Instrumentation setup: Failed, 0:28"
    assert all(
        model.data(model.index(row, column), role) for row in range(model.rowCount()) for column in range(COLUMNS)
    )
    headers = [model.headerData(column, Qt.Orientation.Horizontal, role) for column in range(COLUMNS)]
    assert headers == [each.replace("\n", " ") for each in HEADERS]


def test_tooltips_begin_with_words_of_our_own() -> None:
    story = Story(["<b>a</b>"])
    story.running("<b>a</b>", 1)
    model = model_of(story)

    tips = [str(model.data(model.index(0, column), Qt.ItemDataRole.ToolTipRole)) for column in range(COLUMNS)]

    assert not any(GuiQt.mightBeRichText(tip) for tip in tips)


@settings(max_examples=25)
@given(fleets(largest=5), st.integers(0, 2**32), st.integers(1, 9), st.sampled_from(["", "!status:ready", "env:*-00*"]))
def test_any_events_in_any_groups_lead_to_the_rows_of_the_last_state(
    fleet: Fleet, seed: int, size: int, text: str
) -> None:
    events = fleet.interleaved(1, seed, ended=seed % 2 == 0)
    model = FleetModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    state = RunState().after_all(events[:1])
    model.show(state, NOW)
    model.set_filter(filter_of(text))

    for start in range(1, len(events), size):
        group = events[start : start + size]
        state = state.after_all(group)
        model.update(state, {each.environment for each in group}, NOW)

    expected = {name: row_of(each, state, NOW) for name, each in state.environments.items()}
    assert {name: model.get(name) for name in expected} == expected
    model.arrange()
    ranks = [row.rank for row in model.shown()]
    assert ranks == sorted(ranks)
    assert set(shown(model)) == {name for name, row in expected.items() if matches(text, row)}
    del tester


def matches(text: str, row: Row) -> bool:
    return filter_of(text).matches(row.fields(), f"{row.name} {row.now}")


def test_a_finished_stage_is_told_although_the_class_stays() -> None:
    story = net_smoke()
    model = model_of(story)
    told = cells_told(model)

    story.at = 192
    story.tell(StageFinished(StageOutcome.SUCCEEDED, 190.0), "am62-sk", Stage.DEPENDENCIES, 1)
    model.update(story.state, {"am62-sk"}, NOW)

    assert ("am62-sk", Column.STATE) in told, "the pie of the state has grown"
    assert ("am62-sk", Column.STAGES + 2) in told
