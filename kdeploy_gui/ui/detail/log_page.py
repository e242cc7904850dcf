"""The log tab: the view, what feeds it, and the bar that tells whether it follows."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ports import OutputStore
from kdeploy_gui.ui.detail.follow_bar import FollowBar
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.loader import LogLoader, Search
from kdeploy_gui.ui.log.narrate import plural
from kdeploy_gui.ui.log.view import LogView
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Hairline

LONG = 2000
"""Rows from which a copy is made off the UI thread."""


class StoredOutput:
    """Reads stored output of one environment; what cannot be read is empty, and `problem` says why."""

    def __init__(self, store: OutputStore, run: int, environment: str) -> None:
        self._store = store
        self._run = run
        self._environment = environment
        self.problem = ""

    def __call__(self, offset: int, length: int) -> bytes:
        try:
            return self._store.read(self._run, self._environment, offset, length)
        except KdeployError as error:
            self.problem = error.message
            return b""


class LogPage(QWidget):
    """The log of one environment in one run."""

    searched = Signal()
    """Another number of hits, or another one is the current one."""
    problems_changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._loader: LogLoader | None = None
        self._output = StoredOutput(session.services.output, 0, "")
        self._wanted: Stage | None = None
        self._text = ""
        self.problems_only = False
        self.view = LogView(session.look)
        self.bar = FollowBar(session.look, self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(Hairline(session.look))
        column.addWidget(self.bar)
        self.bar.time_chosen.connect(self._go_to)

    # What is shown

    def show_log(self, run: int, environment: str, stage: Stage | None = None) -> None:
        """Show a log, from its end or from a stage."""
        here = self._loader.document if self._loader is not None else None
        if here is None or (here.run, here.environment) != (run, environment):
            self._open(run, environment)
        self._wanted = stage
        self._show_wanted()

    def _open(self, run: int, environment: str) -> None:
        if self._loader is not None:
            self._loader.stop()
            self._loader.deleteLater()
        self._output = StoredOutput(self._session.services.output, run, environment)
        document = LogDocument(self._output, environment, run)
        self._loader = LogLoader(document, self._session.bridge, self)
        self._loader.changed.connect(self._changed)
        self._loader.searched.connect(self._search_went_on)
        self.view.set_document(document)
        self.view.say("Reading the log" if run else "No run has worked on this environment yet")
        if self.problems_only:
            self._loader.show_problems(True)
        if self._text:
            self._loader.look_for(self._text)
        self._tell_lines()

    @property
    def is_complete(self) -> bool:
        """Whether all that is known of it is shown and searched."""
        return self._loader is not None and self._loader.loaded and not self._loader.busy

    def take(self) -> None:
        """The run has gone on."""
        if self._loader is not None:
            document = self._loader.document
            events = self._session.runs.events(document.run, document.environment)
            self._loader.take(events)
            if not events and self._session.runs.state(document.run) is not None:
                self.view.say("Nothing has happened here yet")

    def _show_wanted(self) -> None:
        if self._wanted is None or self._loader is None or not self._loader.loaded:
            return
        header, self._wanted = self._loader.document.header_of(self._wanted), None
        if self._loader.document.groups[header[0]].is_there:
            self._loader.document.reveal(header)
            self.view.refresh()
            self.view.show_address(header, at_top=True)

    def _changed(self) -> None:
        self.view.say("No problems in this log" if self.problems_only else "Nothing has happened here yet")
        self.view.refresh()
        self._show_wanted()
        self._tell_lines()
        self.bar.tell_following()

    def _tell_lines(self) -> None:
        lines = plural(self.view.document.lines, "line")
        search = self._search
        if self._output.problem:
            self.bar.say(f"Stored output cannot be read: {self._output.problem}")
        elif search is not None:
            self.bar.say(f"{lines}, {'whole log searched' if search.complete else 'searching'}")
        else:
            self.bar.say(lines if self._loader is not None and self._loader.loaded else "Reading")

    def _go_to(self, wanted: time) -> None:
        """To a time of the day on which the log began, or of the next one."""
        document = self.view.document
        if not len(document):
            return
        begin = document.begin.astimezone()
        moment = datetime.combine(begin.date(), wanted, begin.tzinfo)
        self.view.show_time(moment if moment >= begin - timedelta(hours=12) else moment + timedelta(days=1))

    # Search and filter

    @property
    def _search(self) -> Search | None:
        return self._loader.search if self._loader is not None else None

    def search(self, text: str) -> None:
        """Look for a text in all of the log; the first hit from here on becomes the current one."""
        self._text = text
        self.view.hit = None
        self.view.set_needle(text)
        if self._loader is not None:
            self._loader.look_for(text)
        self._tell_lines()

    @property
    def hits(self) -> tuple[int, int]:
        """The number of the current hit, from 1 (0: none), and of all found so far."""
        search, hit = self._search, self.view.hit
        if search is None:
            return 0, 0
        return (search.number_of(hit) + 1 if hit is not None else 0), len(search)

    def step_hit(self, by: int) -> None:
        """To the next hit, or the one before; round at the ends."""
        search, hit = self._search, self.view.hit
        if search is not None and len(search):
            number = search.number_of(hit) + by if hit is not None else search.number_of(self.view.here) - (by < 0)
            self._show_hit(search, number % len(search))

    def _show_hit(self, search: Search, number: int) -> None:
        address = search.address(number)
        if not self.view.document.is_kept(address):
            self.show_problems(False)
        self.view.hit = address
        self.view.show_address(address)
        self.searched.emit()

    def _search_went_on(self) -> None:
        search = self._search
        if search is not None and self.view.hit is None and search.complete and len(search):
            self._show_hit(search, search.number_of(self.view.here) % len(search))
        self._tell_lines()
        self.searched.emit()

    def show_problems(self, only: bool) -> None:
        """Leave out what tells of no problem, or show all."""
        self.problems_only = only
        if self._loader is not None:
            self._loader.show_problems(only)
        self.problems_changed.emit()

    # Copy

    def copy(self, *, raw: bool = False) -> None:
        """Put the selected lines on the clipboard, whole, with run, environment and stage unless `raw`."""
        first, last = self.view.selected()
        if last - first < LONG:
            QGuiApplication.clipboard().setText(self.view.copied(raw=raw)())
        else:
            self._session.bridge.spawn(self._copy(raw), name="copy the log")

    async def _copy(self, raw: bool) -> None:
        text = await self._session.bridge.ask(self.view.copied(raw=raw))
        QGuiApplication.clipboard().setText(text)
