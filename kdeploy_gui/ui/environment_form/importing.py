"""The page that takes hosts from ~/.ssh/config into the lab file."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_form.host_model import HostModel
from kdeploy_gui.ui.environment_form.parts import Footer
from kdeploy_gui.ui.environment_form.proposals import proposals
from kdeploy_gui.ui.environment_form.ticks import measure, show_count, tick_table
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, EmptyState, Ground, Hairline, Kind, PlainLabel


class ImportPage(QWidget):
    """Hosts with ticks; those chosen become environments in one step."""

    done = Signal()
    """They were added, or the user wants it no more."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        look = session.look
        self.hosts = HostModel(look, self)
        self.table = tick_table(self.hosts, look, "Hosts of ~/.ssh/config")
        self.all = QCheckBox("Choose all new ones")
        self.cancel = Button("Cancel", look, Kind.SECONDARY)
        self.add = Button("Add environments", look, Kind.PRIMARY)
        self.footer = Footer(look, [self.cancel, self.add])
        self.empty = EmptyState(look, "import", "No hosts found")
        self._stack = QStackedWidget()
        self._stack.addWidget(self.table)
        self._stack.addWidget(self.empty)
        self._lay_out()
        self.all.clicked.connect(self.hosts.choose_all)
        self.hosts.ticked.connect(self._count)
        self.cancel.clicked.connect(self.done)
        self.add.clicked.connect(lambda: session.bridge.spawn(self._add(), name="import hosts"))
        session.machines.changed.connect(self._read)
        look.changed.connect(self._follow)
        self._follow()
        self._count()
        self._read()

    def focus_first(self) -> None:
        """Put the focus where work begins."""
        self.table.setFocus()

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self.table, self.add)

    def _lay_out(self) -> None:
        look = self._session.look
        top = Ground(look, "view")
        head = QVBoxLayout(top)
        head.setContentsMargins(look.px(16), look.px(16), look.px(16), look.px(12))
        head.setSpacing(look.px(8))
        head.addWidget(PlainLabel("Import hosts", look, Text.TITLE))
        config = visible(str(self._session.services.inventory.ssh_config))
        text = (
            f"From {config}. Keys that ssh has seen of a host become its pins; nothing is connected to,"
            " and the file stays as it is."
        )
        head.addWidget(PlainLabel(text, look, Text.CELL, "t2", wrap=True))
        line = QHBoxLayout()
        line.addWidget(self.all)
        line.addStretch()
        head.addLayout(line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top)
        column.addWidget(Hairline(look))
        ground = Ground(look, "view")
        body = QVBoxLayout(ground)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self._stack)
        column.addWidget(ground, 1)
        column.addWidget(self.footer)

    def _follow(self) -> None:
        measure(self.table, self._session.look)

    def _read(self) -> None:
        self._session.bridge.spawn(self._look(), name="read ~/.ssh/config")

    async def _look(self) -> None:
        inventory = self._session.services.inventory
        found = await self._session.bridge.ask(inventory.importable)
        self.hosts.set_offered(proposals(found, self._session.machines.environments))
        if not found:
            config = visible(str(inventory.ssh_config))
            self.empty.say("No hosts found", f"{config} is not there or names no host without a pattern.")
        self._stack.setCurrentWidget(self.table if found else self.empty)
        self.table.resizeColumnsToContents()

    def _count(self) -> None:
        show_count(self.hosts, self.all, self.add, "host")

    async def _add(self) -> None:
        inventory, hosts = self._session.services.inventory, self.hosts
        wanted = [each.environment for each in hosts.offered if each.environment.name in hosts.chosen]
        problems = await self._session.bridge.ask(lambda: inventory.add_all(wanted))
        self.footer.say.say([str(each) for each in problems])
        if not problems:
            self._session.machines.reload()
            self.done.emit()
