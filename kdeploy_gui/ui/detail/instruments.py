"""The instruments tab: the matrix wanted, built in, reachable, on, proven, each cell with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QPoint, QRect, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QResizeEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QStyleOptionViewItem, QTableView, QVBoxLayout, QWidget

from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.cells import EDGE, Cells
from kdeploy_gui.ui.detail.evidence import EvidencePopover
from kdeploy_gui.ui.detail.facts import measure, set_up
from kdeploy_gui.ui.detail.instrument_commands import CHECK, COLLECT, PROVE, STOP
from kdeploy_gui.ui.detail.instrument_rows import (
    HEADERS,
    MEANINGS,
    STATES,
    Row,
    counts,
    evidence_text,
    notice,
    rows,
    told,
)
from kdeploy_gui.ui.detail.words import when
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.look import Row as Height
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.strips import Strip
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, EmptyState, Hairline, IconLabel, PlainLabel, StateLabel

WIDTHS = (152, 104, 208, 224, 184)
PROOF, LEAST = 240, 0.5
"""Pixels at 100 % that are left for the last column, and the part of their width that the others keep at least."""
Index = QModelIndex | QPersistentModelIndex
Display = Qt.ItemDataRole.DisplayRole


class MatrixModel(QAbstractTableModel):
    """Rows of the matrix, and heads between them that cannot be chosen."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.rows: Sequence[Row] = ()
        look.changed.connect(self._redraw)

    def show_rows(self, matrix: Sequence[Row]) -> None:
        """Show these; the view stays where it is if only cells changed."""
        before, self.rows = self.rows, matrix
        if [each.title for each in before] != [each.title for each in matrix]:
            self.beginResetModel()
            self.endResetModel()
        elif tuple(before) != tuple(matrix):
            self._redraw()

    def _redraw(self) -> None:
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(HEADERS) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Instruments and heads."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """The instrument and the five answers."""
        return 0 if parent.isValid() else len(HEADERS)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Heads are passed over."""
        row = self.rows[index.row()] if index.isValid() else None
        return Qt.ItemFlag.NoItemFlags if row is None or row.state is None else super().flags(index)

    def data(self, index: Index, role: int = Display) -> object:
        """Texts and the glyphs of their states."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        if row.state is None:
            return _head(row, column, role)
        cell = row.cells[column]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return cell.text
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(row.finds if column == 0 and row.finds else cell.text)
            case Qt.ItemDataRole.DecorationRole if cell.condition is not None:
                return self._look.icon(cell.condition.icon, cell.condition.token)
            case Qt.ItemDataRole.ForegroundRole:
                strong = column == 0 or cell.condition is Condition.REQUIRED
                warns = cell.condition in {Condition.SPENT, Condition.WARNING}
                return self._look.theme.color("t1" if strong else "retry" if warns else "t2")
            case Qt.ItemDataRole.FontRole:
                strong = column == 0 or cell.condition in {Condition.REQUIRED, Condition.SPENT, Condition.WARNING}
                return self._look.font(Text.HEADER if strong and column else Text.NAME if strong else Text.CELL)
            case _:
                return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Display) -> object:
        """Names of the columns, and what they mean."""
        if orientation is Qt.Orientation.Horizontal and role in (Display, Qt.ItemDataRole.ToolTipRole):
            return (HEADERS if role == Display else MEANINGS)[section]
        return None


def _head(row: Row, column: int, role: int) -> object:
    if role in (Display, Qt.ItemDataRole.AccessibleTextRole) and column == 0:
        return f"{row.title}, {row.cells[0].text}"
    return None


class MatrixCells(Cells):
    """Heads stand across all columns."""

    def __init__(self, look: Look, view: QTableView, model: MatrixModel) -> None:
        super().__init__(look, view, Height.MATRIX)
        self._table = view
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one cell, of a head its part of the line."""
        row = self._model.rows[index.row()]
        if row.state is not None:
            super().paint(painter, option, index)
            return
        look = self._look
        rect: QRect = option.rect  # type: ignore[attr-defined]
        painter.save()
        painter.setClipRect(rect)
        painter.fillRect(rect, look.theme.window)
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, look.theme.line)
        line = QRect(self._table.columnViewportPosition(0) + look.px(EDGE), rect.top(), 1 << 15, rect.height())
        for text, style, color in (
            (row.title, Text.HEADER, look.theme.t1),
            (row.cells[0].text, Text.CELL, look.theme.t3),
        ):
            painter.setFont(look.font(style))
            painter.setPen(color)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
            line.setLeft(line.left() + look.metrics(style).horizontalAdvance(text) + look.px(8))
        painter.restore()


