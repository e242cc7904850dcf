"""The readiness tab: READY or not, what it stands on, and which of it has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QStackedWidget, QTableView, QVBoxLayout, QWidget

from kdeploy_gui.model.check import EnvironmentCheck, InstrumentLook
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.detail.facts import measure, set_up
from kdeploy_gui.ui.detail.words import when
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import EmptyState, PlainLabel, StateLabel

HEADERS = ("READY stands on", "State", "As it was proven", "As it was found")
WIDTHS = (160, 112, 420)
CHANGE_HEADERS = ("When", "State", "Run", "Why")
CHANGE_WIDTHS = (160, 112, 80)
CHANGES_SHOWN = 20
Index = QModelIndex | QPersistentModelIndex
Display = Qt.ItemDataRole.DisplayRole


@dataclass(frozen=True, slots=True)
class Ground:
    """One fact that READY stands on: as it was proven, and as it was found at the last look."""

    name: str
    condition: Condition | None
    proven: str
    found: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        return self.name, self.condition.word if self.condition else "", self.proven, self.found


def grounds(
    mark: ReadyMark, check: EnvironmentCheck | None, looked: datetime | None, instruments: InstrumentLook | None
) -> tuple[Ground, ...]:
    """The five facts of a mark, compared with the last look, and with the last one at its instruments."""
    facts = check.facts if check is not None and looked is not None and looked >= mark.time else None
    kernel = visible(f"{mark.kernel_release} {mark.kernel_build}")
    now = visible(f"{facts.kernel_release} {facts.kernel_build}") if facts else ""
    proven = f"{when(mark.time)}{f' in run {mark.run}' if mark.run else ''}"
    return (
        _ground("Boot", visible(mark.boot_id), visible(facts.boot_id) if facts else ""),
        _ground("Kernel build", kernel, now),
        _files(mark, check if facts else None),
        _instruments(mark, instruments),
        Ground("Time", None, proven, f"looked at {when(looked)}" if looked else "not looked at since"),
    )


def _ground(name: str, proven: str, found: str) -> Ground:
    condition = Condition.UNKNOWN if not found else Condition.SAME if found == proven else Condition.CHANGED
    return Ground(name, condition, proven or "not known", found or "not looked at since")


def _instruments(mark: ReadyMark, look: InstrumentLook | None) -> Ground:
    proven = visible(", ".join(f"{name} {state}" for name, state in mark.instruments.items()))
    if not proven:
        return Ground("Instruments", None, "none asked for", "")
    if look is None or look.failure is not None or look.time < mark.time:
        return Ground("Instruments", Condition.UNKNOWN, proven, "not looked at since")
    found = {each.instrument: each.state for each in look.instruments if each.instrument in mark.instruments}
    on = len(found) == len(mark.instruments) and all(State(each).is_on for each in found.values())
    now = ", ".join(f"{name} {state}" for name, state in found.items())
    return Ground("Instruments", Condition.SAME if on else Condition.CHANGED, proven, visible(now))


def _files(mark: ReadyMark, check: EnvironmentCheck | None) -> Ground:
    proven = f"{len(mark.manifest)} files, manifest {mark.manifest_hash[:12]}"
    if check is None:
        return Ground("Files", Condition.UNKNOWN, proven, "not looked at since")
    paths = tuple(each.path for each in mark.manifest)
    moved = [each for each in check.because if each.startswith(paths)] if paths else []
    if moved:
        return Ground("Files", Condition.CHANGED, proven, visible("; ".join(moved)))
    looked_at = check.ready
    found = "all as declared" if looked_at else "not compared: it is not READY"
    return Ground("Files", Condition.SAME if looked_at else Condition.UNKNOWN, proven, found)


class GroundsModel(QAbstractTableModel):
    """The facts of the newest mark."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._grounds: Sequence[Ground] = ()

    def show_grounds(self, found: Sequence[Ground]) -> None:
        """Show these."""
        if tuple(found) == tuple(self._grounds):
            return
        self.beginResetModel()
        self._grounds = found
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Facts shown."""
        return 0 if parent.isValid() else len(self._grounds)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Name, state, proven, found."""
        return 0 if parent.isValid() else len(HEADERS)

    def data(self, index: Index, role: int = Display) -> object:
        """Texts, and the glyph of the state."""
        if not index.isValid():
            return None
        ground, column = self._grounds[index.row()], index.column()
        if role in (Display, Qt.ItemDataRole.AccessibleTextRole):
            return ground.cells[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(ground.cells[column])
        if role == Qt.ItemDataRole.DecorationRole and column == 1 and ground.condition:
            return self._look.icon(ground.condition.icon, ground.condition.token)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._look.theme.color("t1" if column == 0 else "t2")
        if role == Qt.ItemDataRole.FontRole:
            return self._look.font((Text.NAME, Text.CELL, Text.LOG, Text.LOG)[column])
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Display) -> object:
        """Names of the columns."""
        return HEADERS[section] if role == Display and orientation is Qt.Orientation.Horizontal else None


