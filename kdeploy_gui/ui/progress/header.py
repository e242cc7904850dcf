"""The head of a run: which one, how it stands in numbers, and what can be done with all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QVBoxLayout, QWidget

from kdeploy_gui.model.history import RunQuery, RunRecord
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.progress.delegate import Brush
from kdeploy_gui.ui.progress.rows import Totals, time_of_day, totals_of
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition, condition_of_outcome, slice_icon
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, IconButton, IconLabel, PlainLabel

HEIGHT = 64
NARROW = 900
"""Width at 100 % under which secondary buttons go into the menu: the window is then some 1180 wide."""
LISTED = 20
GAP = 12
"""Between two numbers."""
BUTTONS = ("run.cancel", "run.retry", "run.report")


class ShortLabel(QWidget):
    """One line that gives way: shortened at its end where there is no room, whole in its tooltip."""

    def __init__(self, what: str, look: Look, style: Text, least: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = what
        self._look = look
        self._style = style
        self._least = least
        self._text = ""
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        look.changed.connect(self._follow)

    @property
    def text(self) -> str:
        """The whole text."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show another text."""
        shown = visible(text)
        if shown != self._text:
            self._text = shown
            self.setAccessibleName(shown)
            self.setToolTip(plain_tip(f"{self._what}\n{shown}"))
            self._follow()

    def sizeHint(self) -> QSize:
        """Room for all of it."""
        metrics = self._look.metrics(self._style)
        return QSize(metrics.horizontalAdvance(self._text) + 2, metrics.height())

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters."""
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._look.px(self._least)), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what there is room for."""
        painter = QPainter(self)
        painter.setFont(self._look.font(self._style))
        painter.setPen(self._look.theme.t2)
        text = self._look.metrics(self._style).elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)

    def _follow(self) -> None:
        self.updateGeometry()
        self.update()