class MatrixView(QTableView):
    """Space, Enter or a click on a cell ask for its evidence."""

    asked = Signal(QModelIndex)
    menu_asked = Signal(QPoint)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Evidence, and copying it."""
        index = self.currentIndex()
        if index.isValid() and event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.asked.emit(index)
        elif index.isValid() and event.matches(QKeySequence.StandardKey.Copy):
            self.copy_evidence()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click asks where it began."""
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        left = event.button() is Qt.MouseButton.LeftButton
        if left and index.flags() & Qt.ItemFlag.ItemIsEnabled and index == self.currentIndex():
            self.asked.emit(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The page knows what can be done."""
        self.menu_asked.emit(event.globalPos())

    def copy_evidence(self) -> None:
        """Put the evidence for the current row on the clipboard."""
        model, index = self.model(), self.currentIndex()
        if isinstance(model, MatrixModel) and index.isValid():
            QGuiApplication.clipboard().setText(evidence_text(model.rows[index.row()]))


class InstrumentsPage(QWidget):
    """Notice, matrix, and in which boot it was read."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        look = self._look = session.look
        self.environment = ""
        self._catalogue = tuple(session.services.instruments.all())
        self.model = MatrixModel(look, self)
        self.table = MatrixView(self)
        set_up(self.table, "Instruments", look)
        self.table.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.table.setModel(self.model)
        self.table.setItemDelegate(MatrixCells(look, self.table, self.model))
        self.table.asked.connect(self._show_evidence)
        self.table.menu_asked.connect(self._show_menu)
        self.check = Button(session.commands.action(CHECK), look)
        text = "A check reads which instruments its kernel has. Nothing changes there."
        self._empty = EmptyState(look, "text-search", "Not checked in this boot", text, (self.check,))
        self.notice = Strip(look, "warnbg")
        self.what = PlainLabel("", look, Text.NAME, selectable=True, wrap=True)
        self.remedy = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self.what.setAccessibleName("What is the matter")
        self.remedy.setAccessibleName("What would help")
        self._read = PlainLabel("", look, Text.CELL, "t2")
        self._lay_out()
        look.changed.connect(self._follow)
        self._follow()

    def _lay_out(self) -> None:
        look = self._look
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self.what)
        texts.addWidget(self.remedy)
        line = QHBoxLayout(self.notice)
        line.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        line.setSpacing(look.px(12))
        line.addWidget(IconLabel("alert-outline", look, "retry", 20), 0, Qt.AlignmentFlag.AlignVCenter)
        line.addLayout(texts, 1)
        foot = QHBoxLayout()
        foot.setContentsMargins(look.px(16), look.px(4), look.px(16), look.px(4))
        foot.addWidget(self._read)
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.table, 1)
        column.addWidget(Hairline(look))
        column.addLayout(foot)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(whole)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.notice)
        outer.addWidget(self._stack, 1)

    def show_known(self, environment: Environment | None, events: Sequence[Event], plan: str, boot_id: str) -> None:
        """Show what a run told and what the last look found; `boot_id` is the present boot, as far as known."""
        self.environment = environment.name if environment is not None else ""
        look = self._session.instruments.result(environment)
        run = told(events)
        matrix = rows(self._catalogue, run, look, plan)
        current = self.table.currentIndex()
        title = self.model.rows[current.row()].title if current.isValid() else ""
        self.model.show_rows(matrix)
        if matrix and not self.table.currentIndex().isValid():
            same = (number for number, row in enumerate(matrix) if row.state is not None and row.title == title)
            self.table.setCurrentIndex(self.model.index(next(same, 1), max(current.column(), 0)))
        self._stack.setCurrentIndex(1 if matrix else 0)
        self._tell_notice(matrix, look, boot_id)
        self._tell_read(matrix)
        self._tell_going()

    def _tell_notice(self, matrix: Sequence[Row], look: InstrumentLook | None, boot_id: str) -> None:
        found = notice(matrix, look, boot_id)
        self.notice.setVisible(found is not None)
        if found is not None:
            self.what.setText(found.what)
            self.remedy.setText(found.remedy)
            self.remedy.setVisible(bool(found.remedy))

    def _tell_read(self, matrix: Sequence[Row]) -> None:
        times = sorted(each.read for each in matrix if each.read is not None)
        boots = dict.fromkeys(each.state.boot_id for each in matrix if each.state is not None and each.state.boot_id)
        if not times:
            return
        first, last = when(times[0]), when(times[-1])
        span = f"at {first}" if first == last else f"between {first} and {last}"
        named = f" in boot {' and '.join(each[:8] for each in boots)}" if boots else ""
        self._read.setText(visible(f"Read{named} {span}"))

    def _tell_going(self) -> None:
        if self._session.instruments.going(self.environment) is None:
            self._empty.say("Not checked in this boot", "A check reads which instruments its kernel has.")
        else:
            self._empty.say("Checking", "Connecting, changes nothing there.")

    def _show_evidence(self, index: QModelIndex) -> None:
        cell = self.table.visualRect(index)
        cell.moveTopLeft(self.table.viewport().mapToGlobal(cell.topLeft()))
        EvidencePopover(self.model.rows[index.row()], self._look, self.table).open_at(cell)

    def _show_menu(self, at: QPoint) -> None:
        menu = self._session.commands.menu(self, (CHECK, PROVE, COLLECT))
        index = self.table.currentIndex()
        if index.isValid():
            menu.addSeparator()
            menu.addAction(self._look.icon("text-search", "t1"), "Show evidence", lambda: self._show_evidence(index))
            menu.addAction(self._look.icon("content-copy", "t1"), "Copy evidence", self.table.copy_evidence)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where it is narrow all columns give way, so that the last one stays in sight."""
        super().resizeEvent(event)
        self._follow()

    def _follow(self) -> None:
        room = (self.width() - self._look.px(PROOF)) / self._look.px(sum(WIDTHS))
        measure(self.table, self._look, [round(each * min(max(room, LEAST), 1.0)) for each in WIDTHS])
        self.table.verticalHeader().setDefaultSectionSize(self._look.row(Height.MATRIX))


class InstrumentsTools(QWidget):
    """Beside the tabs: how many are in which state, and the ways to look again."""

    def __init__(self, session: Session, page: InstrumentsPage) -> None:
        super().__init__()
        look, commands = session.look, session.commands
        self._session = session
        self._page = page
        self._narrow = False
        self._labels = {each: StateLabel(look, Text.CELL) for each in (*STATES.values(), Condition.UNKNOWN)}
        self.buttons = tuple(
            Button(commands.action(name), look, dense=True, icon=icon)
            for name, icon in ((CHECK, "refresh"), (PROVE, "check-decagram"), (STOP, "close"))
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(12))
        row.addStretch()
        for label in self._labels.values():
            row.addWidget(label)
        row.addSpacing(look.px(8))
        for button in self.buttons:
            row.addWidget(button)

    def set_narrow(self, narrow: bool) -> None:
        """Where it is narrow the counts give way."""
        self._narrow = narrow
        self.tell()

    def tell(self) -> None:
        """Bring it up to date."""
        found = {} if self._narrow else dict(counts(self._page.model.rows))
        for condition, label in self._labels.items():
            number = found.get(condition, 0)
            label.setVisible(bool(number))
            label.show_condition(condition, f"{number} {condition.word.lower()}")
        going = self._session.instruments.going(self._page.environment)
        check, prove, stop = self.buttons
        check.setVisible(going is None)
        prove.setVisible(going is None)
        stop.setVisible(going is not None)
