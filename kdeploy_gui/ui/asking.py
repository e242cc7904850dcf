"""Questions to the user, one way for all of them: never modal to the loop, and answered by tests without a window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, Kind, PlainLabel

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """`details` say line by line what exactly changes where; Enter is the safe answer where there is `danger`.

    `typed` must be typed before it can be accepted: for what no undo brings back.
    """

    title: str
    text: str
    accept: str
    details: Sequence[str] = ()
    reject: str = "Cancel"
    danger: bool = False
    typed: str = ""


class Asking(QObject):
    """Questions that wait for an answer, and failures that are only told."""

    told = Signal(object)
    """A Failure outside a run, to be shown without stopping anything."""
    saved = Signal(str, object)
    """What was written for the user, and the Path it has."""

    def __init__(self, look: Look, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look

    def tell(self, failure: Failure) -> None:
        """Show a failure; nothing waits for it."""
        self.told.emit(failure)

    def tell_saved(self, what: str, path: Path) -> None:
        """Say where a file is that the user wanted."""
        self.saved.emit(what, path)

    async def confirm(self, question: Question) -> bool:
        """Whether the user accepts."""
        return await _answered(QuestionPanel(question, self._look, _window()))

    async def secret(self, what: str, *, again: bool = False) -> str:
        """What the user types unseen; "" for none. `again`: the answer before was not it."""
        panel = SecretPanel(what, again, self._look, _window())
        return panel.field.text() if await _answered(panel) else ""

    async def open_file(self, title: str, pattern: str = "", folder: Path | None = None) -> Path | None:
        """A file to read; `pattern` as `Plans (*.toml)`."""
        return await self._path(title, QFileDialog.FileMode.ExistingFile, pattern, folder)

    async def open_folder(self, title: str, folder: Path | None = None) -> Path | None:
        """A folder to read."""
        return await self._path(title, QFileDialog.FileMode.Directory, "", folder)

    async def save_file(self, title: str, name: str, pattern: str = "", folder: Path | None = None) -> Path | None:
        """Where to write; an existing file is asked about by the file dialog itself."""
        return await self._path(title, QFileDialog.FileMode.AnyFile, pattern, folder, name)

    async def _path(
        self, title: str, mode: QFileDialog.FileMode, pattern: str, folder: Path | None, name: str = ""
    ) -> Path | None:
        dialog = QFileDialog(_window(), title, str(folder or Path.home()), pattern)
        dialog.setFileMode(mode)
        if mode is QFileDialog.FileMode.AnyFile:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.selectFile(name)
        return Path(dialog.selectedFiles()[0]) if await _answered(dialog) else None


class QuestionPanel(QDialog):
    """One question as a panel over its window."""

    def __init__(self, question: Question, look: Look, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(question.title)
        self.setMinimumWidth(look.px(440))
        column = QVBoxLayout(self)
        column.setContentsMargins(*[look.px(24)] * 4)
        column.setSpacing(look.px(12))
        column.addWidget(PlainLabel(question.title, look, Text.HEADING))
        column.addWidget(PlainLabel(question.text, look, Text.BODY, "t2", wrap=True))
        if question.details:
            shown = [
                *question.details[:12],
                *([f"and {len(question.details) - 12} more"] if question.details[12:] else []),
            ]
            column.addWidget(PlainLabel("\n".join(shown), look, Text.CELL, "t2", selectable=True, wrap=True))
        accept = Button(question.accept, look, Kind.SECONDARY if question.danger else Kind.PRIMARY)
        reject = Button(question.reject, look, Kind.SECONDARY)
        accept.clicked.connect(self.accept)
        reject.clicked.connect(self.reject)
        if question.typed:
            column.addLayout(self._typing(question, look, accept))
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(reject)
        row.addWidget(accept)
        column.addLayout(row)
        (reject if question.danger else accept).setDefault(True)
        (reject if question.danger else accept).setFocus()

    def _typing(self, question: Question, look: Look, accept: Button) -> QVBoxLayout:
        column = QVBoxLayout()
        field = QLineEdit(self)
        field.setAccessibleName(f"Type {question.typed} to go on")
        field.textChanged.connect(lambda text: accept.setEnabled(text == question.typed))
        accept.setEnabled(False)
        accept.setToolTip(f"Type {question.typed} first")
        column.addWidget(PlainLabel(f"Type {question.typed} to go on", look, Text.CELL, "t3"))
        column.addWidget(field)
        return column


class SecretPanel(QDialog):
    """Asks for a secret; what is typed is not shown, and kept in memory alone."""

    def __init__(self, what: str, again: bool, look: Look, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Unlock")
        self.setMinimumWidth(look.px(440))
        self.field = QLineEdit(self)
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(what)
        accept, reject = Button("Unlock", look, Kind.PRIMARY), Button("Go on without", look)
        accept.clicked.connect(self.accept)
        reject.clicked.connect(self.reject)
        accept.setDefault(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[look.px(24)] * 4)
        column.setSpacing(look.px(12))
        column.addWidget(PlainLabel(what, look, Text.HEADING, wrap=True))
        if again:
            column.addWidget(PlainLabel("That is not it.", look, Text.BODY, "failed"))
        column.addWidget(self.field)
        text = "Kept in memory until kdeploy ends, and written nowhere."
        column.addWidget(PlainLabel(text, look, Text.CELL, "t3", wrap=True))
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(reject)
        row.addWidget(accept)
        column.addLayout(row)
        self.field.setFocus()


def _window() -> QWidget | None:
    return QApplication.activeWindow()


async def _answered(dialog: QDialog) -> bool:
    """Open a dialog and wait for its end without an event loop of its own."""
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def done(result: int) -> None:
        if not answer.done():
            answer.set_result(result == QDialog.DialogCode.Accepted)

    dialog.finished.connect(done)
    dialog.setWindowModality(Qt.WindowModality.WindowModal)
    dialog.open()
    try:
        return await answer
    finally:
        dialog.deleteLater()
