"""The list of files beside the diff: those that change, each with how much, and how many stay the same."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from kdeploy_gui.model.figures import size
from kdeploy_gui.model.preview import FileChange, FilePreview
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.look import Row as Height
from kdeploy_gui.ui.progress.delegate import Brush
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.wizard.review_rows import plural

LIST_WIDTH = 232
CONDITIONS = {
    FileChange.NEW: Condition.NEW,
    FileChange.CHANGED: Condition.CHANGED,
    FileChange.SAME: Condition.SAME,
    FileChange.REFUSED: Condition.REFUSED,
}
ORDER = (FileChange.REFUSED, FileChange.CHANGED, FileChange.NEW)
_NOWHERE = QModelIndex()
Index = QModelIndex | QPersistentModelIndex


def brief(file: FilePreview) -> str:
    """Right in the list: how much changes."""
    if file.refusal is not None:
        return file.refusal.code
    if file.diff:
        added = sum(each.kind == "added" for each in file.diff)
        removed = sum(each.kind == "removed" for each in file.diff)
        return " ".join([f"+{added}"] * bool(added) + [f"\u2212{removed}"] * bool(removed))
    if file.change is FileChange.NEW or file.content_changes:
        return size(file.size)
    return "mode" if file.mode_changes else "owner"


class FilesModel(QAbstractListModel):
    """Files that change, then how many stay the same."""

    def __init__(self) -> None:
        super().__init__()
        self.files: tuple[FilePreview, ...] = ()
        self.same = 0

    def show_files(self, files: Sequence[FilePreview], same: int) -> None:
        """Other files; `same` are counted in a last row."""
        self.beginResetModel()
        self.files, self.same = tuple(files), same
        self.endResetModel()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Files, and the count."""
        return 0 if parent.isValid() else len(self.files) + bool(self.same)

    def at(self, row: int) -> FilePreview | None:
        """The file of a row; None: the count."""
        return self.files[row] if 0 <= row < len(self.files) else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """The count cannot be chosen."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        enabled = Qt.ItemFlag.ItemIsEnabled
        return enabled | Qt.ItemFlag.ItemIsSelectable if self.at(index.row()) else enabled

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Name, what becomes of it, and where."""
        if not index.isValid():
            return None
        file = self.at(index.row())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return visible(file.source) if file else plural(self.same, "file")
            case Qt.ItemDataRole.AccessibleTextRole:
                if file is None:
                    return f"{plural(self.same, 'file')} same"
                return f"{visible(file.source)}, {file.change.value}, {brief(file)}"
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(file.target) if file else None
            case _:
                return None


class FilesDelegate(QStyledItemDelegate):
    """Icon, name, and how much changes."""

    def __init__(self, look: Look, view: QListView, model: FilesModel) -> None:
        super().__init__(view)
        self._look = look
        self._view = view
        self._files = model
        self.brush = Brush(look)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a row."""
        rect: QRect = option.rect  # type: ignore[attr-defined]
        theme, brush = self._look.theme, self.brush
        if option.state & QStyle.StateFlag.State_Selected:  # type: ignore[attr-defined]
            painter.fillRect(rect, theme.sel if self._view.hasFocus() else theme.seloff)
        file = self._files.at(index.row())
        condition = CONDITIONS[file.change if file else FileChange.SAME]
        left = brush.glyph(painter, condition.icon, condition.token, rect.left() + brush.edge, rect) + brush.gap
        right = brief(file) if file else "same"
        painter.setFont(brush.cell)
        end = rect.right() - brush.edge - brush.metrics.horizontalAdvance(right)
        brush.text(painter, right, theme.t2, end, rect)
        painter.setFont(brush.name if file else brush.cell)
        painter.setPen(theme.t1 if file else theme.t2)
        metrics = brush.name_metrics if file else brush.metrics
        text = str(index.data()) if index.isValid() else ""
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, max(end - left - brush.padding, 0))
        painter.drawText(QPointF(left, brush.baseline(rect)), shown)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """As high as the rows of the grid."""
        return QSize(self._look.px(LIST_WIDTH), self._look.row(Height.PLAN))
