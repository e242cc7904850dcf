"""The page of a run: its header, its environments as grid or cards, and the detail of the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QByteArray, QPoint, Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.detail.pane import DetailPane
from kdeploy_gui.ui.filters import Filter
from kdeploy_gui.ui.progress.actions import CONTEXT, SCOPE, FleetActions
from kdeploy_gui.ui.progress.header import RunHeader
from kdeploy_gui.ui.progress.model import FleetModel, Order, now
from kdeploy_gui.ui.progress.tails import last_lines, newest_told
from kdeploy_gui.ui.progress.tool_bar import FleetToolBar
from kdeploy_gui.ui.progress.views import FleetViews
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, EmptyState, Hairline

TICK_MS = 1000
SUM_MS = 100
"""From news of environments to the totals of the run."""
TAIL_EVENTS = 200
"""Newest events looked through for the last lines of a log."""


class FleetPage(QWidget):
    """One run, whatever its age: live or from the history."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._run = 0
        self._wanted: tuple[str, Stage | None] = ("", None)
        self._missed: set[str] = set()
        self._syncing = False
        self._reading = False
        self._focus_wanted = False
        self.model = FleetModel(self)
        self.views = FleetViews(session.look, self.model)
        self.detail = DetailPane(session)
        self.actions_here = FleetActions(session, self.model, self.views, self.detail)
        self.header = RunHeader(session)
        switches = [session.commands.action(each) for each in ("fleet.grid", "fleet.panes")]
        self.tools = FleetToolBar(session.look, switches)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self._pages = QStackedWidget()
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._summing = QTimer(self, interval=SUM_MS, singleShot=True)
        self._summing.timeout.connect(self._sum_up)
        self._lay_out()
        self._restore()
        self._connect()
        session.commands.attach(self, SCOPE)

    @property
    def run(self) -> int:
        """The run that is shown; 0: none."""
        return self._run

    def show_run(self, run: int, environment: str = "", stage: Stage | None = None) -> None:
        """Show a run (0: the one shown, or the newest with this environment), and in it an environment and stage."""
        if run == 0 and environment and environment not in self.model.run.environments:
            self._session.bridge.spawn(self._show_newest_of(environment), name="find the newest run")
            return
        self._wanted = (environment, stage)
        if run not in {0, self._run}:
            self._run = run
            self._missed.clear()
            self._show_state()
            self._session.runs.open(run)
        else:
            self._go_to_wanted()

    def focus_first(self) -> None:
        """Put the focus on the environments, as soon as there are any."""
        self._focus_wanted = self._pages.currentIndex() == 0
        self.views.currentWidget().setFocus(Qt.FocusReason.OtherFocusReason)

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self.header.chooser, self.views.currentWidget(), *self.detail.regions())

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened unseen."""
        super().showEvent(event)
        self._timer.start()
        if self._missed:
            self._runs_changed(self._run, frozenset(self._missed))
        self._tick()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is drawn where nobody looks."""
        super().hideEvent(event)
        self._timer.stop()

    def _runs_changed(self, run: int, names: frozenset[str]) -> None:
        state = self._session.runs.state(run) if run == self._run else None
        if state is None:
            return
        if self.model.run.run != run:
            self._show_state()
        elif not self.isVisible():
            self._missed |= names
        else:
            self._missed.clear()
            self.model.update(state, names, now())
            self._go_to_wanted()
            if state.outcome is not None:
                self._sum_up()
            elif not self._summing.isActive():
                self._summing.start()

    def _sum_up(self) -> None:
        self.header.show_run(self.model.run, now())
        self.actions_here.refresh()

    def _show_state(self) -> None:
        """The run's newest snapshot, from the first to the last cell."""
        state = self._session.runs.state(self._run)
        if state is None:
            return
        self._show_parts()
        self.model.show(state, now())
        self.header.show_run(state, now())
        if not self._go_to_wanted() and self.model.rowCount():
            self.views.go_to(self.model.at(0).name)
            if self.detail.run != self._run:  # the cursor was on one of that name: it did not move
                self.detail.show_environment(self._run, self.views.current)
        if self._focus_wanted:
            self.focus_first()
        self._ask_for_tails()
        self.actions_here.refresh()

    def _go_to_wanted(self) -> bool:
        name, stage = self._wanted
        if not name or self.model.place(name) < 0:
            return False
        self._wanted = ("", None)
        self.views.go_to(name)
        self.detail.show_environment(self._run, name, stage)
        return True

    def _run_started(self, run: int) -> None:
        if self._run == 0:
            self.show_run(run)

    async def _show_newest_of(self, environment: str) -> None:
        query = RunQuery(environment=environment, limit=1)
        records = await self._session.bridge.ask(lambda: self._session.services.history.runs(query))
        if records:
            self.show_run(records[0].run, environment)

    def _chosen(self, name: str) -> None:
        self.detail.show_environment(self._run, name)

    def _drilled(self, name: str, stage: Stage | None) -> None:
        self.detail.show()
        self.detail.show_environment(self._run, name, stage)
        self.detail.focus_first()
        self.actions_here.refresh()

    def _selected(self, by_user: bool) -> None:
        """What the user selects here is selected in the tree, too."""
        if by_user and not self._syncing:
            self._syncing = True
            self._session.machines.select(self.views.names())
            self._syncing = False
        self.actions_here.refresh()

    def _machines_selected(self) -> None:
        names = self._session.machines.selected
        if not self._syncing and set(names) != set(self.views.names()):
            self._syncing = True
            self.views.choose(names)
            self._syncing = False

    def _tick(self) -> None:
        state = self.model.run
        if state.run and state.outcome is None:
            self.model.refresh(now())
            self.header.show_run(state, now())
        self._ask_for_tails()

    def _ask_for_tails(self) -> None:
        if self.views.panes.isVisible() and not self._reading:
            self._reading = True
            self._session.bridge.spawn(self._take_tails(), name="read the ends of logs")

    async def _take_tails(self) -> None:
        run, panes, session = self._run, self.views.panes, self._session
        newest = {name: newest_told(session.runs.events(run, name), TAIL_EVENTS) for name in panes.visible_names()}

        def read() -> dict[str, tuple[str, ...]]:
            output = session.services.output.read
            return {name: last_lines(events, partial(output, run, name)) for name, events in newest.items()}

        try:
            panes.show_tails(await session.bridge.ask(read))
        finally:
            self._reading = False

    def _filter(self, chosen: Filter) -> None:
        self.model.set_filter(chosen)
        self._session.settings.setValue("fleet/filter", self.tools.filter.text)

    def _show_parts(self) -> None:
        """The run with its details; the details alone, such as a console, where there is no run."""
        self._pages.setCurrentIndex(1)
        for each in (self.header, self._upper):
            each.setVisible(self._run != 0)

    def _order(self, order: Order) -> None:
        self.model.set_order(order)
        self._session.settings.setValue("fleet/order", order.name)

    def _lay_out(self) -> None:
        look = self._session.look
        whole = QWidget()
        self._upper = upper = QWidget()
        above, column, outer = QVBoxLayout(upper), QVBoxLayout(whole), QVBoxLayout(self)
        for each in (above, column, outer):
            each.setContentsMargins(0, 0, 0, 0)
            each.setSpacing(0)
        above.addWidget(self.tools)
        above.addWidget(self.views, 1)
        self.splitter.addWidget(upper)
        self.splitter.addWidget(self.detail)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setSizes([look.px(420), look.px(316)])
        column.addWidget(self.header)
        column.addWidget(Hairline(look))
        column.addWidget(self.splitter, 1)
        deploy = Button("New deployment", look, icon="plus")
        deploy.clicked.connect(lambda: self._session.commands.run("deployment.new"))
        says = "Choose environments on the left and deploy to them."
        empty = EmptyState(look, "rocket-launch-outline", "No run yet", says, [deploy])
        self._pages.addWidget(empty)
        self._pages.addWidget(whole)
        outer.addWidget(self._pages)

    def _restore(self) -> None:
        settings = self._session.settings
        split = settings.value("fleet/splitter")
        if isinstance(split, QByteArray):
            self.splitter.restoreState(split)
        order = str(settings.value("fleet/order", Order.ATTENTION.name))
        if order in Order.__members__:
            self.model.order = Order[order]
            self.tools.show_order(self.model.order)
        self.views.show_panes(str(settings.value("fleet/panes", "false")).lower() == "true")
        self.tools.filter.set_text(str(settings.value("fleet/filter", "")))
        self.model.set_filter(self.tools.filter.filter)
        self.actions_here.refresh()

    def _connect(self) -> None:
        session, views = self._session, self.views
        session.runs.changed.connect(self._runs_changed)
        session.runs.started.connect(self._run_started)
        session.machines.selection_changed.connect(self._machines_selected)
        self.model.counted.connect(self.tools.filter.set_count)
        self.tools.filter.changed.connect(self._filter)
        self.tools.ordered.connect(self._order)
        self.splitter.splitterMoved.connect(self._save_split)
        self.detail.wanted.connect(self._show_parts)
        views.chosen.connect(self._chosen)
        views.drilled.connect(self._drilled)
        views.selected.connect(self._selected)
        views.panes.scrolled.connect(self._ask_for_tails)
        views.currentChanged.connect(self._ask_for_tails)
        for view in (views.grid, views.panes):
            self.tools.filter.serve(view)
            view.customContextMenuRequested.connect(self._show_context)

    def _show_context(self, point: QPoint) -> None:
        menu = self._session.commands.menu(self, CONTEXT)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.views.currentWidget().mapToGlobal(point))

    def _save_split(self) -> None:
        self._session.settings.setValue("fleet/splitter", self.splitter.saveState())