class SegmentBar(QWidget):
    """Environments by state: a bar in proportion, and below it each state with icon, number and word."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._brush = Brush(look)
        self._counts: tuple[tuple[Condition, int], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Environments by state")
        look.changed.connect(self._follow)

    def show_counts(self, counts: Sequence[tuple[Condition, int]]) -> None:
        """Other numbers."""
        if tuple(counts) != self._counts:
            self._counts = tuple(counts)
            said = ", ".join(count_words(each, number) for each, number in counts)
            self.setAccessibleDescription(said)
            self.setToolTip(said)
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        """As wide as the longest list of states is likely to be."""
        return QSize(self._look.px(420), self._look.px(40))

    def minimumSizeHint(self) -> QSize:
        """Words give way to numbers, and those stay."""
        return QSize(max(self._look.px(120), self._needed(self._numbers())), self._look.px(40))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw bar and numbers."""
        px = self._look.px
        painter = QPainter(self)
        self._bar(painter, QRect(0, self.height() // 2 - px(14), self.width(), px(6)))
        line = QRect(0, self.height() // 2, self.width(), px(20))
        painter.setFont(self._brush.cell)
        texts = self._texts()
        left = 0
        for (condition, _), text in zip(self._counts, texts, strict=True):
            at = self._brush.glyph(painter, _icon(condition), condition.token, left, line)
            self._brush.text(painter, text, self._look.theme.t2, at, line)
            left = at + self._brush.metrics.horizontalAdvance(text) + px(GAP)

    def _bar(self, painter: QPainter, rect: QRect) -> None:
        whole = sum(number for _, number in self._counts)
        painter.fillRect(rect, self._look.theme.track)
        done = 0
        for condition, number in self._counts:
            left, right = rect.width() * done // whole, rect.width() * (done + number) // whole
            token = "track" if condition is Condition.PENDING else condition.token
            painter.fillRect(left, rect.top(), max(1, right - left - 2), rect.height(), self._look.theme.color(token))
            done += number

    def _texts(self) -> list[str]:
        words = [count_words(each, number) for each, number in self._counts]
        return words if self._needed(words) <= self.width() else self._numbers()

    def _numbers(self) -> list[str]:
        return [str(number) for _, number in self._counts]

    def _needed(self, texts: Sequence[str]) -> int:
        brush, gap = self._brush, self._look.px(GAP)
        return sum(brush.metrics.horizontalAdvance(text) + brush.icon + brush.gap + gap for text in texts) - gap

    def _follow(self) -> None:
        self._brush.measure()
        self.updateGeometry()
        self.update()


class RunHeader(QWidget):
    """Run, plan, numbers and buttons; the arrow opens other runs."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        look = session.look
        self._session = session
        self._ended = False
        self._row = QHBoxLayout(self)
        self.icon = IconLabel("circle-outline", look, "t3", 20)
        self.name = PlainLabel("", look, Text.HEADING)
        self.plan = ShortLabel("Plan", look, Text.HEADING, 40)
        self.started = ShortLabel("Run", look, Text.CELL, 100)
        self.chooser = IconButton("chevron-down", "Choose a run", look)
        self.chooser.clicked.connect(self._list_runs)
        self.segments = SegmentBar(look)
        self.left = PlainLabel("", look, Text.HEADING)
        self.elapsed = ShortLabel("Time", look, Text.CELL, 100)
        self.buttons = {each: Button(session.commands.action(each), look) for each in BUTTONS}
        self.more = IconButton("dots-horizontal", "More for this run", look)
        self.more.clicked.connect(self._show_more)
        self._lay_out(look)
        look.changed.connect(self._follow)
        self._follow()

    def show_run(self, run: RunState, now: datetime) -> None:
        """How a run stands."""
        totals = totals_of(run, now)
        condition = condition_of_outcome(run.outcome)
        self.icon.show_icon(slice_icon(totals.share) if run.outcome is None else condition.icon, condition.token)
        self.name.setText(f"Run {run.run}")
        self.plan.set_text(run.plan)
        self.setAccessibleName(f"Run {run.run}, {condition.word}")
        self.started.set_text(_began(run, totals))
        self.segments.show_counts(totals.counts)
        self.left.setText(_headline(run, totals, condition))
        stages = f"{totals.stages_done} of {totals.stages} stages"
        self.elapsed.set_text(
            f"{totals.elapsed} elapsed, {stages}" if run.outcome is None else f"took {totals.elapsed}, {stages}"
        )
        if self._ended is not (run.outcome is not None):
            self._ended = run.outcome is not None
            self._choose_buttons()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Buttons that have no room go into the menu."""
        self._choose_buttons()

    def _lay_out(self, look: Look) -> None:
        px = look.px
        title = QHBoxLayout()
        title.setSpacing(px(8))
        for each in (self.icon, self.name, self.plan, self.chooser):
            title.addWidget(each)
        title.addStretch()
        which, times, row = QVBoxLayout(), QVBoxLayout(), self._row
        which.setSpacing(px(2))
        which.addStretch()
        which.addLayout(title)
        which.addWidget(self.started)
        times.setSpacing(px(2))
        times.addStretch()
        times.addWidget(self.left)
        times.addWidget(self.elapsed)
        self.left.setMinimumHeight(self.chooser.height())
        for column in (which, times):
            column.setContentsMargins(0, 0, 0, 0)
            column.addStretch()
        row.setContentsMargins(px(16), 0, px(12), 0)
        row.addLayout(which)
        row.addWidget(self.segments, 1)
        row.addLayout(times)
        ends = QHBoxLayout()
        ends.setSpacing(px(8))
        for button in (*self.buttons.values(), self.more):
            ends.addWidget(button)
        row.addLayout(ends)

    def _choose_buttons(self) -> None:
        narrow = self.width() < self._session.look.px(NARROW)
        first = "run.retry" if self._ended else "run.cancel"
        for name, button in self.buttons.items():
            button.setVisible(name == first or (name == "run.report" and not narrow))
        self.more.setVisible(narrow)
        self._row.setSpacing(self._session.look.px(12 if narrow else 20))

    def _show_more(self) -> None:
        hidden = [name for name, button in self.buttons.items() if not button.isVisible()]
        menu = self._session.commands.menu(self, hidden)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _list_runs(self) -> None:
        self._session.bridge.spawn(self._open_list(), name="list runs")

    async def _open_list(self) -> None:
        session = self._session
        records = await session.bridge.ask(lambda: session.services.history.runs(RunQuery(limit=LISTED)))
        menu = QMenu(self)
        menu.setObjectName("runs")
        for record in records:
            condition = condition_of_outcome(record.outcome)
            action = menu.addAction(session.look.icon(condition.icon, condition.token), _run_words(record, condition))
            action.setData(record.run)
        menu.triggered.connect(self._go)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.chooser.mapToGlobal(self.chooser.rect().bottomLeft()))

    def _go(self, action: QAction) -> None:
        self._session.navigator.fleet(int(action.data()))

    def _follow(self) -> None:
        self.setFixedHeight(self._session.look.px(HEIGHT))
        self._choose_buttons()


def count_words(condition: Condition, number: int) -> str:
    """`4 ready`."""
    return f"{number} {condition.word.lower()}"


def _icon(condition: Condition) -> str:
    return slice_icon(0.5) if condition is Condition.RUNNING else condition.icon


def _began(run: RunState, totals: Totals) -> str:
    count = f"{totals.environments} {'environment' if totals.environments == 1 else 'environments'}"
    return f"{count}, started {time_of_day(run.submitted)}" if run.submitted else count


def _headline(run: RunState, totals: Totals, condition: Condition) -> str:
    if run.outcome is not None:
        return condition.word
    return totals.left or Condition.RUNNING.word


def _run_words(record: RunRecord, condition: Condition) -> str:
    """A run in a menu; & would mark a key there."""
    moment = record.submitted.astimezone().strftime("%a %d %b %H:%M")
    return f"Run {record.run}  {visible(record.plan)}  {condition.word}, {moment}".replace("&", "&&")
