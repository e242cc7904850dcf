"""The panel on the left: filter, tree, what is wrong in the lab file, and saved filters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_tree.actions import CONTEXT, MORE, SAVED, SAVED_SCOPE, SCOPE, commands_of
from kdeploy_gui.ui.environment_tree.changes import LabChanges, common_tags
from kdeploy_gui.ui.environment_tree.editor import LineEditor
from kdeploy_gui.ui.environment_tree.live import KEYS, LiveStates
from kdeploy_gui.ui.environment_tree.model import EnvironmentModel
from kdeploy_gui.ui.environment_tree.problems import ProblemStrip
from kdeploy_gui.ui.environment_tree.saved import SavedFilter, SavedFilters
from kdeploy_gui.ui.environment_tree.tree import EnvironmentTree
from kdeploy_gui.ui.filters import Filter, FilterBar, parse
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, EmptyState, IconButton, Kind, PlainLabel

SETTLE_MS = 1000
"""After a state changed, until filters by state look again."""


class EnvironmentPanel(QWidget):
    """Environments: chosen here, acted on by commands everywhere."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        look = session.look
        self._live = LiveStates(session.machines, session.runs)
        self._tagged: Sequence[Environment] = ()
        self.changes = LabChanges(session)
        self.model = EnvironmentModel(session.machines, self._live, self)
        self.tree = EnvironmentTree(look, self.model)
        self.filter = FilterBar(look, KEYS, "Filter: text, tag:, status:, !not")
        self.saved = SavedFilters(look, session.settings)
        self.tags = LineEditor(look, "Change tags")
        self.naming = LineEditor(look, "Save filter")
        self.problems = ProblemStrip(look)
        self.count = PlainLabel("", look, Text.BODY, "t2")
        self.found = PlainLabel("", look, Text.CELL, "t2")
        session.commands.add(*commands_of(session, self))
        self._lay_out()
        self._settling = QTimer(self, interval=SETTLE_MS, singleShot=True)
        self._settling.timeout.connect(self._settled)
        self._restore()
        self._connect()
        self.refresh()

    def focus_first(self) -> None:
        """Put the focus on the tree."""
        self.tree.setFocus(Qt.FocusReason.OtherFocusReason)

    def regions(self) -> Sequence[QWidget]:
        """Filter, tree, saved filters."""
        return (self.filter.field, self.tree, self.saved.list)

    def refresh(self) -> None:
        """Show the lab as it is now."""
        machines, chosen = self._session.machines, self.filter.filter
        rows = [(each, self._live.matches(chosen, each)) for each in machines.environments]
        left, total = sum(shown for _, shown in rows), len(rows)
        self.tree.show_environments(rows, filtered=bool(chosen.terms))
        self.count.setText(str(total))
        self.found.setText(f"{left} of {total} shown")
        self._below_filter.setVisible(bool(self.filter.text))
        nothing = machines.loaded and not left
        self._pages.setCurrentWidget((self.no_match if total else self.empty) if nothing else self.tree)
        self.problems.show_problems(machines.problems)
        self._recount()

    def edit_tags(self) -> None:
        """Open the editor of the tags of what is selected."""
        machines = self._session.machines
        self._tagged = [each for name in machines.selected if (each := machines.get(name)) is not None]
        if not self._tagged:
            return
        self.naming.hide()
        common = common_tags(self._tagged)
        others = sorted({tag for each in self._tagged for tag in each.tags} - set(common))
        count = len(self._tagged)
        whose = f"Tags of {self._tagged[0].name}" if count == 1 else f"Tags that all {count} have"
        kept = f"Some have: {', '.join(others)}. They keep them." if others else "Words with spaces between."
        self.tags.open(whose, " ".join(common), kept)

    def name_filter(self) -> None:
        """Ask for the name under which the filter is saved."""
        self.tags.hide()
        self.naming.open("Save this filter as", "", f"{self.filter.text}: {self.found.text()} now.")

    def forget_filter(self) -> None:
        """Remove the saved filter under the cursor."""
        gone, before, model = self.saved.list.current(), self.saved.model.filters, self.saved.model
        if gone is not None:
            model.write([each for each in before if each != gone])
            self._session.undo.offer(f"Removed the filter {visible(gone.name)}", self._keeper(before))

    def remove(self) -> None:
        """Take what is selected out of the lab file."""
        self._session.bridge.spawn(self.changes.remove(self._session.machines.selected), name="remove environments")

    def no_filter(self) -> str:
        """Why there is nothing to save."""
        return "" if self.filter.filter.terms else "Type a filter first"

    def no_saved_filter(self) -> str:
        """Why there is nothing to remove."""
        return "" if self.saved.list.current() is not None else "Choose a saved filter first"

    def _keeper(self, filters: Sequence[SavedFilter]) -> Callable[[], None]:
        return lambda: self.saved.model.write(filters)

    def _retag(self, text: str) -> None:
        self._session.bridge.spawn(self._tag(self._tagged, text.split()), name="change tags")

    async def _tag(self, environments: Sequence[Environment], tags: Sequence[str]) -> None:
        problems = await self.changes.tag(environments, tags)
        if problems:
            self.tags.refuse(problems[0].message)
        else:
            self.tags.leave()

    def _save_filter(self, name: str) -> None:
        if not name:
            self.naming.refuse("A name is needed.")
            return
        self.saved.model.put(name, self.filter.text)
        self._recount()
        self.naming.leave()

    def _move(self, names: Sequence[str], group: str) -> None:
        self._session.bridge.spawn(self.changes.move(names, group), name="move environments")

    def _open(self, name: str) -> None:
        self._session.bridge.spawn(self._go_to(name), name="open an environment")

    async def _go_to(self, name: str) -> None:
        """Its run, or, where it never ran, its form."""
        session = self._session
        run = session.machines.run_of(name)
        if not run:
            query = RunQuery(environment=name, limit=1)
            records = await session.bridge.ask(lambda: session.services.history.runs(query))
            run = records[0].run if records else 0
        if run:
            session.navigator.fleet(run, name)
        else:
            session.navigator.environment_form(name)

    def _filtered(self) -> None:
        self._session.settings.setValue("tree/filter", self.filter.text)
        self.refresh()
        self._session.commands.refresh(["environment.save_filter"])

    def _checked(self) -> None:
        if not self._settling.isActive() and (self.saved.model.filters or self._looks_at_states()):
            self._settling.start()

    def _settled(self) -> None:
        """Filter by the states of now, but not under the pointer."""
        if self._looks_at_states() and self.tree.viewport().underMouse():
            self._settling.start()
        elif self._looks_at_states():
            self.refresh()
        else:
            self._recount()

    def _looks_at_states(self) -> bool:
        return any(term.key == "status" for term in self.filter.filter.terms)

    def _recount(self) -> None:
        environments = self._session.machines.environments

        def count(text: str) -> int:
            chosen = parse(text, KEYS)
            return self._live.count(chosen, environments) if isinstance(chosen, Filter) else 0

        self.saved.model.recount(count)

    def _selected(self) -> None:
        self._session.machines.select(self.tree.selected())

    def _follow_selection(self) -> None:
        self.tree.choose(self._session.machines.selected)

    def _saved_changed(self) -> None:
        self._session.commands.refresh(["environment.forget_filter"])

    def _show_context(self, at: QPoint) -> None:
        self._show_menu(CONTEXT, self.tree.viewport().mapToGlobal(at))

    def _show_saved_context(self, at: QPoint) -> None:
        self._show_menu(SAVED, self.saved.list.viewport().mapToGlobal(at))

    def _show_more(self) -> None:
        self._show_menu(MORE, self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def _show_menu(self, names: Sequence[str], at: QPoint) -> None:
        known = {each.id for each in self._session.commands.all()}
        menu = self._session.commands.menu(self, [name for name in names if not name or name in known])
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def _clear_filter(self) -> None:
        self.filter.set_text("")
        self.focus_first()

    def _save_folding(self) -> None:
        self._session.settings.setValue("tree/folded", json.dumps(sorted(self.tree.folded)))

    def _restore(self) -> None:
        settings = self._session.settings
        self.filter.set_text(str(settings.value("tree/filter", "")))
        try:
            self.tree.folded.update(map(str, json.loads(str(settings.value("tree/folded", "[]")))))
        except (ValueError, TypeError):
            self.tree.folded.clear()

    def _connect(self) -> None:
        session = self._session
        session.commands.attach(self.tree, SCOPE)
        session.commands.attach(self.saved.list, SAVED_SCOPE)
        session.machines.changed.connect(self.refresh)
        session.machines.checked.connect(self._checked)
        session.machines.selection_changed.connect(self._follow_selection)
        self.filter.serve(self.tree)
        self.filter.changed.connect(self._filtered)
        self.filter.field.textChanged.connect(self._typed)
        self.tree.chosen.connect(self._selected)
        self.tree.opened.connect(self._open)
        self.tree.refolded.connect(self._save_folding)
        self.tree.customContextMenuRequested.connect(self._show_context)
        self.model.dropped.connect(self._move)
        self.saved.list.selectionModel().currentChanged.connect(self._saved_changed)
        self.saved.list.chosen.connect(self.filter.set_text)
        self.saved.list.customContextMenuRequested.connect(self._show_saved_context)
        self.tags.accepted.connect(self._retag)
        self.tags.left.connect(self.focus_first)
        self.naming.accepted.connect(self._save_filter)
        self.naming.left.connect(self.focus_first)

    def _typed(self) -> None:
        self._below_filter.setVisible(bool(self.filter.text))

    def _lay_out(self) -> None:
        look = self._session.look
        self._make_pages()
        self.filter.count.hide()
        bar = QVBoxLayout()
        bar.setContentsMargins(look.px(8), 0, look.px(8), look.px(8))
        bar.setSpacing(look.px(4))
        bar.addWidget(self.filter)
        bar.addWidget(self._made_below_filter())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._made_header())
        column.addLayout(bar)
        for each in (self.problems, self._pages, self.tags, self.naming, self.saved):
            column.addWidget(each, 1 if each is self._pages else 0)
        self.setMinimumWidth(look.px(200))
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)

    def _make_pages(self) -> None:
        look, commands = self._session.look, self._session.commands
        add = Button(commands.action("environment.add"), look, Kind.SECONDARY)
        self.empty = EmptyState(
            look,
            "developer-board",
            "No environments yet",
            "Boards and guests you add appear here with their live state.",
            [add],
        )
        clear = Button("Clear filter", look)
        clear.clicked.connect(self._clear_filter)
        self.no_match = EmptyState(look, "filter-variant", "No environment matches", "", [clear])
        self._pages = QStackedWidget()
        for page in (self.tree, self.empty, self.no_match):
            self._pages.addWidget(page)

    def _made_below_filter(self) -> QWidget:
        """How many are left, and the way to keep the filter; there while one is typed."""
        self._below_filter = QWidget()
        row = QHBoxLayout(self._below_filter)
        row.setContentsMargins(self._session.look.px(4), 0, 0, 0)
        row.addWidget(self.found)
        row.addStretch()
        row.addWidget(
            Button(self._session.commands.action("environment.save_filter"), self._session.look, Kind.LINK, dense=True)
        )
        return self._below_filter

    def _made_header(self) -> QHBoxLayout:
        look, commands = self._session.look, self._session.commands
        header = QHBoxLayout()
        header.setContentsMargins(look.px(12), look.px(8), look.px(8), look.px(6))
        header.setSpacing(look.px(6))
        header.addWidget(PlainLabel("Environments", look, Text.NAME))
        header.addWidget(self.count)
        header.addStretch()
        add = IconButton("plus", "Add environment", look)
        add.clicked.connect(commands.action("environment.add").trigger)
        self._more = IconButton("dots-horizontal", "More about environments", look)
        self._more.clicked.connect(self._show_more)
        header.addWidget(add)
        header.addWidget(self._more)
        return header
