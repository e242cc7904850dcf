"""The pane below the fleet: one environment in one run, from its log to what its READY stands on."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.detail.facts import FactsPage
from kdeploy_gui.ui.detail.log_page import LogPage
from kdeploy_gui.ui.detail.log_tools import LogTools
from kdeploy_gui.ui.detail.readiness import ReadinessPage
from kdeploy_gui.ui.detail.steps import StepsPage
from kdeploy_gui.ui.detail.title import TitleRow, about
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import condition_of
from kdeploy_gui.ui.widgets import Hairline

TABS = ("Log", "Steps", "Facts", "Readiness")
LOG, STEPS, FACTS, READINESS = range(len(TABS))
SCOPE = "log"
NARROW = 916
"""Pixels at 100 % below which the tools are glyphs only."""


class DetailPane(QWidget):
    """Shows what `show_environment` names; follows its run."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.run = 0
        self.environment = ""
        self._mark: ReadyMark | None = None
        self.title = TitleRow(session.look)
        self.log = LogPage(session)
        self.steps = StepsPage(session.look)
        self.facts = FactsPage(session.look)
        self.readiness = ReadinessPage(session.look)
        self.tabs = QTabBar(self)
        self._add_commands()
        self.tools = LogTools(session.look, session.commands, self.log)
        self._lay_out()
        session.commands.attach(self, SCOPE)
        session.runs.changed.connect(self._run_changed)
        session.machines.checked.connect(self._checked)
        session.machines.changed.connect(self._tell)
        self.log.problems_changed.connect(self._refresh_commands)
        self.title.open_error.clicked.connect(self._open_error)
        self.show_environment(0, "")

    def show_environment(self, run: int, environment: str, stage: Stage | None = None) -> None:
        """Show an environment of a run (0: it has none), and a stage of its log."""
        other = (run, environment) != (self.run, self.environment)
        self.run, self.environment = run, environment
        if other or not environment:
            self._mark = self._session.machines.mark(environment)
            self.steps.clear()
            self.facts.clear()
        if run:
            self._session.runs.open(run)
        if stage is not None:
            self.tabs.setCurrentIndex(LOG)
        self.log.show_log(run, environment, stage)
        self._take()
        self._refresh_commands()
        if other:
            self._ask_mark()

    def focus_first(self) -> None:
        """Put the focus into what the current tab shows."""
        self._views[self.tabs.currentIndex()].setFocus(Qt.FocusReason.OtherFocusReason)

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self._views[self.tabs.currentIndex()],)

    # Layout and commands

    def _lay_out(self) -> None:
        look = self._session.look
        self._views = (self.log.view, self.steps.tree, self.facts.table, self.readiness.table)
        self.tabs.setAccessibleName("Views of the environment")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        self._pages = QStackedWidget(self)
        for name, page in zip(TABS, (self.log, self.steps, self.facts, self.readiness), strict=True):
            self.tabs.addTab(name)
            self._pages.addWidget(page)
        row = QHBoxLayout()
        row.setContentsMargins(look.px(4), 0, look.px(16), 0)
        row.addWidget(self.tabs)
        row.addStretch()
        row.addWidget(self.tools)
        row.addWidget(self.facts.field)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.title)
        column.addLayout(row)
        column.addWidget(Hairline(look))
        column.addWidget(self._pages, 1)
        self.tabs.currentChanged.connect(self._show_tab)
        self._show_tab(LOG)

    def _add_commands(self) -> None:
        view = self.log.view
        self._session.commands.add(
            *(
                Command(
                    f"log.{name}",
                    title,
                    "View",
                    handler,
                    key,
                    icon,
                    self._why_not,
                    no_key="" if key else "End in the log",
                    scope=SCOPE,
                )
                for name, title, handler, key, icon in (
                    ("search", "Search the log", self._search, "Ctrl+F", "magnify"),
                    ("follow", "Follow the end of the log", view.follow_end, "", "arrow-collapse-down"),
                    ("next_hit", "Next hit", self._next_hit, "F3", "chevron-down"),
                    ("previous_hit", "Previous hit", self._previous_hit, "Shift+F3", "chevron-up"),
                    ("next_stage", "Next stage of the log", self._next_stage, "]", ""),
                    ("previous_stage", "Previous stage of the log", self._previous_stage, "[", ""),
                    ("go_to_time", "Go to a time...", self.log.bar.ask_time, "Ctrl+G", "clock-outline"),
                    ("copy", "Copy with run and stage", self.log.copy, "Ctrl+C", "content-copy"),
                    ("copy_raw", "Copy lines only", self._copy_raw, "Ctrl+Shift+C", "content-copy"),
                )
            )
        )
        self._session.commands.add(
            *(
                Command(f"log.{name}", title, "View", handler, key, icon, self._why_not, scope=SCOPE, checked=checked)
                for name, title, handler, key, icon, checked in (
                    ("problems", "Problems only", self._toggle_problems, "Alt+P", "alert-outline", self._only_problems),
                    ("wrap", "Wrap", self._toggle_wrap, "Alt+W", "wrap", lambda: view.wrap),
                    ("times", "Time", self._toggle_times, "Alt+T", "clock-outline", lambda: view.times),
                )
            )
        )

    def _why_not(self) -> str:
        if not self.run:
            return "No run has worked on this environment yet"
        return "" if self.tabs.currentIndex() == LOG else "Open the log first"

    def _search(self) -> None:
        self.tools.field.setFocus()
        self.tools.field.selectAll()

    def _only_problems(self) -> bool:
        return self.log.problems_only

    def _toggle_problems(self) -> None:
        self.log.show_problems(not self.log.problems_only)

    def _toggle_wrap(self) -> None:
        self.log.view.set_wrap(not self.log.view.wrap)

    def _toggle_times(self) -> None:
        self.log.view.set_times(not self.log.view.times)

    def _next_hit(self) -> None:
        self.log.step_hit(1)

    def _previous_hit(self) -> None:
        self.log.step_hit(-1)

    def _next_stage(self) -> None:
        self.log.view.step_stage(1)

    def _previous_stage(self) -> None:
        self.log.view.step_stage(-1)

    def _copy_raw(self) -> None:
        self.log.copy(raw=True)

    def _refresh_commands(self) -> None:
        self._session.commands.refresh([each.id for each in self._session.commands.all() if each.scope == SCOPE])

    def _open_error(self) -> None:
        self._session.navigator.error(self.run, self.environment)

    def _show_tab(self, number: int) -> None:
        self._pages.setCurrentIndex(number)
        self.tools.setVisible(number == LOG)
        self.facts.field.setVisible(number == FACTS)
        self._tell()
        self._refresh_commands()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened unseen."""
        super().showEvent(event)
        self._tell()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where it is narrow the tools lose their words, never their place."""
        self.tools.set_narrow(self.width() < self._session.look.px(NARROW))
        super().resizeEvent(event)

    # What is told

    def _run_changed(self, run: int, names: frozenset[str]) -> None:
        if run == self.run and (self.environment in names or "" in names):
            self._take()

    def _checked(self, name: str) -> None:
        if name == self.environment:
            self._mark = self._session.machines.mark(name) or self._mark
            self._tell()

    def _take(self) -> None:
        self.log.take()
        self._tell()

    def _tell(self) -> None:
        """Bring what is in sight up to date."""
        machines, name = self._session.machines, self.environment
        run = self._session.runs.state(self.run)
        state = run.environments.get(name) if run is not None else None
        check, looked = machines.result(name), machines.checked_at(name)
        facts = check.facts if check is not None else None
        condition = condition_of(state) if state is not None else machines.condition(name)[0]
        text = about(machines.get(name), facts, state.facts.get("kernel", "") if state is not None else "")
        self.title.show_environment(name, condition, text, state is not None and state.error is not None)
        tab, events = self.tabs.currentIndex(), self._session.runs.events(self.run, name)
        if tab == STEPS:
            self.steps.show_state(state, events)
        elif tab == FACTS:
            self.facts.show_known(events, facts, looked)
        elif tab == READINESS:
            self.readiness.show_mark(self._mark, check, looked, machines.condition(name))

    def _ask_mark(self) -> None:
        if self.environment:
            self._session.bridge.spawn(self._read_mark(self.environment), name="read the READY mark")

    async def _read_mark(self, name: str) -> None:
        mark = await self._session.bridge.ask(lambda: self._session.services.readiness.latest(name))
        if name == self.environment:
            self._mark = mark
            self._tell()
