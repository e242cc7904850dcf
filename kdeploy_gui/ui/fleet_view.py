"""The fleet view: the environment tree on the left, and beside it what they are doing, or how to begin."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.progress.page import FleetPage
from kdeploy_gui.ui.session import Place, Session
from kdeploy_gui.ui.start.page import StartPage

TREE_WIDTH = 264


class FleetView(QWidget):
    """Tree and fleet page; the start page while there is no environment."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._begins = False
        self.tree = EnvironmentPanel(session)
        self.fleet = FleetPage(session)
        session.commands.attach(self.tree, "fleet")
        self.start = StartPage(session)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.fleet)
        self._pages.addWidget(self.start)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.tree)
        self.splitter.addWidget(self._pages)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([session.look.px(TREE_WIDTH), 10_000])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.splitter)
        session.machines.changed.connect(self._choose)
        self._choose()

    def show_place(self, place: Place) -> None:
        """Show a run, or an environment in it."""
        if place.run or place.name:
            self._pages.setCurrentWidget(self.fleet)
            self.fleet.show_run(place.run, place.name, place.stage)

    def show_start(self) -> None:
        """Show the start page, although there are environments."""
        self._pages.setCurrentWidget(self.start)

    def toggle_tree(self) -> None:
        """Hide the tree, or show it."""
        self.tree.setVisible(not self.tree.isVisible())

    def focus_first(self) -> None:
        """Put the focus where work begins."""
        self._begins = not self._session.machines.loaded
        if self._pages.currentWidget() is self.start:
            self.start.focus_first()
        else:
            self.fleet.focus_first()

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        page = self.start if self._pages.currentWidget() is self.start else self.fleet
        return (*(self.tree.regions() if self.tree.isVisible() else ()), *page.regions())

    def _choose(self) -> None:
        machines = self._session.machines
        if machines.loaded and not machines.environments and not self._session.runs.active:
            self._pages.setCurrentWidget(self.start)
            if self._begins:
                self._begins = False
                self.start.focus_first()
        elif self._pages.currentWidget() is self.start and machines.environments:
            self._pages.setCurrentWidget(self.fleet)
