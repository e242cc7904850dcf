"""The commands of the fleet page: on the whole run, on what is selected, and on the view."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.progress import verbs
from kdeploy_gui.ui.progress.model import FleetModel
from kdeploy_gui.ui.progress.rows import PROBLEMS, Row
from kdeploy_gui.ui.progress.views import FleetViews
from kdeploy_gui.ui.reports import save_report
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition

SCOPE = "fleet"
ROWS_SCOPE = "fleet rows"
CONTEXT = (
    "fleet.log",
    "fleet.error",
    "",
    "run.retry_selected",
    "run.validate_selected",
    "run.roll_back_selected",
    "run.cancel_selected",
    "",
    "fleet.copy",
)
NO_KEY = "in the context menu"
IN_BAR = "in the tool bar"
ENTER = "Enter on an environment"
CANCEL_SELECTED = "Cancel selected environments..."
RETRY_SELECTED = "Retry selected environments..."
ROLL_BACK_SELECTED = "Roll back selected environments..."
VALIDATE = "Validate selected environments again"
STOP, EXPORT = "stop-circle-outline", "export-variant"


class FleetActions:
    """Adds the commands and carries them out."""

    def __init__(self, session: Session, model: FleetModel, views: FleetViews, detail: QWidget) -> None:
        self._session = session
        self._model = model
        self._views = views
        self._detail = detail
        commands = (*self._on_run(), *self._on_selection(), *self._on_view())
        session.commands.add(*commands)
        self._ids = [each.id for each in commands]
        for view in (views.grid, views.panes):
            session.commands.attach(view, ROWS_SCOPE)

    def refresh(self) -> None:
        """Look again which commands can be used."""
        self._session.commands.refresh(self._ids)

    def _on_run(self) -> Sequence[Command]:
        cancel, retry, report = self._cancel, self._retry, self._report
        return [
            Command(
                "run.cancel",
                "Cancel run...",
                "Run",
                cancel,
                "Ctrl+Shift+X",
                STOP,
                self._not_going,
                "abort",
                scope=SCOPE,
            ),
            Command(
                "run.retry",
                "Retry what failed...",
                "Run",
                retry,
                "Ctrl+R",
                "refresh",
                self._nothing_failed,
                scope=SCOPE,
            ),
            Command(
                "run.roll_back",
                "Roll back...",
                "Run",
                self._roll_back,
                "Ctrl+Shift+R",
                "backup-restore",
                self._nothing_changed,
                "undo take back previous version",
                scope=SCOPE,
            ),
            Command("run.report", "Report...", "Run", report, "Ctrl+E", EXPORT, self._no_run, "save html", scope=SCOPE),
        ]

    def _on_selection(self) -> Sequence[Command]:
        cancel, retry = self._cancel_selected, self._retry_selected
        none, failed, going, error = self._none_chosen, self._none_failed, self._none_going, self._no_error
        return [
            Command("run.cancel_selected", CANCEL_SELECTED, "Run", cancel, enabled=going, no_key=NO_KEY),
            Command("run.retry_selected", RETRY_SELECTED, "Run", retry, enabled=failed, no_key=NO_KEY),
            Command(
                "run.validate_selected",
                VALIDATE,
                "Run",
                self._validate_selected,
                icon="check-circle-outline",
                enabled=self._none_to_validate,
                keywords="readiness checks again ready",
                no_key=NO_KEY,
            ),
            Command(
                "run.roll_back_selected",
                ROLL_BACK_SELECTED,
                "Run",
                self._roll_back_selected,
                enabled=self._none_changed,
                no_key=NO_KEY,
            ),
            Command("fleet.log", "Open log", "Run", self._open_log, "", "text-search", none, no_key=ENTER),
            Command("fleet.error", "Open error", "Run", self._open_error, "", "arrow-right", error, no_key=NO_KEY),
            Command("fleet.copy", "Copy row", "Run", self._copy, "Ctrl+C", "content-copy", none, scope=ROWS_SCOPE),
        ]

    def _on_view(self) -> Sequence[Command]:
        forth, back, none = self._next_problem, self._previous_problem, self._no_problem
        shows, hidden = self._views, self._detail.isHidden
        return [
            Command("fleet.next_problem", "Next problem", "Run", forth, "F8", enabled=none, scope=SCOPE),
            Command("fleet.previous_problem", "Previous problem", "Run", back, "Shift+F8", enabled=none, scope=SCOPE),
            Command(
                "fleet.grid",
                "Grid",
                "View",
                self._show_grid,
                icon="view-grid-outline",
                no_key=IN_BAR,
                checked=lambda: not shows.shows_panes,
            ),
            Command(
                "fleet.panes",
                "Panes",
                "View",
                self._show_panes,
                icon="view-week-outline",
                no_key=IN_BAR,
                checked=lambda: shows.shows_panes,
            ),
            Command(
                "fleet.detail",
                "Detail pane",
                "View",
                self._toggle_detail,
                "Ctrl+J",
                scope=SCOPE,
                checked=lambda: not hidden(),
            ),
        ]

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._session.bridge.spawn(work, name=name)

    def _cancel(self) -> None:
        self._spawn(verbs.cancel(self._session, self._model.run), "cancel a run")

    def _cancel_selected(self) -> None:
        self._spawn(verbs.cancel(self._session, self._model.run, self._views.names()), "cancel environments")

    def _retry(self) -> None:
        self._spawn(verbs.retry(self._session, self._model.run), "retry what failed")

    def _retry_selected(self) -> None:
        self._spawn(verbs.retry(self._session, self._model.run, self._views.names()), "retry environments")

    def _validate_selected(self) -> None:
        self._spawn(verbs.validate(self._session, self._model.run, self._views.names()), "validate environments")

    def _roll_back(self) -> None:
        self._spawn(verbs.roll_back(self._session, self._model.run), "roll back a run")

    def _roll_back_selected(self) -> None:
        self._spawn(verbs.roll_back(self._session, self._model.run, self._views.names()), "roll back environments")

    def _report(self) -> None:
        self._spawn(save_report(self._session, self._model.run.run), "save a report")

    def _open_log(self) -> None:
        self._views.drilled.emit(self._views.current, None)

    def _open_error(self) -> None:
        self._session.navigator.error(self._model.run.run, self._views.current)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._views.text())

    def _next_problem(self) -> None:
        self._views.next_problem(1)

    def _previous_problem(self) -> None:
        self._views.next_problem(-1)

    def _show_grid(self) -> None:
        self._show(panes=False)

    def _show_panes(self) -> None:
        self._show(panes=True)

    def _show(self, *, panes: bool) -> None:
        self._views.show_panes(panes)
        self._session.settings.setValue("fleet/panes", panes)
        self.refresh()

    def _toggle_detail(self) -> None:
        self._detail.setVisible(self._detail.isHidden())

    def _selected(self) -> list[Row]:
        return [row for row in map(self._model.get, self._views.names()) if row is not None]

    def _no_run(self) -> str:
        return "" if self._model.run.run else "No run is shown"

    def _none_chosen(self) -> str:
        return self._no_run() or ("" if self._views.names() else "No environment is selected")

    def _not_going(self) -> str:
        return self._no_run() or ("" if self._model.run.outcome is None else "The run has ended")

    def _none_going(self) -> str:
        going = any(not row.final for row in self._selected())
        return self._not_going() or ("" if going else "Nothing goes on in what is selected")

    def _nothing_failed(self) -> str:
        if self._no_run():
            return self._no_run()
        if self._model.run.outcome is None:
            return "The run goes on: retry when it has ended, or select what failed"
        return "" if verbs.retryable(self._model.run) else "Nothing failed in this run"

    def _none_failed(self) -> str:
        failed = any(row.retryable for row in self._selected())
        return self._none_chosen() or ("" if failed else "Nothing failed in what is selected")

    def _none_to_validate(self) -> str:
        chosen = set(self._views.names()) & set(verbs.validatable(self._model.run))
        why = "Nothing selected has come to its readiness checks and kept its files: retry deploys them again"
        return self._none_chosen() or ("" if chosen else why)

    def _nothing_changed(self) -> str:
        if self._no_run():
            return self._no_run()
        if self._model.run.outcome is None:
            return "The run goes on: cancel it, or roll back when it has ended"
        return "" if verbs.changed(self._model.run) else "This run placed no file"

    def _none_changed(self) -> str:
        chosen = set(self._views.names()) & set(verbs.changed(self._model.run))
        return self._nothing_changed() or ("" if chosen else "This run placed no file in what is selected")

    def _no_problem(self) -> str:
        return "" if any(row.condition in PROBLEMS for row in self._model.shown()) else "No environment has a problem"

    def _no_error(self) -> str:
        row = self._model.get(self._views.current)
        return "" if row is not None and row.condition is Condition.FAILED else "No failed environment is selected"
