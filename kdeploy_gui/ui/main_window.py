"""The window: bars, views, and the verbs that belong to no single view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from PySide6.QtCore import QByteArray, QEvent, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.cheat_sheet import CheatSheet
from kdeploy_gui.ui.commands import MENUS, Command
from kdeploy_gui.ui.context_menu import context_menu
from kdeploy_gui.ui.environment_form import commands as environment_commands
from kdeploy_gui.ui.environment_form.form import EnvironmentForm
from kdeploy_gui.ui.environment_form.guests import GuestsPage
from kdeploy_gui.ui.environment_form.importing import ImportPage
from kdeploy_gui.ui.environment_form.trust import TrustPage
from kdeploy_gui.ui.errors.page import ErrorsPage
from kdeploy_gui.ui.first_steps import FirstSteps
from kdeploy_gui.ui.fleet_view import FleetView
from kdeploy_gui.ui.history.page import HistoryPage
from kdeploy_gui.ui.palette import Palette
from kdeploy_gui.ui.session import Place, Session, Where
from kdeploy_gui.ui.strips import NoticeStrip, SavedStrip, StatusStrip, UndoStrip
from kdeploy_gui.ui.top_bar import TopBar
from kdeploy_gui.ui.widgets import Kind
from kdeploy_gui.ui.wizard.drafts import Drafts
from kdeploy_gui.ui.wizard.page import WizardPage

SMALLEST = (1024, 640)
USUAL = (1440, 900)
NO_KEY = "rarely needed"


class View(Protocol):
    """What the window asks of a view."""

    def focus_first(self) -> None:
        """Put the focus where work begins."""

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""


class MainWindow(QMainWindow):
    """One window on one session."""

    closing = Signal()
    """The user wants it closed and everything has ended."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setWindowTitle("kdeploy - demo lab" if session.services.sample_plan else "kdeploy")
        self.setMinimumSize(*SMALLEST)
        self.resize(*USUAL)
        self._may_close = False
        self._asks_to_close = False
        self.drafts = Drafts(session)
        self._add_commands()
        environment_commands.add_commands(session)
        self.fleet = FleetView(session)
        self.errors = ErrorsPage(session)
        self.history = HistoryPage(session, self.drafts)
        self._pages = QStackedWidget()
        for view in (self.fleet, self.errors, self.history):
            self._pages.addWidget(view)
        self._made: dict[Place, QWidget] = {}
        self.palette_panel = Palette(session, self)
        self.cheat_sheet = CheatSheet(session, self)
        self.top = TopBar(session.commands, session.look)
        self.notice = NoticeStrip(session)
        self._lay_out()
        self._make_menus()
        self._connect()
        self._restore()

    def go(self, place: Place) -> None:
        """Show a place."""
        view = self._view(place)
        self._pages.setCurrentWidget(view)
        self.top.show_current(_tab(place))
        if place.where is Where.FLEET:
            self.fleet.show_place(place)
        elif place.where is Where.START:
            self.fleet.show_start()
        elif place.where is Where.ERRORS and place.run:
            self.errors.show_failure(place.run, place.name)
        elif place.where is Where.HISTORY and place.run:
            self.history.show_run(place.run)
        cast(View, view).focus_first()

    def current(self) -> QWidget:
        """The view that is shown."""
        return self._pages.currentWidget()

    def forget(self, place: Place) -> None:
        """Let go of a view that is not needed any more, such as a form that was saved."""
        view = self._made.pop(place, None)
        if view is not None:
            self._pages.removeWidget(view)
            view.deleteLater()

    def save_state(self) -> None:
        """Remember size and splitters."""
        settings = self.session.settings
        settings.setValue("window/geometry", self.saveGeometry())
        settings.setValue("window/tree", self.fleet.splitter.saveState())
        settings.setValue("window/theme", self.session.look.theme_name)
        settings.setValue("window/text", self.session.look.text_size)
        settings.setValue("window/density", self.session.look.density)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close, unless a run goes on here and the user wants to keep it."""
        self.save_state()
        mine = [run for run in self.session.runs.active if self.session.services.runs_here(run)]
        unsaved = [place for place, view in self._made.items() if getattr(view, "unsaved", False)]
        if self._may_close or not (mine or unsaved):
            self.drafts.save_now()
            event.accept()
            self.closing.emit()
            return
        event.ignore()
        if not self._asks_to_close:
            self._asks_to_close = True
            self.session.bridge.spawn(self._close_with(mine, unsaved), name="close the window")

    def changeEvent(self, event: QEvent) -> None:
        """Look again at commands when the window is worked with again."""
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self.session.commands.refresh()
        super().changeEvent(event)

    def close_now(self) -> None:
        """Cancel what goes on here and close without a question: the program was told to end."""
        mine = [run for run in self.session.runs.active if self.session.services.runs_here(run)]
        self.session.bridge.spawn(self._cancel_and_close(mine), name="end")

    async def _close_with(self, runs: Sequence[int], unsaved: Sequence[Place]) -> None:
        said = []
        if runs:
            numbers = " and ".join(map(str, runs))
            said.append(
                f"Run {numbers} goes on in this window. Closing cancels it: every file on the machines is the old or"
                " the new one, and the locks are freed."
            )
        if unsaved:
            names = ", ".join(each.name or "a new environment" for each in unsaved)
            said.append(f"Changes to {names} are not saved.")
        question = Question(
            title="A deployment goes on" if runs else "Changes are not saved",
            text=" ".join(said),
            accept="Cancel the run and close" if runs else "Close without saving",
            reject="Keep it running" if runs else "Go back",
            danger=True,
        )
        try:
            agreed = await self.session.asking.confirm(question)
        finally:
            self._asks_to_close = False
        if agreed:
            await self._cancel_and_close(runs)

    async def _cancel_and_close(self, runs: Sequence[int]) -> None:
        for run in runs:
            await self.session.bridge.ask(lambda number=run: self.session.services.cancel(number))  # type: ignore[misc]
        self._may_close = True
        if set(runs) & set(self.session.runs.active):
            self.session.runs.ended.connect(self._close_when_ended)
        else:
            self.close()

    def _close_when_ended(self) -> None:
        if not any(self.session.services.runs_here(run) for run in self.session.runs.active):
            self.close()

    def _view(self, place: Place) -> QWidget:
        match place.where:
            case Where.FLEET | Where.START:
                return self.fleet
            case Where.ERRORS:
                return self.errors
            case Where.HISTORY:
                return self.history
            case _:
                return self._made_view(place)

    def _made_view(self, place: Place) -> QWidget:
        if place not in self._made:
            session = self.session
            makers: dict[Where, Callable[[], QWidget]] = {
                Where.WIZARD: lambda: WizardPage(session, self.drafts, place.name),
                Where.FORM: lambda: EnvironmentForm(session, place.name),
                Where.TRUST: lambda: TrustPage(session, place.name),
                Where.IMPORT: lambda: ImportPage(session),
                Where.GUESTS: lambda: GuestsPage(session),
            }
            view = makers[place.where]()
            done = getattr(view, "done", None)
            if done is not None:
                done.connect(lambda: self._leave(place))
            self._made[place] = view
            self._pages.addWidget(view)
        return self._made[place]

    def _leave(self, place: Place) -> None:
        if self.session.navigator.place == place:
            self.session.navigator.leave()
        self.forget(place)

    def _lay_out(self) -> None:
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.top)
        column.addWidget(self.notice)
        column.addWidget(self._pages, 1)
        column.addWidget(SavedStrip(self.session))
        column.addWidget(UndoStrip(self.session))
        column.addWidget(StatusStrip(self.session))
        self.setCentralWidget(whole)
        self.top.add(Where.FLEET.value, "Fleet")
        self.top.add(Where.ERRORS.value, "Errors")
        self.top.add(Where.HISTORY.value, "History")

    def _connect(self) -> None:
        session = self.session
        session.navigator.moved.connect(self.go)
        self.top.chosen.connect(self._go_to_tab)
        self.top.closed.connect(self._close_draft)
        self.errors.inbox.changed.connect(self._count_errors)
        self.drafts.changed.connect(self._show_drafts)
        self.errors.plan_wanted.connect(self.drafts.from_run)
        session.machines.selection_changed.connect(self._refresh_commands)
        session.machines.changed.connect(self._refresh_commands)
        session.machines.changed.connect(self._weigh_new)
        session.navigator.moved.connect(self._weigh_new)
        session.runs.started.connect(self._refresh_commands)
        session.runs.ended.connect(self._refresh_commands)
        session.undo.changed.connect(self._refresh_commands)
        self._count_errors()
        self._show_drafts()

    def _refresh_commands(self) -> None:
        self.session.commands.refresh()

    def _weigh_new(self) -> None:
        """One button at a time asks to be pressed: in a draft its own, without environments that of the start page."""
        place = self.session.navigator.place
        drafting = place is not None and place.where is Where.WIZARD
        self.top.new.set_kind(Kind.PRIMARY if self.session.machines.environments and not drafting else Kind.SECONDARY)

    def _go_to_tab(self, key: str) -> None:
        if key in {each.value for each in Where}:
            self.session.navigator.go(Place(Where(key)))
        else:
            self.session.navigator.wizard(key)

    def _count_errors(self) -> None:
        self.top.add(Where.ERRORS.value, "Errors").set_count(self.errors.inbox.open_count)

    def _show_drafts(self) -> None:
        shown = {each.id: each for each in self.drafts.open}
        for key in self.top.tabs():
            if key not in shown and key not in {each.value for each in Where}:
                self.top.remove(key)
                self._leave(Place(Where.WIZARD, name=key))
        for key, draft in shown.items():
            self.top.add(key, f"Draft: {draft.draft.name or 'new'}", icon="rocket-launch-outline", closable=True)
        place = self.session.navigator.place
        if place is not None:
            self.top.show_current(_tab(place))

    def _close_draft(self, key: str) -> None:
        self.drafts.close(key)

    def _add_commands(self) -> None:
        session, look, go = self.session, self.session.look, self.session.navigator
        session.commands.add(
            Command("app.quit", "Quit", "File", self._quit, "Ctrl+Q", "power"),
            Command("edit.undo", "Undo", "Edit", session.undo.take_back, "Ctrl+Z", enabled=self._nothing_to_undo),
            Command("view.fleet", "Fleet", "View", lambda: go.fleet(), "Ctrl+1"),
            Command("view.errors", "Errors", "View", lambda: go.error(), "Ctrl+2"),
            Command("view.history", "History", "View", lambda: go.history(), "Ctrl+3"),
            *(
                Command(
                    f"view.draft{n}",
                    f"Draft {n}",
                    "View",
                    self._draft_goer(n),
                    f"Ctrl+{n + 5}",
                    enabled=self._no_draft(n),
                )
                for n in range(1, 5)
            ),
            Command("go.back", "Back", "View", go.back, "Alt+Left", "arrow-left"),
            Command("go.forward", "Forward", "View", go.forward, "Alt+Right", "arrow-right"),
            Command("region.next", "Next region", "View", lambda: self._next_region(1), "F6"),
            Command("region.previous", "Previous region", "View", lambda: self._next_region(-1), "Shift+F6"),
            Command("view.tree", "Environment tree", "View", lambda: self.fleet.toggle_tree(), "Ctrl+B"),
            Command(
                "text.larger",
                "Larger text",
                "View",
                lambda: look.set_text_size(look.text_size + 10),
                "Ctrl++",
                also=("Ctrl+=",),
            ),
            Command("text.smaller", "Smaller text", "View", lambda: look.set_text_size(look.text_size - 10), "Ctrl+-"),
            Command("text.usual", "Usual text size", "View", lambda: look.set_text_size(100), "Ctrl+0"),
            Command("theme.system", "Colours of the desktop", "View", lambda: look.set_theme("system"), no_key=NO_KEY),
            Command("theme.dark", "Dark", "View", lambda: look.set_theme("dark"), no_key=NO_KEY),
            Command("theme.light", "Light", "View", lambda: look.set_theme("light"), no_key=NO_KEY),
            Command(
                "density.toggle",
                "Compact rows",
                "View",
                self._toggle_density,
                no_key=NO_KEY,
                checked=lambda: look.density == "compact",
            ),
            Command("menu.context", "Context menu", "Edit", context_menu, "Shift+F10", keywords="more actions here"),
            Command(
                "palette.open",
                "Find or run",
                "Tools",
                lambda: self.palette_panel.open(),
                "Ctrl+K",
                "magnify",
                also=("Ctrl+Shift+P",),
            ),
            Command(
                "view.start", "Start page", "Help", go.start, no_key=NO_KEY, keywords="doctor this computer welcome"
            ),
            Command("help.first_steps", "First steps", "Help", self._show_first_steps, "F1", "book-open-outline"),
            Command("help.keys", "Keyboard shortcuts", "Help", lambda: self.cheat_sheet.open(), "Ctrl+/"),
        )

    def _show_first_steps(self) -> None:
        steps = FirstSteps(self.session.look, self)
        steps.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        steps.show()

    def _quit(self) -> None:
        self.close()

    def _nothing_to_undo(self) -> str:
        return "" if self.session.undo.text else "Nothing to undo"

    def _no_draft(self, number: int) -> Callable[[], str]:
        return lambda: "" if len(self.drafts.open) >= number else f"There is no draft {number}"

    def _draft_goer(self, number: int) -> Callable[[], None]:
        return lambda: self.session.navigator.wizard(self.drafts.open[number - 1].id)

    def _toggle_density(self) -> None:
        self.session.look.set_density("comfortable" if self.session.look.density == "compact" else "compact")

    def _next_region(self, by: int) -> None:
        regions = [each for each in cast(View, self.current()).regions() if each.isVisible()]
        focus = QApplication.focusWidget()
        at = (
            next((i for i, each in enumerate(regions) if each is focus or each.isAncestorOf(focus)), -by)
            if focus
            else -by
        )
        if regions:
            regions[(at + by) % len(regions)].setFocus(Qt.FocusReason.TabFocusReason)

    def _make_menus(self) -> None:
        commands = self.session.commands
        bar = self.menuBar()
        for title in MENUS:
            menu = bar.addMenu(title)
            menu.setToolTipsVisible(True)
            for command in commands.all():
                if command.menu == title:
                    menu.addAction(commands.action(command.id))
            menu.aboutToShow.connect(self._refresh_commands)
        # An action without a widget has no key: those of menus have the menu bar's window.
        self.addActions([commands.action(each.id) for each in commands.all() if not each.scope])

    def _restore(self) -> None:
        settings = self.session.settings
        geometry, tree = settings.value("window/geometry"), settings.value("window/tree")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        if isinstance(tree, QByteArray):
            self.fleet.splitter.restoreState(tree)


def _tab(place: Place) -> str:
    return (
        place.name
        if place.where is Where.WIZARD
        else Where.FLEET.value
        if place.where is Where.START
        else place.where.value
    )
