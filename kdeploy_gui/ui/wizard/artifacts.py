"""Step 2: what goes where. Files can be dropped anywhere on the page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QSplitter, QVBoxLayout, QWidget

from kdeploy_gui.model.figures import size
from kdeploy_gui.model.plan import Artifact, ArtifactType, PlanDraft
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.stored import PREFIX
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, PlainLabel
from kdeploy_gui.ui.wizard.table import Column, ItemTable, ItemView

USUAL_TARGET = "/opt/tests/"
SHOWN = 2000
"""Files of one entry that are listed."""
_MODE = re.compile(r"0?[0-7]{3,4}")
_INDEX = re.compile(r"artifacts\[(\d+)\]\.?(\w*)")
_CONFIG = {".conf", ".cfg", ".ini", ".toml", ".yaml", ".yml", ".json"}


def _mode(item: Artifact) -> str:
    return "" if item.mode is None else f"{item.mode:04o}"


def _put_mode(item: Artifact, text: str) -> Artifact:
    if not text.strip() and item.source.startswith(PREFIX):
        return replace(item, mode=None)
    if not _MODE.fullmatch(text):
        raise ValueError(f"'{text}' is no mode: four octal digits such as 0755")
    return replace(item, mode=int(text, 8))


def _put_target(item: Artifact, text: str) -> Artifact:
    if not text.startswith(("/", "~/")):
        raise ValueError(f"'{text}' is no target: it starts with / or ~/, and ends with / for a folder")
    return replace(item, target=text)


def _put_depends(item: Artifact, text: str) -> Artifact:
    return replace(item, depends_on=tuple(part.strip() for part in text.split(",") if part.strip()))


COLUMNS = (
    Column("Source", "source", lambda each: each.source, lambda each, text: replace(each, source=text), mono=True),
    Column(
        "Type",
        "type",
        lambda each: each.type.value if each.type else "",
        lambda each, text: replace(each, type=ArtifactType(text)),
        tuple(each.value for each in ArtifactType),
        width=80,
    ),
    Column("Target", "target", lambda each: each.target, _put_target, mono=True),
    Column("Mode", "mode", _mode, _put_mode, width=64, mono=True),
    Column("Owner", "owner", lambda each: each.owner, lambda each, text: replace(each, owner=text), width=96),
    Column(
        "Sensitive",
        "sensitive",
        lambda each: "yes" if each.sensitive else "no",
        lambda each, text: replace(each, sensitive=text == "yes"),
        ("no", "yes"),
        width=80,
    ),
    Column("Depends on", "depends_on", lambda each: ", ".join(each.depends_on), _put_depends, width=120),
)


class ArtifactsStep(QWidget):
    """Entries on the left, the files they stand for on the right."""

    edited = Signal()
    title = "Artifacts"
    fields: tuple[str, ...] = ("artifacts",)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._folder = Path.home()
        self._files: dict[int, list[str]] = {}
        look = session.look
        self.setAcceptDrops(True)
        self.table = ItemTable(look, COLUMNS)
        self.view = ItemView(look, self.table, "Artifacts")
        self.files = QListWidget()
        self.files.setAccessibleName("Files of the selected artifact")
        self.files.setFrameShape(QListWidget.Shape.NoFrame)
        self.files.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.files.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._files_title = PlainLabel("Files", look, Text.HEADER, "t3")
        self._lay_out(look)
        self.table.edited.connect(self.edited)
        self.table.refused.connect(self._refuse)
        self.view.remove_wanted.connect(self.remove)
        self.view.selectionModel().currentRowChanged.connect(self._show_files)

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's artifacts."""
        self.table.show_items(draft.artifacts)

    def show_folder(self, folder: Path) -> None:
        """The folder that sources are relative to."""
        self._folder = folder

    def show_files(self, files: dict[int, list[str]]) -> None:
        """What each artifact stands for, by its number."""
        self._files = files
        self._show_files(self.view.currentIndex())

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here."""
        return replace(draft, artifacts=self.table.items)

    def subtitle(self, draft: PlanDraft) -> str:
        """How many files."""
        count = sum(len(each) for each in self._files.values())
        return f"{count} {'file' if count == 1 else 'files'}"

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Mark cells, and list what belongs to no cell."""
        marks: dict[tuple[int, str], str] = {}
        for each in problems:
            found = _INDEX.match(each.field)
            if found is not None:
                marks[int(found[1]), found[2] if found[2] in {c.field for c in COLUMNS} else ""] = each.message
        self.table.show_problems(marks)
        self._refuse("\n".join(each.message for each in problems[:3]))

    def focus_first(self) -> None:
        """The table has the focus."""
        self.view.setFocus()
        if not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self.table.index(0, 0))

    def regions(self) -> Sequence[QWidget]:
        """Table and files."""
        return (self.view, self.files)

    def add_paths(self, paths: Iterable[Path]) -> None:
        """An entry for each file or folder, with type and mode guessed from its content."""
        target = next((each.target for each in reversed(self.table.items) if each.target.endswith("/")), USUAL_TARGET)
        found = [guessed(path, self._folder, target) for path in paths]
        if found:
            self.table.append(*found)
            self.view.selectRow(len(self.table.items) - 1)

    def remove(self, row: int) -> None:
        """Take an entry out; it can be taken back."""
        gone = self.table.remove(row)
        self._session.undo.offer(f"Removed {visible(gone.source)}", lambda: self.table.insert(row, gone))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add what was dropped."""
        self.add_paths(Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())
        event.acceptProposedAction()

    def _refuse(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _show_files(self, index: QModelIndex) -> None:
        self.files.clear()
        names = self._files.get(index.row(), []) if index.isValid() else []
        self._files_title.setText(f"Files of this entry: {len(names)}" if index.isValid() else "Files")
        self.files.addItems(names[:SHOWN])
        if len(names) > SHOWN:
            self.files.addItem(QListWidgetItem(f"and {len(names) - SHOWN} more"))

    def _choose_file(self) -> None:
        self._session.bridge.spawn(self._add_file(), name="add a file")

    def _choose_folder(self) -> None:
        self._session.bridge.spawn(self._add_folder(), name="add a folder")

    def _add_pattern(self) -> None:
        item = Artifact(source="scripts/*.sh", type=ArtifactType.SCRIPT, target=USUAL_TARGET, mode=0o755)
        self.table.append(item)
        index = self.table.index(len(self.table.items) - 1, 0)
        self.view.setCurrentIndex(index)
        self.view.edit(index)

    async def _add_file(self) -> None:
        path = await self._session.asking.open_file("Add file", folder=self._folder)
        self.add_paths([path] if path is not None else [])

    async def _add_folder(self) -> None:
        path = await self._session.asking.open_folder("Add folder", folder=self._folder)
        self.add_paths([path] if path is not None else [])

    def _lay_out(self, look: Look) -> None:
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(look.px(8))
        for text, icon, slot in (
            ("Add file...", "file-plus-outline", self._choose_file),
            ("Add folder...", "folder-plus-outline", self._choose_folder),
            ("Add pattern", "asterisk", self._add_pattern),
        ):
            button = Button(text, look, icon=icon)
            button.clicked.connect(slot)
            tools.addWidget(button)
        tools.addWidget(
            PlainLabel(
                "or drop files here. Enter edits, Space goes to the next choice, Del removes.", look, Text.CELL, "t3"
            )
        )
        tools.addStretch()
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self.view, 1)
        note = QHBoxLayout()
        note.setContentsMargins(look.px(16), 0, look.px(16), look.px(4))
        note.addWidget(self._note)
        column.addLayout(note)
        right = QWidget()
        files = QVBoxLayout(right)
        files.setContentsMargins(look.px(16), look.px(16), 0, 0)
        files.addWidget(self._files_title)
        files.addWidget(self.files, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([10_000, look.px(336)])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(splitter)
        self._refuse("")


def guessed(path: Path, folder: Path, target: str) -> Artifact:
    """An entry for a file or folder: a source relative to the plan where that is possible, type and mode by content."""
    source = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    kind, mode = ArtifactType.DATA, 0o644
    if path.is_file():
        head = b""
        with path.open("rb") as file:
            head = file.read(4)
        if head.startswith(b"\x7fELF"):
            kind, mode = ArtifactType.BINARY, 0o755
        elif head.startswith(b"#!"):
            kind, mode = ArtifactType.SCRIPT, 0o755
        elif path.suffix in _CONFIG:
            kind = ArtifactType.CONFIG
    return Artifact(source=source, type=kind, target=target, mode=mode)


def listed(names: Iterable[tuple[str, int]]) -> list[str]:
    """Files as the list shows them."""
    return [f"{visible(os.fspath(name))}   {size(length)}" for name, length in names]
