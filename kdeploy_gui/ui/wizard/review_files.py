"""Below the plan grid: the files of one environment, and what changes in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListView,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from kdeploy_gui.model.preview import EnvironmentPreview, FileChange, FilePreview
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.diff_view import DiffView
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import EmptyState, Hairline, IconButton, PlainLabel
from kdeploy_gui.ui.wizard.review_file_list import LIST_WIDTH, ORDER, FilesDelegate, FilesModel


def attributes(file: FilePreview) -> str:
    """Right above the diff: mode, owner and size, each with what it was."""
    parts: list[str] = []
    if file.change is FileChange.NEW:
        parts.append(f"mode {file.mode:04o}")
        parts.append(f"{file.size:,} bytes")
    if file.mode_changes:
        parts.append(f"mode {file.old_mode:04o} to {file.mode:04o}")
    if file.owner_changes:
        parts.append(f"owner {file.old_owner} to {file.owner}")
    if file.content_changes:
        parts.append(f"{file.old_size:,} to {file.size:,} bytes")
    return "    ".join(parts)


def explanation(file: FilePreview) -> str:
    """What is said where there is no diff."""
    if file.refusal is not None:
        return f"{file.refusal.message}\n{file.refusal.on_target} {file.refusal.remedy}"
    if file.change is FileChange.NEW:
        return "Nothing stands there yet."
    if file.content_changes:
        return f"Its content changes. No lines: {file.note or 'only line ends differ'}."
    return "Its content is the same."


class FilesPane(QWidget):
    """The files of the environment under the cursor."""

    stepped = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._preview: EnvironmentPreview | None = None
        self.title = PlainLabel("", look, Text.NAME)
        self.counts = PlainLabel("", look, Text.CELL, "t2")
        self.place = PlainLabel("", look, Text.CELL, "t2")
        self.previous = IconButton("chevron-up", "Previous change", look)
        self.following = IconButton("chevron-down", "Next change", look)
        self.model = FilesModel()
        self.list = QListView()
        self.diff = DiffView(look)
        self.path = PlainLabel("", look, Text.LOG, selectable=True)
        self.attributes = PlainLabel("", look, Text.CELL, "t2")
        self.note = PlainLabel("", look, Text.CELL, "t2", wrap=True, selectable=True)
        self.empty = EmptyState(look, "file-document-outline", "")
        self._set_up()
        self._lay_out(look)
        self.previous.clicked.connect(self._step_back)
        self.following.clicked.connect(self._step_on)
        self.list.selectionModel().currentChanged.connect(self._show_file)
        self.diff.current_changed.connect(self._count)
        look.changed.connect(self._follow)
        self.say("No environment is chosen", "Choose one above to see what would change there.")

    def say(self, title: str, text: str = "", name: str = "") -> None:
        """No files: why."""
        self._preview = None
        self.model.show_files((), 0)
        self.title.setText(name)
        self.counts.setText("")
        self.empty.say(title, text)
        self._stack.setCurrentIndex(0)
        self._count()

    def show_preview(self, preview: EnvironmentPreview, *, differences_only: bool, artifact: str = "") -> None:
        """The files of an environment; the cursor goes to the first one of `artifact` that changes."""
        files = sorted(
            (each for each in preview.files if each.change in ORDER), key=lambda each: ORDER.index(each.change)
        )
        same = preview.count(FileChange.SAME)
        known = preview is self._preview
        self._preview = preview
        self.title.setText(preview.environment)
        counts = {change: preview.count(change) for change in (*ORDER, FileChange.SAME)}
        self.counts.setText(", ".join(f"{count:,} {change.value}" for change, count in counts.items() if count))
        if not files:
            self.empty.say("Every file is the same", "One check, nothing to send.")
            self.model.show_files((), 0)
            self._stack.setCurrentIndex(0)
            self._count()
            return
        self._stack.setCurrentIndex(1)
        shown_same = 0 if differences_only else same
        if not known or (tuple(files), shown_same) != (self.model.files, self.model.same):
            self.model.show_files(files, shown_same)
        wanted = next((row for row, each in enumerate(files) if artifact and each.artifact == artifact), -1)
        current = self.model.at(self.list.currentIndex().row())
        if current is None or (wanted >= 0 and current.artifact != artifact):
            self.list.setCurrentIndex(self.model.index(max(wanted, 0)))

    def step(self, by: int) -> bool:
        """To the next change, or the one before, over all files. False: there is none."""
        if by > 0 and not self.diff.change:
            self.diff.step_change(1)  # the first one counts as seen when its file is shown
        if self.diff.step_change(by):
            self._count()
            return True
        row = self.list.currentIndex().row() + by
        if not 0 <= row < len(self.model.files):
            return False
        self.list.setCurrentIndex(self.model.index(row))
        while by < 0 and self.diff.change < self.diff.changes:
            self.diff.step_change(1)
        self._count()
        return True

    @property
    def changes(self) -> int:
        """Changes in all files; one without lines counts once."""
        return sum(map(_stretches, self.model.files))

    @property
    def change(self) -> int:
        """The change under the cursor, from 1; 0: there is none."""
        row = self.list.currentIndex().row()
        if self.model.at(row) is None:
            return 0
        return sum(map(_stretches, self.model.files[:row])) + max(self.diff.change, 1)

    def regions(self) -> Sequence[QWidget]:
        """For F6."""
        return (self.list, self.diff) if self.model.files else ()

    def _step_back(self) -> None:
        self.step(-1)

    def _step_on(self) -> None:
        self.step(1)

    def _show_file(self) -> None:
        file = self.model.at(self.list.currentIndex().row())
        self.diff.set_lines(file.diff if file is not None else ())
        self.attributes.setText(attributes(file) if file is not None else "")
        self._elide()
        self.note.setText(explanation(file) if file is not None else "")
        self.note.setVisible(file is not None and not file.diff)
        self.diff.setVisible(file is not None and bool(file.diff))
        self._count()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The path gets the room that is left."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        file = self.model.at(self.list.currentIndex().row())
        target = visible(file.target) if file is not None else ""
        room = self.width() - self.list.width() - self.attributes.sizeHint().width() - self._look.px(40)
        metrics = self._look.metrics(Text.LOG)
        self.path.setText(metrics.elidedText(target, Qt.TextElideMode.ElideMiddle, max(room, 0)))
        self.path.setToolTip(plain_tip(target))

    def _count(self) -> None:
        total, now = self.changes, self.change
        self.place.setText(f"Change {now} of {total}" if total else "")
        for button, able in ((self.previous, now > 1), (self.following, now < total)):
            button.setVisible(bool(total))
            button.setEnabled(able)
        self.stepped.emit()

    def _set_up(self) -> None:
        self.list.setModel(self.model)
        self._delegate = FilesDelegate(self._look, self.list, self.model)
        self.list.setItemDelegate(self._delegate)
        self.list.setAccessibleName("Files that change")
        self.list.setFrameShape(QListView.Shape.NoFrame)
        self.list.setUniformItemSizes(True)
        self.list.setFixedWidth(self._look.px(LIST_WIDTH))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _lay_out(self, look: Look) -> None:
        heading = QHBoxLayout()
        heading.setContentsMargins(look.px(16), 0, look.px(8), 0)
        heading.setSpacing(look.px(8))
        heading.addWidget(self.title)
        heading.addWidget(self.counts)
        heading.addStretch(1)
        for each in (self.place, self.previous, self.following):
            heading.addWidget(each)
        facts = QHBoxLayout()
        facts.setContentsMargins(look.px(12), look.px(6), look.px(12), look.px(6))
        facts.addWidget(self.path, 1)
        self.path.setMinimumWidth(1)
        facts.addWidget(self.attributes)
        self.note.setContentsMargins(look.px(12), look.px(4), look.px(12), look.px(4))
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addLayout(facts)
        right.addWidget(self.diff, 1)
        right.addWidget(self.note, 0)
        right.addStretch(0)
        content = QWidget()
        row = QHBoxLayout(content)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.list)
        row.addWidget(Hairline(look, vertical=True))
        row.addLayout(right, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)
        top = QWidget()
        top.setLayout(heading)
        top.setFixedHeight(look.px(36))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top)
        column.addWidget(Hairline(look))
        column.addWidget(self._stack, 1)

    def _follow(self) -> None:
        self._delegate.brush.measure()
        self.list.setFixedWidth(self._look.px(LIST_WIDTH))
        self.list.doItemsLayout()


def _stretches(file: FilePreview) -> int:
    kinds = ["context", *(each.kind for each in file.diff)]
    changed = [kind in {"added", "removed"} for kind in kinds]
    return max(1, sum(now and not before for before, now in pairwise(changed)))
