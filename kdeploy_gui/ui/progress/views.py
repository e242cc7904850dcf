"""The fleet as grid and as cards: two views of one model with one cursor."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.progress.grid import FleetGrid
from kdeploy_gui.ui.progress.model import COLUMNS, FleetModel, cell_text
from kdeploy_gui.ui.progress.panes import FleetPanes
from kdeploy_gui.ui.progress.rows import PROBLEMS


class FleetViews(QStackedWidget):
    """Shows one of the two; the cursor is on the same environment in both."""

    chosen = Signal(str)
    """The environment under the cursor."""
    drilled = Signal(str, object)
    """An environment and the Stage to look at, or None."""
    selected = Signal(bool)
    """Other environments are selected; whether the user did it here."""

    def __init__(self, look: Look, model: FleetModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._following = False
        self.grid = FleetGrid(look, model)
        self.panes = FleetPanes(look, model)
        for view in (self.grid, self.panes):
            self.addWidget(view)
            view.chosen.connect(self._choose)
            view.drilled.connect(self.drilled)
            view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.grid.selectionModel().selectionChanged.connect(self._tell_selected)

    @property
    def current(self) -> str:
        """The environment under the cursor; empty: there is none."""
        return self.panes.current if self.shows_panes else self.grid.current

    @property
    def shows_panes(self) -> bool:
        """Whether cards are shown."""
        return self.currentWidget() is self.panes

    def names(self) -> tuple[str, ...]:
        """Environments that verbs act on."""
        if not self.shows_panes:
            return self.grid.chosen_names()
        return (self.panes.current,) if self.panes.current else ()

    def go_to(self, name: str) -> None:
        """Put the cursor on an environment."""
        self.grid.go_to(name)
        self.panes.go_to(name)

    def choose(self, names: Iterable[str]) -> None:
        """Select environments, as far as they are shown."""
        self.grid.choose(names)

    def show_panes(self, panes: bool) -> None:
        """Show cards, or the grid."""
        view: QWidget = self.panes if panes else self.grid
        focused = self.currentWidget().hasFocus()
        self.setCurrentWidget(view)
        if focused:
            view.setFocus(Qt.FocusReason.OtherFocusReason)

    def next_problem(self, by: int) -> None:
        """Go to the next environment with a problem, or with -1 to the previous one."""
        rows = list(self._model.shown())
        begin = self._model.place(self.current)
        for step in range(1, len(rows) + 1):
            row = rows[(begin + by * step) % len(rows)]
            if row.condition in PROBLEMS:
                self.go_to(row.name)
                return

    def text(self) -> str:
        """The selected rows, cells separated by tabs."""
        rows = [self._model.at(self._model.place(name)) for name in self.names()]
        return "\n".join("\t".join(cell_text(row, column) for column in range(COLUMNS)) for row in rows)

    def _choose(self, name: str) -> None:
        if self._following or not name:
            return
        self._following = True
        self.go_to(name)
        self._following = False
        self.chosen.emit(name)
        if self.shows_panes:
            self._tell_selected()

    def _tell_selected(self) -> None:
        self.selected.emit(self.currentWidget().hasFocus())
