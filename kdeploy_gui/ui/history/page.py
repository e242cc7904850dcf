"""The history: every run that was, found by a filter, and the chosen one beside the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from PySide6.QtCore import QByteArray, QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.model.history import RunCount, RunRecord
from kdeploy_gui.model.stage import Stage, Status
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.filters import Filter, FilterBar
from kdeploy_gui.ui.history.cells import RunView
from kdeploy_gui.ui.history.charts import ChartStrip
from kdeploy_gui.ui.history.query import KEYS, run_query
from kdeploy_gui.ui.history.summary import RunSummary
from kdeploy_gui.ui.history.table import Column, RunTable
from kdeploy_gui.ui.history.trends import MOST_RUNS, MOST_TIMED, Trends, beginning, trends_of
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.reports import save_report
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.unlocking import unlock
from kdeploy_gui.ui.widgets import Button, EmptyState, Hairline, IconLabel, Kind, PlainLabel

SCOPE = "history"
SUMMARY_WIDTH = 464
SMALLEST_SUMMARY, SMALLEST_LIST = 400, 600
TYPING_MS = 150
"""After the last key before the history is searched."""
RESTING_MS = 100
"""On a row before its events are read."""
MENU = ("history.open", "history.retry", "history.again", "history.report", "", "history.copy")
SPLITTER = "history/splitter"
ROOM_FOR_CHARTS = 480
"""Height of the page from which the charts are shown."""


class RunDrafts(Protocol):
    """What the page asks of the open drafts."""

    def from_run(self, run: int) -> None:
        """Open a draft that would do again what a run did."""


class HistoryPage(QWidget):
    """List and summary."""

    def __init__(self, session: Session, drafts: RunDrafts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._drafts = drafts
        self._wanted = 0
        self.table = RunTable(session, self)
        self.view = RunView(session.look, self.table)
        self._add_commands()
        self.filter = FilterBar(session.look, KEYS, "Filter: text, env:, plan:, status:, code:, since:")
        self.filter.serve(self.view)
        self.summary = RunSummary(session, self._buttons(), self._open_button())
        self._warning = PlainLabel("", session.look, Text.CELL, "retry", wrap=True)
        self._warning_row = QWidget()
        self._clear = Button("Clear filter", session.look)
        self._empty = EmptyState(session.look, "magnify", "No run matches", buttons=(self._clear,))
        self.charts = ChartStrip(session.look)
        self._pages = QStackedWidget()
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self._typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        self._resting = QTimer(self, singleShot=True, interval=RESTING_MS)
        self._lay_out()
        self._connect()
        self._search()

    def show_run(self, run: int) -> None:
        """Choose a run; the filter is cleared where it hides it."""
        self._wanted = run
        if self.table.row_of(run) < 0:
            self.filter.set_text("")
            self._typing.stop()
            self.table.search_through(run)
        else:
            self._choose_wanted()

    def focus_first(self) -> None:
        """Put the focus into the list."""
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)

    def regions(self) -> Sequence[QWidget]:
        """Filter, list and summary."""
        return (self.filter.field, self.view, self.summary)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The list needs the room of the charts in a low window."""
        self._fit_charts()
        super().resizeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Look for runs that came meanwhile."""
        super().showEvent(event)
        self.table.look_for_newer()
        self._resting.start()
        self._chosen()

    def hideEvent(self, event: QHideEvent) -> None:
        """Read nothing for a page that nobody sees."""
        super().hideEvent(event)
        self._resting.stop()
        if self._typing.isActive():
            self._typing.stop()
            self._search()
        self._refresh()

    def figure(self, name: str) -> str:
        """A figure of the chosen run as it is shown."""
        return self.summary.figures[name].value.text()

    @property
    def record(self) -> RunRecord | None:
        """The chosen run."""
        return self.table.record(self.view.currentIndex().row())

    def _lay_out(self) -> None:
        look = self._session.look
        self._pages.addWidget(self.view)
        self._pages.addWidget(self._empty)
        warning = QHBoxLayout(self._warning_row)
        warning.setContentsMargins(0, 0, 0, 0)
        warning.setSpacing(look.px(4))
        warning.addWidget(IconLabel("alert-outline", look, "retry", 14), 0, Qt.AlignmentFlag.AlignTop)
        warning.addWidget(self._warning, 1)
        self._warning_row.hide()
        bar = QVBoxLayout()
        bar.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        bar.setSpacing(look.px(4))
        bar.addWidget(self.filter)
        bar.addWidget(self._warning_row)
        left = QWidget()
        left.setMinimumWidth(look.px(SMALLEST_LIST))
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(Hairline(look))
        column.addWidget(self.charts)
        column.addWidget(self._pages, 1)
        self.summary.setMinimumWidth(look.px(SMALLEST_SUMMARY))
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.summary)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setSizes([10_000, look.px(SUMMARY_WIDTH)])
        saved = self._session.settings.value(SPLITTER)
        if isinstance(saved, QByteArray):
            self.splitter.restoreState(saved)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.splitter)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)

    def _connect(self) -> None:
        session = self._session
        self.filter.changed.connect(lambda _: self._typing.start())
        self._typing.timeout.connect(self._search)
        self._clear.clicked.connect(lambda: self.filter.set_text(""))
        self.table.counted.connect(self._show_count)
        self.table.read.connect(self._page_read)
        self.table.dataChanged.connect(self._data_changed)
        self.view.selectionModel().currentRowChanged.connect(self._chosen)
        self.view.activated.connect(lambda _: session.commands.run("history.open"))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self._resting.timeout.connect(self._read_events)
        self.summary.error_wanted.connect(self._open_error)
        self.summary.log_wanted.connect(self._open_log)
        session.runs.changed.connect(self._run_changed)
        session.runs.ended.connect(lambda _: session.bridge.spawn(self._read_trends(), name="read trends"))
        self.splitter.splitterMoved.connect(lambda *_: session.settings.setValue(SPLITTER, self.splitter.saveState()))
        session.commands.attach(self, SCOPE)

    def _add_commands(self) -> None:
        self._session.commands.add(
            Command(
                "history.retry",
                "Retry what failed...",
                "Run",
                self._retry,
                "Ctrl+R",
                "refresh",
                self._no_retry,
                scope=SCOPE,
            ),
            Command(
                "history.again",
                "Again with changes...",
                "Run",
                self._again,
                icon="pencil",
                enabled=self._none,
                keywords="repeat draft",
                no_key="a button does it",
            ),
            Command(
                "history.report", "Report...", "Run", self._report, "Ctrl+E", "export-variant", self._none, scope=SCOPE
            ),
            Command(
                "history.open", "Open run", "Run", self._open, icon="arrow-right", enabled=self._none, no_key="Enter"
            ),
            Command("history.copy", "Copy row", "Edit", self._copy, "Ctrl+C", "content-copy", self._none, scope=SCOPE),
        )

    def _buttons(self) -> Sequence[Button]:
        look, action = self._session.look, self._session.commands.action
        kinds = {"history.retry": Kind.PRIMARY}
        names = ("history.retry", "history.again", "history.report")
        return [Button(action(name), look, kinds.get(name, Kind.SECONDARY), dense=True) for name in names]

    def _open_button(self) -> Button:
        return Button(self._session.commands.action("history.open"), self._session.look, Kind.LINK, dense=True)

    def _search(self) -> None:
        query = run_query(self.filter.filter, datetime.now(UTC))
        wrong = query if isinstance(query, str) else ""
        self._warning.setText(wrong)
        self._warning_row.setVisible(bool(wrong))
        self.filter.field.setAccessibleDescription(wrong)
        if not isinstance(query, str):
            self.table.search(query)

    def _page_read(self) -> None:
        some = self.table.rowCount() > 0
        filtered = self.filter.filter != Filter()
        if filtered:
            self._empty.say("No run matches")
        else:
            self._empty.say("No runs yet", "Every deployment is kept here with all it said.")
        self._clear.setVisible(filtered)
        self._pages.setCurrentWidget(self.view if some else self._empty)
        self._choose_wanted()
        self._session.bridge.spawn(self._read_trends(), name="read trends")

    async def _read_trends(self) -> None:
        """The charts show what the list does, of the last 30 days."""
        history, now, query = self._session.services.history, datetime.now(UTC), self.table.query
        since = max(beginning(now), query.since or beginning(now))
        asked = replace(query, since=since, before=0, limit=MOST_RUNS)

        def read() -> Trends:
            records = history.runs(asked)
            times = history.stage_times([each.run for each in records[:MOST_TIMED]])
            return trends_of(records, times, now)

        trends = await self._session.bridge.ask(read)
        if query == self.table.query:
            self.charts.show_trends(trends)
            self._fit_charts()

    def _fit_charts(self) -> None:
        tall = self.height() >= self._session.look.px(ROOM_FOR_CHARTS)
        self.charts.setVisible(tall and self.charts.days.trends.total > 0)

    def _choose_wanted(self) -> None:
        """Choose again the run that was chosen, or the newest."""
        row = self.table.row_of(self._wanted)
        if row < 0 and self.table.rowCount():
            row = 0
        if row >= 0 and row != self.view.currentIndex().row():
            self.view.setCurrentIndex(self.table.index(row, Column.RUN))
            self.view.scrollTo(self.view.currentIndex())
        self._chosen()

    def _chosen(self) -> None:
        record = self.record
        self.summary.setVisible(record is not None)
        if record is not None:
            self._wanted = record.run
            self.summary.show_record(record)
            if self.isVisible():
                self._resting.start()
        self._refresh()

    def _read_events(self) -> None:
        if self.record is not None:
            self._session.runs.open(self.record.run)

    def _data_changed(self) -> None:
        if self.isVisible() and self.record is not None and self.record.outcome is None:
            self.summary.show_record(self.record)

    def _run_changed(self, run: int, _names: frozenset[str]) -> None:
        if self.isVisible() and self.record is not None and self.record.run == run:
            self.summary.show_record(self.record)
            self._refresh()

    def _show_count(self, count: RunCount) -> None:
        all_of_them = count.matching == count.total
        shown = f"{count.total:,} runs" if all_of_them else f"{count.matching:,} of {count.total:,} runs"
        self.filter.count.setText("1 run" if all_of_them and count.total == 1 else shown)

    def _show_menu(self, place: QPoint) -> None:
        if self.view.indexAt(place).isValid():
            menu = self._session.commands.menu(self, MENU)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(place))

    def _refresh(self) -> None:
        self._session.commands.refresh(each for each in MENU if each)

    def _none(self) -> str:
        if not self.isVisible():
            return "Go to the history first"
        return "" if self.record is not None else "Choose a run first"

    def _no_retry(self) -> str:
        if self.record is None or not self.isVisible():
            return self._none()
        if self.record.outcome is None:
            return f"Run {self.record.run} goes on"
        if self._session.runs.state(self.record.run) is None:
            return "The run is being read"
        return "" if self._unfinished() else "Every environment of this run became ready"

    def _unfinished(self) -> tuple[str, ...]:
        state = self._session.runs.state(self.record.run) if self.record is not None else None
        if state is None:
            return ()
        everyone = state.environments.values()
        return tuple(each.name for each in everyone if each.status is not Status.COMPLETED or not each.ready)

    def _retry(self) -> None:
        if self.record is not None:
            retry = self._retry_run(self.record.run, self._unfinished())
            self._session.bridge.spawn(retry, name="retry what failed")

    async def _retry_run(self, run: int, names: tuple[str, ...]) -> None:
        session = self._session
        count = "1 environment" if len(names) == 1 else f"{len(names)} environments"
        question = Question(
            title=f"Retry {count} of run {run}",
            text="The plan of that run is done again as a new run, all six stages, with the sources as they are now.",
            details=names,
            accept="Retry",
        )
        if await session.asking.confirm(question):
            await unlock(session, names)
            again = await session.bridge.ask(lambda: session.services.retry(run, names))
            session.navigator.fleet(again)

    def _again(self) -> None:
        if self.record is not None:
            self._drafts.from_run(self.record.run)

    def _report(self) -> None:
        if self.record is not None:
            self._session.bridge.spawn(save_report(self._session, self.record.run), name="save a report")

    def _open(self) -> None:
        if self.record is not None:
            self._session.navigator.fleet(self.record.run)

    def _copy(self) -> None:
        row = self.view.currentIndex().row()
        cells = [str(self.table.index(row, column).data()) for column in Column]
        QGuiApplication.clipboard().setText("\t".join(cells))

    def _open_error(self, environment: str) -> None:
        if self.record is not None:
            self._session.navigator.error(self.record.run, environment)

    def _open_log(self, environment: str) -> None:
        state = self._session.runs.state(self.record.run) if self.record is not None else None
        if state is not None and self.record is not None:
            failure = state.environments[environment].error
            stage = failure.where.stage if failure is not None else ""
            known = Stage(stage) if stage in set(Stage) else None
            self._session.navigator.fleet(self.record.run, environment, known)
