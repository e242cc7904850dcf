"""Coverage from the window: asked where it goes, told how far it is, and opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QDialog, QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.coverage import Coverage, CoverageProgress, CoverageRequest
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.unlocking import unlock_these
from kdeploy_gui.ui.widgets import Button, Kind, PlainLabel


async def asked(session: Session, environment: Environment) -> CoverageRequest | None:
    """Where the coverage of a machine shall go, and the build tree for its report; None: nowhere."""
    name = visible(environment.name)
    out = await session.asking.open_folder(f"Folder for the coverage of {name}")
    if out is None:
        return None
    question = Question(
        title=f"Report on the coverage of {name}",
        text="lcov makes pages of the counters where the folder is at hand that the kernel was built in.",
        accept="Choose build tree...",
        reject="Counters only",
    )
    if not await session.asking.confirm(question):
        return CoverageRequest(out=out)
    tree = await session.asking.open_folder(f"Build tree of the kernel of {name}")
    return CoverageRequest(out=out, build_tree=tree) if tree is not None else None


async def collect(session: Session, environment: Environment) -> None:
    """Ask, collect, and show what came of it in a panel that stays until it is closed; failures are told."""
    request = await asked(session, environment)
    if request is None:
        return
    panel = CoveragePanel(environment.name, session.look, QApplication.activeWindow())
    try:
        await unlock_these(session, [environment])
        future = session.services.coverage.start(environment, request, panel.told.emit)
        panel.cancelled.connect(future.cancel)
        panel.show()
        panel.show_end(await session.bridge.wait(future))
        panel.finished.connect(panel.deleteLater)
    except asyncio.CancelledError:
        panel.close()
        panel.deleteLater()
    except KdeployError as error:
        panel.end()
        panel.deleteLater()
        session.asking.tell(session.services.failure_of(error, environment.name))


class CoveragePanel(QDialog):
    """How far a collection is, then its end with the way to the report. Closed before that, it ends the collection."""

    told = Signal(CoverageProgress)
    """Emitted on any thread."""
    cancelled = Signal()

    def __init__(self, name: str, look: Look, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Coverage of {visible(name)}")
        self.setMinimumWidth(look.px(520))
        self._page = Path()
        self._ended = False
        self.what = PlainLabel("Connecting", look, Text.BODY, "t2", selectable=True, wrap=True)
        self.what.setAccessibleName("How far it is")
        self.where = PlainLabel("", look, Text.CELL, "t3", selectable=True, wrap=True)
        self.where.setAccessibleName("Where it is")
        self.close_button = Button("Cancel", look)
        self.close_button.clicked.connect(self.close)
        self.open_button = Button("Open the report", look, Kind.PRIMARY, icon="file-document-outline")
        self.open_button.clicked.connect(self._open)
        self.open_button.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(*[look.px(24)] * 4)
        column.setSpacing(look.px(12))
        column.addWidget(PlainLabel(self.windowTitle(), look, Text.HEADING, wrap=True))
        column.addWidget(self.what)
        column.addWidget(self.where)
        column.addStretch()
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.close_button)
        row.addWidget(self.open_button)
        column.addLayout(row)
        self.told.connect(self._show_progress)
        self.finished.connect(self._give_up)

    def show_end(self, found: Coverage) -> None:
        """Say what was collected."""
        self._ended = True
        data, report = found.data, found.report
        counters = f"{data.files} file{'' if data.files == 1 else 's'} of counters, {size(data.bytes)}"
        left_out = report.without_notes if report is not None else 0
        missing = f" Not in the build tree, so not in the report: {left_out}." if left_out else ""
        self.what.setText(f"{report.words} ran.{missing}" if report is not None else f"{counters}, without a report.")
        self._page = report.page if report is not None else data.folder
        self.where.setText(visible(str(self._page)))
        self.open_button.setText("Open the report" if report is not None else "Open the folder")
        self.open_button.setAccessibleName(self.open_button.text())
        self.open_button.show()
        self.open_button.setDefault(True)
        self.open_button.setFocus()
        self.close_button.setText("Close")
        self.close_button.setAccessibleName("Close")
        self.adjustSize()

    def end(self) -> None:
        """Close it: the collection has failed."""
        self._ended = True
        self.close()

    def _show_progress(self, progress: CoverageProgress) -> None:
        if not self._ended:
            words = visible(progress.words)
            self.what.setText(words[:1].upper() + words[1:])

    def _open(self) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._page))):
            self.what.setText("No program here opens it. It is here:")

    def _give_up(self) -> None:
        if not self._ended:
            self.cancelled.emit()
