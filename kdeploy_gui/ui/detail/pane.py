"""The pane below the fleet: one environment in one run, from its log to what its READY stands on."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.console.page import ConsolePage, ConsoleTools
from kdeploy_gui.ui.detail.facts import FactsPage
from kdeploy_gui.ui.detail.instrument_commands import ALL as INSTRUMENT_COMMANDS
from kdeploy_gui.ui.detail.instrument_commands import InstrumentCommands
from kdeploy_gui.ui.detail.instruments import InstrumentsPage, InstrumentsTools
from kdeploy_gui.ui.detail.log_page import LogPage
from kdeploy_gui.ui.detail.log_tools import LogTools
from kdeploy_gui.ui.detail.readiness import CHANGES_SHOWN, ReadinessPage
from kdeploy_gui.ui.detail.steps import StepsPage
from kdeploy_gui.ui.detail.title import TitleRow, about
from kdeploy_gui.ui.detail.usage import GuestUsage
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.states import condition_of
from kdeploy_gui.ui.widgets import Hairline

TABS = ("Log", "Steps", "Instruments", "Facts", "Console", "Readiness")
LOG, STEPS, INSTRUMENTS, FACTS, CONSOLE, READINESS = range(len(TABS))
SCOPE = "log"
CONSOLE_COMMAND = "view.console"
READING = frozenset({"search", "follow", "next_hit", "previous_hit", "copy", "copy_raw"})
"""Commands of the log that the console has, too."""
NARROW = 980
"""Pixels at 100 % below which the tools are glyphs only."""


class DetailPane(QWidget):
    """Shows what `show_environment` names; follows its run."""

    wanted = Signal()
    """It is to be seen, also where there is no run to show."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.run = 0
        self.environment = ""
        self._mark: ReadyMark | None = None
        self.title = TitleRow(session.look)
        self.log = LogPage(session)
        self.steps = StepsPage(session.look)
        InstrumentCommands(session, self._of_machine, lambda: self._show_of_machine(INSTRUMENTS))
        self.instruments = InstrumentsPage(session)
        self.facts = FactsPage(session.look)
        self.usage = GuestUsage(session, self)
        self.readiness = ReadinessPage(session.look)
        self.console = ConsolePage(session)
        self.tabs = QTabBar(self)
        self._add_commands()
        self.tools = LogTools(session.look, session.commands, self.log)
        self.instrument_tools = InstrumentsTools(session, self.instruments)
        self.console_tools = ConsoleTools(session.look, self.console)
        self._lay_out()
        session.commands.attach(self, SCOPE)
        session.runs.changed.connect(self._run_changed)
        session.machines.checked.connect(self._checked)
        session.instruments.changed.connect(self._looked)
        session.machines.changed.connect(self._tell)
        self.usage.changed.connect(self._tell)
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
        pages = (self.log, self.steps, self.instruments, self.facts, self.console, self.readiness)
        self._views = (
            self.log.view,
            self.steps.tree,
            self.instruments.table,
            self.facts.table,
            self.console.view,
            self.readiness.table,
        )
        self.tabs.setAccessibleName("Views of the environment")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        self._pages = QStackedWidget(self)
        for name, page in zip(TABS, pages, strict=True):
            self.tabs.addTab(name)
            self._pages.addWidget(page)
        row = QHBoxLayout()
        row.setContentsMargins(look.px(4), 0, look.px(16), 0)
        row.addWidget(self.tabs)
        row.addStretch()
        row.addWidget(self.tools)
        row.addWidget(self.instrument_tools)
        row.addWidget(self.facts.field)
        row.addWidget(self.console_tools)
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
        self._add_verbs()
        self._add_switches()
        self._session.commands.add(
            Command(
                CONSOLE_COMMAND,
                "Serial console",
                "View",
                self.show_console,
                "Ctrl+`",
                "console",
                lambda: "" if self._of_machine() else "Select an environment first",
                keywords="serial terminal uart",
            )
        )

    def _add_verbs(self) -> None:
        self._session.commands.add(
            *(
                Command(
                    f"log.{name}",
                    title,
                    "View",
                    handler,
                    key,
                    icon,
                    self._why_not_read if name in READING else self._why_not,
                    no_key="" if key else "End in the log",
                    scope=SCOPE,
                )
                for name, title, handler, key, icon in (
                    ("search", "Search the log", self._search, "Ctrl+F", "magnify"),
                    ("follow", "Follow the end of the log", self._follow_end, "", "arrow-collapse-down"),
                    ("next_hit", "Next hit", self._next_hit, "F3", "chevron-down"),
                    ("previous_hit", "Previous hit", self._previous_hit, "Shift+F3", "chevron-up"),
                    ("next_stage", "Next stage of the log", self._next_stage, "]", ""),
                    ("previous_stage", "Previous stage of the log", self._previous_stage, "[", ""),
                    ("go_to_time", "Go to a time...", self.log.bar.ask_time, "Ctrl+G", "clock-outline"),
                    ("copy", "Copy with run and stage", self._copy, "Ctrl+C", "content-copy"),
                    ("copy_raw", "Copy lines only", self._copy_raw, "Ctrl+Shift+C", "content-copy"),
                )
            )
        )

    def _add_switches(self) -> None:
        self._session.commands.add(
            *(
                Command(
                    f"log.{name}",
                    title,
                    "View",
                    handler,
                    key,
                    icon,
                    self._why_not if name == "problems" else self._why_not_read,
                    scope=SCOPE,
                    checked=checked,
                )
                for name, title, handler, key, icon, checked in (
                    ("problems", "Problems only", self._toggle_problems, "Alt+P", "alert-outline", self._only_problems),
                    ("wrap", "Wrap", self._toggle_wrap, "Alt+W", "wrap", lambda: self._read.view.wrap),
                    ("times", "Time", self._toggle_times, "Alt+T", "clock-outline", lambda: self._read.view.times),
                )
            )
        )

    def show_console(self) -> None:
        """Show the console of the machine that is selected, or else of the one that is shown, whatever run it is in."""
        self._show_of_machine(CONSOLE)

    def _show_of_machine(self, tab: int) -> None:
        if self._session.navigator.place != Place(Where.FLEET):
            self._session.navigator.fleet()
        name = self._of_machine()
        if name != self.environment:
            run = self._session.runs.state(self.run)
            self.show_environment(self.run if run is not None and name in run.environments else 0, name)
        self.show()
        self.wanted.emit()
        self.tabs.setCurrentIndex(tab)
        self.focus_first()

    def _of_machine(self) -> str:
        selected = self._session.machines.selected
        return selected[0] if len(selected) == 1 else self.environment

    def _why_not(self) -> str:
        if not self.run:
            return "No run has worked on this environment yet"
        return "" if self.tabs.currentIndex() == LOG else "Open the log first"

    def _why_not_read(self) -> str:
        return "" if self.tabs.currentIndex() == CONSOLE else self._why_not()

    @property
    def _read(self) -> LogPage | ConsolePage:
        """The page of lines that is in sight."""
        return self.console if self.tabs.currentIndex() == CONSOLE else self.log

    def _search(self) -> None:
        field = self.console_tools.field if self._read is self.console else self.tools.field
        field.setFocus()
        field.selectAll()

    def _only_problems(self) -> bool:
        return self.log.problems_only

    def _toggle_problems(self) -> None:
        self.log.show_problems(not self.log.problems_only)

    def _toggle_wrap(self) -> None:
        self._read.view.set_wrap(not self._read.view.wrap)

    def _toggle_times(self) -> None:
        self._read.view.set_times(not self._read.view.times)

    def _next_hit(self) -> None:
        self._read.step_hit(1)

    def _previous_hit(self) -> None:
        self._read.step_hit(-1)

    def _next_stage(self) -> None:
        self.log.view.step_stage(1)

    def _previous_stage(self) -> None:
        self.log.view.step_stage(-1)

    def _copy(self, *, raw: bool = False) -> None:
        if self._read is self.console:
            self.console.view.copy(raw=raw)
        else:
            self.log.copy(raw=raw)

    def _copy_raw(self) -> None:
        self._copy(raw=True)

    def _follow_end(self) -> None:
        self._read.view.follow_end()

    def _refresh_commands(self) -> None:
        commands = self._session.commands
        always = {CONSOLE_COMMAND, *INSTRUMENT_COMMANDS}
        commands.refresh([each.id for each in commands.all() if each.scope == SCOPE or each.id in always])

    def _open_error(self) -> None:
        self._session.navigator.error(self.run, self.environment)

    def _show_tab(self, number: int) -> None:
        self._pages.setCurrentIndex(number)
        self.tools.setVisible(number == LOG)
        self.instrument_tools.setVisible(number == INSTRUMENTS)
        self.facts.field.setVisible(number == FACTS)
        self.console_tools.setVisible(number == CONSOLE)
        self._tell()
        self._refresh_commands()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened unseen."""
        super().showEvent(event)
        self._tell()

    def hideEvent(self, event: QHideEvent) -> None:
        """Measure nothing that nobody sees."""
        super().hideEvent(event)
        self.usage.watch(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where it is narrow the tools lose their words, never their place."""
        for tools in (self.tools, self.instrument_tools, self.console_tools):
            tools.set_narrow(self.width() < self._session.look.px(NARROW))
        super().resizeEvent(event)

    # What is told

    def _run_changed(self, run: int, names: frozenset[str]) -> None:
        if run == self.run and (self.environment in names or "" in names):
            self._take()

    def _checked(self, name: str) -> None:
        if name == self.environment:
            self._mark = self._session.machines.mark(name) or self._mark
            self._tell()
            self._ask_mark()

    def _looked(self, name: str) -> None:
        self._refresh_commands()
        if name == self.environment:
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
        self.usage.watch(machines.get(name) if tab == FACTS and self.isVisible() else None)
        if tab == STEPS:
            self.steps.show_state(state, events)
        elif tab == INSTRUMENTS:
            plan = run.plan if run is not None else ""
            boot = facts.boot_id if facts is not None else ""
            self.instruments.show_known(machines.get(name), events, plan, boot)
            self.instrument_tools.tell()
        elif tab == FACTS:
            self.facts.show_known(events, facts, looked, self.usage.facts)
        elif tab == CONSOLE:
            self._show_console()
        elif tab == READINESS:
            instruments = self._session.instruments.result(machines.get(name))
            self.readiness.show_mark(self._mark, check, looked, machines.condition(name), instruments)

    def _show_console(self) -> None:
        self.console.show_console(self._session.machines.get(self.environment), self.environment)
        self.console_tools.tell()

    def _ask_mark(self) -> None:
        if self.environment:
            self._session.bridge.spawn(self._read_mark(self.environment), name="read the READY mark")

    async def _read_mark(self, name: str) -> None:
        stored = self._session.services.readiness
        mark, changes = await self._session.bridge.ask(
            lambda: (stored.latest(name), stored.changes(name, CHANGES_SHOWN))
        )
        if name == self.environment:
            self._mark = mark
            self.readiness.show_changes(changes)
            self._tell()
