"""Parts of the window with content that is the same on every machine at every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.check import Finding
from kdeploy_gui.model.preview import DiffLine
from kdeploy_gui.ui.detail.facts import measure, set_up
from kdeploy_gui.ui.detail.instruments import MatrixCells, MatrixModel, MatrixView
from kdeploy_gui.ui.diff_view import DiffView
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.rows import tell
from kdeploy_gui.ui.log.view import LogView
from kdeploy_gui.ui.look import Look, Row
from kdeploy_gui.ui.progress.grid import FleetGrid
from kdeploy_gui.ui.progress.header import SegmentBar
from kdeploy_gui.ui.progress.model import FleetModel
from kdeploy_gui.ui.segments import Segment, Segments
from kdeploy_gui.ui.start.findings import DoctorList
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.widgets import Button, EmptyState, Kind, SearchField, StateLabel
from kdeploy_gui.ui.wizard.table import Column, ItemTable, ItemView
from tests.ui.detail.matrix import asked_and_found
from tests.ui.log.story import failed_story, index_all
from tests.ui.progress.runs import NOW, net_smoke

FINDINGS = (
    Finding("keyring", True, "Secret Service, unlocked, test entry written and removed"),
    Finding("ssh agent", None, "none in this session: `identity_file` is needed", "eval $(ssh-agent); ssh-add"),
    Finding("libvirt", False, "Cannot open qemu:///system", 'sudo usermod -aG libvirt "$USER" # then log in again'),
    Finding("disk", True, "212 GB free at /home"),
)
DIFF = (
    DiffLine("hunk", 0, 0, "@@ -12,3 +12,4 @@ run_case()"),
    DiffLine("context", 12, 12, "dev=${1:?device}"),
    DiffLine("removed", 13, 0, "iperf3 -c 192.0.2.1 -t 10"),
    DiffLine("added", 0, 13, "iperf3 -c 192.0.2.1 -t 30"),
    DiffLine("added", 0, 14, "sleep 1 # let the counters settle"),
    DiffLine("context", 14, 15, "done"),
)
SPLAT = (
    b"[ 8237.104512] BUG: KASAN: slab-use-after-free in nsim_dev_trap_report_work+0x3a4/0x4f0\n",
    b"\x1b[31m[ 8237.104688] Read of size 8\x1b[0m at addr ffff0000c6a2d418 by task kworker/1:3/412\n",
)


def grid(look: Look) -> QWidget:
    """A run of twelve environments in its midst."""
    model = FleetModel()
    model.show(net_smoke().state, NOW)
    made = FleetGrid(look, model, calm=0.0)
    model.setParent(made)
    made.resize(1176, 440)
    made.go_to("vm-kasan")
    return made


def log(look: Look) -> QWidget:
    """The log of an environment that failed."""
    story = failed_story(SPLAT)
    document = LogDocument(story.read, "vm-kasan", 118)
    document.add(tell(story.events))
    index_all(document)
    made = LogView(look)
    made.resize(900, 300)
    made.set_document(document)
    return made


def diff(look: Look) -> QWidget:
    """A text that changes."""
    made = DiffView(look)
    made.resize(600, 160)
    made.set_lines(DIFF)
    return made


def findings(look: Look) -> QWidget:
    """What the doctor found."""
    made = DoctorList(look)
    made.resize(800, 240)
    made.findings.show_findings(FINDINGS)
    return made


def states(look: Look) -> QWidget:
    """Every state with its glyph and word."""
    made = QWidget()
    rows = QGridLayout(made)
    for number, condition in enumerate(Condition):
        label = StateLabel(look)
        label.show_condition(condition)
        rows.addWidget(label, number // 6, number % 6)
    made.resize(900, 260)
    return made


def controls(look: Look) -> QWidget:
    """Buttons of every kind, a field, a bar and what an empty view says."""
    made = QWidget()
    column = QVBoxLayout(made)
    row = QHBoxLayout()
    for kind in Kind:
        row.addWidget(Button(f"{kind.value.capitalize()} button", look, kind))
        off = Button("Disabled", look, kind)
        off.setEnabled(False)
        row.addWidget(off)
    row.addStretch()
    column.addLayout(row)
    column.addLayout(_switches(look))
    column.addWidget(SearchField(look, "Filter: text, tag:, status:, !not"))
    bar = SegmentBar(look)
    counts = ((Condition.READY, 4), (Condition.RUNNING, 5), (Condition.RETRYING, 1), (Condition.FAILED, 2))
    bar.show_counts(counts)
    bar.setFixedHeight(look.px(44))
    column.addWidget(bar)
    text = "Boards and guests you add appear here with their live state."
    column.addWidget(EmptyState(look, "developer-board", "No environments yet", text, ()))
    made.resize(760, 420)
    return made


def _switches(look: Look) -> QHBoxLayout:
    row = QHBoxLayout()
    icons = QActionGroup(row)
    for name, icon in (("Grid", "view-grid-outline"), ("Panes", "view-week-outline")):
        action = icons.addAction(look.icon(icon), name)
        action.setCheckable(True)
    icons.actions()[0].setChecked(True)
    row.addWidget(Segments(look, [Segment(each) for each in icons.actions()]))
    plain = [Segment(text) for text in ("By cause", "By environment")]
    plain[1].setChecked(True)
    row.addWidget(Segments(look, plain))
    row.addWidget(Button("Copy report", look, icon="content-copy"))
    row.addWidget(Button("New deployment", look, Kind.PRIMARY, icon="plus"))
    row.addStretch()
    return row


def table(look: Look) -> QWidget:
    """Rows of a plan as they are edited, one with a problem."""
    columns = [
        Column("Source", "source", lambda each: str(each[0]), width=200, mono=True),
        Column("Type", "type", lambda each: str(each[1]), width=100),
        Column("Target", "target", lambda each: str(each[2]), mono=True),
    ]
    model = ItemTable(look, columns)
    model.show_items(
        (
            ("scripts/*.sh", "script", "/opt/tests/net/"),
            ("conf/net-smoke.conf", "config", "/opt/tests/net/conf/"),
            ("corpus/a-name-that-is-longer-than-its-column", "data", "/opt/tests/net/"),
        )
    )
    model.show_problems({(1, "type"): "no such type"})
    made = ItemView(look, model, "Artifacts")
    model.setParent(made)
    made.resize(560, 140)
    made.selectRow(0)
    return made


def instruments(look: Look) -> QWidget:
    """The instrument matrix, one of them spent."""
    made = MatrixView()
    model = MatrixModel(look, made)
    set_up(made, "Instruments", look)
    made.setModel(model)
    made.setItemDelegate(MatrixCells(look, made, model))
    measure(made, look, (152, 104, 208, 224, 184))
    made.verticalHeader().setDefaultSectionSize(look.row(Row.MATRIX))
    model.show_rows(asked_and_found())
    made.setCurrentIndex(model.index(2, 5))
    made.resize(1176, 260)
    return made


VIEWS: Mapping[str, Callable[[Look], QWidget]] = {
    "grid": grid,
    "log": log,
    "diff": diff,
    "findings": findings,
    "states": states,
    "controls": controls,
    "table": table,
    "instruments": instruments,
}
