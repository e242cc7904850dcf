"""The error inbox: what failed, grouped by cause, and beside it one error whole."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.errors.actions import Action, Way
from kdeploy_gui.ui.errors.causes import Cause
from kdeploy_gui.ui.errors.detail import ErrorDetail
from kdeploy_gui.ui.errors.inbox import ErrorInbox
from kdeploy_gui.ui.errors.problem_list import Entry, ProblemList
from kdeploy_gui.ui.errors.report import report
from kdeploy_gui.ui.filters import FilterBar
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.segments import Segment, Segments
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.unlocking import unlock, unlock_and_check
from kdeploy_gui.ui.widgets import Button, EmptyState, Kind

LIST_WIDTH, LIST_LEAST, DETAIL_LEAST = 488, 360, 680
KEYS = ("code", "env", "category", "run")
SCOPE = "errors"


class ErrorsPage(QWidget):
    """List and detail."""

    plan_wanted = Signal(int)
    """The user wants to run again with changes what this run did."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._sought: tuple[int, str] | None = None
        self._list_width = 0
        look = session.look
        self.inbox = ErrorInbox(session, self)
        self.list = ProblemList(look)
        self.filter = FilterBar(look, KEYS, "Filter: text, code:, env:")
        self.filter.serve(self.list)
        self.detail = ErrorDetail(look)
        self._empty = EmptyState(look, "check-circle-outline", "No open problems")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.detail)
        self._pages.addWidget(self._empty)
        self._add_commands()
        self._splitter = splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._left(look))
        splitter.addWidget(self._pages)
        splitter.setStretchFactor(1, 1)
        splitter.splitterMoved.connect(self._splitter_moved)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(splitter)
        self.list.chosen.connect(self._show)
        self.detail.wanted.connect(self._act)
        self.inbox.changed.connect(self._refresh)
        self.filter.changed.connect(self._refresh)
        session.commands.attach(self, SCOPE)
        self._refresh()

    def show_failure(self, run: int, environment: str) -> None:
        """Go to the failure of an environment in a run, as soon as the inbox has it."""
        self._sought = (run, environment)
        self.filter.set_text("")
        self._seek()

    def _seek(self) -> None:
        if self._sought is None:
            return
        run, environment = self._sought
        for cause in (*self.inbox.open, *self.inbox.muted, *self.inbox.solved):
            if any(each.run == run and each.environment == environment for each in cause.records):
                self._sought = None
                self.list.choose(("cause", cause.key))
                return

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The list gives way where the window is narrow; the detail is never cut off."""
        super().resizeEvent(event)
        px = self._session.look.px
        wide = min(self._list_width or px(LIST_WIDTH), max(px(LIST_LEAST), self.width() - px(DETAIL_LEAST)))
        self._splitter.setSizes([wide, self.width() - wide])

    def _splitter_moved(self, at: int) -> None:
        self._list_width = at

    def focus_first(self) -> None:
        """The list has the focus."""
        self.list.setFocus()

    def regions(self) -> Sequence[QWidget]:
        """The list and the detail."""
        return (self.filter.field, self.list, self.detail)

    def _left(self, look: Look) -> QWidget:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(0)
        tools.addWidget(self.filter, 1)
        tools.addSpacing(look.px(8))
        self._by_cause, self._by_environment = Segment("By cause"), Segment("By environment")
        self._by_cause.clicked.connect(self._group_by_cause)
        self._by_environment.clicked.connect(self._group_by_environment)
        grouping = Segments(look, (self._by_cause, self._by_environment))
        tools.addWidget(grouping, 0, Qt.AlignmentFlag.AlignTop)
        self._by_cause.setChecked(True)
        column.addLayout(tools)
        column.addWidget(self.list, 1)
        return left

    def _group_by_cause(self) -> None:
        self._group(False)

    def _group_by_environment(self) -> None:
        self._group(True)

    def _group(self, by_environment: bool) -> None:
        self._by_cause.setChecked(not by_environment)
        self._by_environment.setChecked(by_environment)
        self.inbox.group_by_environment(by_environment)

    def _refresh(self) -> None:
        inbox = self.inbox
        groups = {
            "Needs you": [Entry(each, open=True) for each in inbox.open],
            "Trying again by itself": [Entry(retrying=each) for each in inbox.retrying()],
            "Muted": [Entry(each) for each in inbox.muted],
            "Solved in the last 7 days": [Entry(each) for each in inbox.solved],
        }
        matches = self.filter.filter.matches
        kept = {
            title: [each for each in entries if matches(each.fields, each.text)] for title, entries in groups.items()
        }
        self.filter.set_count(sum(map(len, kept.values())), sum(map(len, groups.values())))
        self.list.show_groups(tuple(kept.items()))
        self._seek()
        if self.filter.filter.terms:
            self._empty.say("No error matches", "Esc in the filter clears it.")
        elif not inbox.loaded:
            self._empty.say("Reading the history")
        elif inbox.solved:
            last = inbox.solved[0]
            self._empty.say("No open problems", f"Last solved: {last.title}, on {', '.join(last.environments[:3])}")
        else:
            self._empty.say("No open problems", "What fails in a run appears here with what you can do about it.")

    def _show(self, entry: Entry | None) -> None:
        self._pages.setCurrentWidget(self._empty if entry is None else self.detail)
        if entry != self.detail.entry:
            buttons = (self._mute_button, self._copy_button) if entry is not None and entry.cause is not None else ()
            self.detail.show_entry(entry, buttons)
        self._session.commands.refresh(each.id for each in self._session.commands.all() if each.scope == SCOPE)

    def _mute_button(self) -> QWidget:
        return Button(
            self._session.commands.action("error.mute"), self._session.look, Kind.FLAT, icon="bell-off-outline"
        )

    def _copy_button(self) -> QWidget:
        return Button(self._session.commands.action("error.copy"), self._session.look, icon="content-copy")

    @property
    def cause(self) -> Cause | None:
        """The cause that is shown."""
        return self.detail.entry.cause if self.detail.entry is not None else None

    def _add_commands(self) -> None:
        self._session.commands.add(
            Command(
                "error.copy", "Copy report", "Edit", self._copy, "Ctrl+Shift+C", "content-copy", self._none, scope=SCOPE
            ),
            Command("error.mute", "Mute", "Edit", self._mute, "Ctrl+M", "bell-off-outline", self._none, scope=SCOPE),
            *(
                Command(
                    f"error.way{number}",
                    f"Do way {number} out of this error",
                    "Edit",
                    lambda number=number: self._act_number(number),  # type: ignore[misc]
                    f"Alt+{number}",
                    enabled=lambda number=number: self._no_way(number),  # type: ignore[misc]
                    scope=SCOPE,
                )
                for number in range(1, 6)
            ),
        )

    def _none(self) -> str:
        return "" if self.cause is not None else "Choose an error first"

    def _no_way(self, number: int) -> str:
        return "" if number <= len(self.detail.actions_shown) else f"This error has no way {number}"

    def _copy(self) -> None:
        if self.cause is not None:
            QGuiApplication.clipboard().setText(report(self.cause))

    def _mute(self) -> None:
        cause = self.cause
        if cause is not None:
            muted = cause.key not in self.inbox.muted_keys
            self.inbox.mute(cause, muted)
            done = "Muted" if muted else "Not muted any more"
            self._session.undo.offer(f"{done}: {cause.title}", lambda: self.inbox.mute(cause, not muted))

    def _act_number(self, number: int) -> None:
        self._act(self.detail.actions_shown[number - 1])

    def _act(self, action: Action) -> None:
        cause = self.cause
        if cause is None:
            return
        record, navigator = cause.newest, self._session.navigator
        match action.way:
            case Way.COMPARE_KEYS:
                navigator.trust(record.environment)
            case Way.EDIT_LOGIN:
                navigator.environment_form(record.environment)
            case Way.CHECK:
                session = self._session
                session.bridge.spawn(unlock_and_check(session, cause.environments), name="check again")
                navigator.fleet(record.run, record.environment)
            case Way.VALIDATE:
                self._session.bridge.spawn(self._validate(cause), name="validate again")
            case Way.RETRY:
                self._session.bridge.spawn(self._retry(cause), name="retry")
            case Way.CHANGE_PLAN:
                self.plan_wanted.emit(record.run)
            case Way.OPEN_LOG:
                stage = record.failure.where.stage
                navigator.fleet(record.run, record.environment, Stage(stage) if stage in set(Stage) else None)

    async def _validate(self, cause: Cause) -> None:
        run, names = _newest(cause)
        await unlock(self._session, names)
        again = await self._session.bridge.ask(lambda: self._session.services.validate(run, names))
        self._session.navigator.fleet(again)

    async def _retry(self, cause: Cause) -> None:
        run, names = _newest(cause)
        question = Question(
            title=f"Try again what failed in run {run}",
            text="All six stages run again as a new run, with the plan and the sources as they are now:",
            details=names,
            accept="Retry",
        )
        if await self._session.asking.confirm(question):
            await unlock(self._session, names)
            again = await self._session.bridge.ask(lambda: self._session.services.retry(run, names))
            self._session.navigator.fleet(again)


def _newest(cause: Cause) -> tuple[int, tuple[str, ...]]:
    """The newest run that failed so, and where it did."""
    run = cause.newest.run
    return run, tuple(each.environment for each in cause.records if each.run == run)