class ChangesModel(QAbstractTableModel):
    """When it became READY and when it no longer was."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._changes: Sequence[ReadyMark] = ()

    def show_changes(self, changes: Sequence[ReadyMark]) -> None:
        """Show these, the newest first."""
        if tuple(changes) != tuple(self._changes):
            self.beginResetModel()
            self._changes = changes
            self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Changes shown."""
        return 0 if parent.isValid() else len(self._changes)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """When, state, run, why."""
        return 0 if parent.isValid() else len(CHANGE_HEADERS)

    def data(self, index: Index, role: int = Display) -> object:
        """Texts, and the glyph of the state."""
        if not index.isValid():
            return None
        mark, column = self._changes[index.row()], index.column()
        condition = Condition.READY if mark.ready else Condition.NOT_READY
        cells = (
            when(mark.time),
            condition.word,
            f"run {mark.run}" if mark.run else "",
            visible(f"{mark.because[:1].upper()}{mark.because[1:]}"),
        )
        if role in (Display, Qt.ItemDataRole.AccessibleTextRole):
            return cells[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(cells[column])
        if role == Qt.ItemDataRole.DecorationRole and column == 1:
            return self._look.icon(condition.icon, condition.token)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._look.theme.color("t2")
        if role == Qt.ItemDataRole.FontRole:
            return self._look.font(Text.CELL)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Display) -> object:
        """Names of the columns."""
        return CHANGE_HEADERS[section] if role == Display and orientation is Qt.Orientation.Horizontal else None


class ReadinessPage(QWidget):
    """The state with its reason, below it the facts, and when that changed."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.model = GroundsModel(look, self)
        self.changes_model = ChangesModel(look, self)
        self.state = StateLabel(look, Text.NAME)
        self.reason = PlainLabel("", look, Text.BODY, "t2", selectable=True, wrap=True)
        self.reason.setAccessibleName("Why")
        self.table = QTableView(self)
        set_up(self.table, "Facts that READY stands on", look)
        self.table.setModel(self.model)
        self.empty = EmptyState(look, "help-circle-outline", "No run has made it READY yet", "A deployment proves it.")
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, look.px(12), 0, 0)
        head = QVBoxLayout()
        head.setContentsMargins(look.px(16), 0, look.px(16), look.px(8))
        head.addWidget(self.state)
        head.addWidget(self.reason)
        column.addLayout(head)
        column.addWidget(self.table, 3)
        self.changes = QTableView(self)
        set_up(self.changes, "When it became READY, and when it no longer was", look)
        self.changes.setModel(self.changes_model)
        column.addWidget(self.changes, 1)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(whole)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stack)
        look.changed.connect(self._follow)
        self._follow()

    def show_mark(
        self,
        mark: ReadyMark | None,
        check: EnvironmentCheck | None,
        looked: datetime | None,
        condition: tuple[Condition, str],
        instruments: InstrumentLook | None,
    ) -> None:
        """The newest mark, the last looks, and the state that follows from them."""
        state, reason = condition
        self.state.show_condition(state)
        if mark is not None and not mark.ready:
            reason = f"Not READY since {when(mark.time)}: {mark.because}"
        self.reason.setText(reason[:1].upper() + reason[1:])
        self.model.show_grounds(grounds(mark, check, looked, instruments) if mark is not None else ())
        self._stack.setCurrentIndex(1 if mark is not None else 0)

    def show_changes(self, changes: Sequence[ReadyMark]) -> None:
        """When READY came and went, newest first."""
        self.changes_model.show_changes(changes)

    def _follow(self) -> None:
        measure(self.table, self._look, WIDTHS)
        measure(self.changes, self._look, CHANGE_WIDTHS)
