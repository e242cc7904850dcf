"""The doctor's findings as a list: one row each, with the remedy of what needs attention below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QStyle, QStyledItemDelegate, QWidget

from kdeploy_gui.model.check import Finding
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.sentences import sentence, without_marks
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip

Index = QModelIndex | QPersistentModelIndex
Option = Any
FINDING = Qt.ItemDataRole.UserRole
CONDITIONS = {True: Condition.OK, False: Condition.ATTENTION, None: Condition.OPTIONAL}
SUBJECTS = {"ssh agent": "SSH agent", "libvirt": "libvirt"}
ROW = 36
REMEDY = 32
TEXT_LEFT = 206
WORD_WIDTH = 128
LONGEST = 2000
"""Characters of a finding that are shown; the whole text is in the tooltip."""


def subject(finding: Finding) -> str:
    """What was looked at, as a heading."""
    known = SUBJECTS.get(finding.subject)
    return known or visible(finding.subject[:1].upper() + finding.subject[1:])


class FindingsModel(QAbstractListModel):
    """The findings of one examination."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.findings: tuple[Finding, ...] = ()

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Show these instead."""
        self.beginResetModel()
        self.findings = tuple(findings)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """One row a finding."""
        return 0 if parent.isValid() else len(self.findings)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Subject, full text and state of a finding."""
        if not index.isValid():
            return None
        finding = self.findings[index.row()]
        if role == FINDING:
            return finding
        if role == Qt.ItemDataRole.DisplayRole:
            return subject(finding)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(finding.text)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            remedy = f". Remedy: {visible(finding.remedy)}" if finding.remedy and not finding.ok else ""
            return f"{subject(finding)}: {CONDITIONS[finding.ok].word}. {visible(finding.text)}{remedy}"
        return None


class FindingDelegate(QStyledItemDelegate):
    """Draws icon, subject, text and state word; below what needs attention its remedy with Copy."""

    copied = Signal(str)

    def __init__(self, look: Look, view: QListView) -> None:
        super().__init__(view)
        self._look = look
        self._view = view
        self._heights: dict[tuple[str, int], int] = {}
        self.copied_remedy = ""
        look.changed.connect(self._heights.clear)

    def sizeHint(self, option: Option, index: Index) -> QSize:
        """As high as the wrapped text and the remedy."""
        finding: Finding = index.data(FINDING)
        width = self._view.viewport().width()
        height = max(self._look.px(ROW), self._text_height(finding.text, width) + self._look.px(18))
        if _has_block(finding):
            height += self._look.px(REMEDY + 12)
        return QSize(width, height)

    def paint(self, painter: QPainter, option: Option, index: Index) -> None:
        """Draw one finding."""
        look, theme = self._look, self._look.theme
        finding: Finding = index.data(FINDING)
        condition = CONDITIONS[finding.ok]
        rect: QRect = option.rect
        line = look.px(ROW)
        side = look.px(16)
        painter.fillRect(rect.left(), rect.top(), rect.width(), 1, theme.line)
        pixmap = look.pixmap(condition.icon, condition.token, side, painter.device().devicePixelRatio())
        painter.drawPixmap(rect.left(), rect.top() + (line - side) // 2, pixmap)
        row = QRect(rect.left() + look.px(30), rect.top(), look.px(TEXT_LEFT - 34), line)
        self._draw(painter, row, Text.NAME, "t1", subject(finding))
        word = QRect(rect.right() + 1 - look.px(WORD_WIDTH), rect.top(), look.px(WORD_WIDTH), line)
        emphasised = finding.ok is False
        style, token = (Text.HEADER, condition.token) if emphasised else (Text.CELL, "t3")
        self._draw(painter, word, style, token, condition.word, Qt.AlignmentFlag.AlignRight)
        painter.setFont(look.font(Text.BODY))
        painter.setPen(theme.t2)
        painter.drawText(self._text_rect(rect, finding), _WRAP, _shown(finding.text))
        if _has_block(finding):
            self._paint_remedy(painter, self.remedy_rect(rect), finding)
        if option.state & QStyle.StateFlag.State_HasFocus and self._view.hasFocus():
            painter.fillRect(rect.left() - look.px(8), rect.top() + 8, 2, look.px(ROW) - 16, theme.accent)
            painter.setPen(theme.accent)
            painter.drawRect(rect.adjusted(0, 1, -1, -1))

    def editorEvent(self, event: QEvent, model: QAbstractItemModel, option: Option, index: Index) -> bool:
        """A click on Copy copies the remedy."""
        if event.type() == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            finding: Finding = index.data(FINDING)
            if _has_block(finding) and self.copy_rect(option.rect).contains(event.position().toPoint()):
                self.copied.emit(finding.remedy)
                return True
        return super().editorEvent(event, model, option, index)

    def remedy_rect(self, row: QRect) -> QRect:
        """Where the remedy of a row is drawn."""
        height = self._look.px(REMEDY)
        left = row.left() + self._look.px(30)
        return QRect(left, row.bottom() + 1 - height - self._look.px(12), row.right() + 1 - left, height)

    def copy_rect(self, row: QRect) -> QRect:
        """Where Copy is, within the remedy of a row."""
        block = self.remedy_rect(row)
        width = self._look.px(84)
        return QRect(block.right() + 1 - width, block.top(), width, block.height())

    def _paint_remedy(self, painter: QPainter, block: QRect, finding: Finding) -> None:
        look = self._look
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.theme.raised)
        painter.drawRoundedRect(block, 4, 4)
        painter.restore()
        copy = QRect(block.right() + 1 - look.px(84), block.top(), look.px(84), block.height())
        side = look.px(16)
        done = self.copied_remedy == finding.remedy
        name = "check" if done else "content-copy"
        pixmap = look.pixmap(name, "t2", side, painter.device().devicePixelRatio())
        painter.drawPixmap(copy.left() + look.px(8), copy.top() + (copy.height() - side) // 2, pixmap)
        self._draw(painter, copy.adjusted(look.px(30), 0, 0, 0), Text.CELL, "t1", "Copied" if done else "Copy")
        text = block.adjusted(look.px(12), 0, -look.px(92), 0)
        self._draw(painter, text, Text.LOG, "t1", visible(finding.remedy))

    def _draw(
        self,
        painter: QPainter,
        rect: QRect,
        style: Text,
        token: str,
        text: str,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    ) -> None:
        painter.setFont(self._look.font(style))
        painter.setPen(self._look.theme.color(token))
        shown = self._look.metrics(style).elidedText(text[:LONGEST], Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, align | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)

    def _text_rect(self, row: QRect, finding: Finding) -> QRect:
        top = row.top() + self._look.px(10)
        width = self._text_width(row.width())
        height = self._text_height(finding.text, row.width())
        return QRect(row.left() + self._look.px(TEXT_LEFT), top, width, height)

    def _text_width(self, width: int) -> int:
        return max(width - self._look.px(TEXT_LEFT + WORD_WIDTH), self._look.px(80))

    def _text_height(self, text: str, width: int) -> int:
        key = (text, width)
        if key not in self._heights:
            box = QRect(0, 0, self._text_width(width), 10_000)
            self._heights[key] = self._look.metrics(Text.BODY).boundingRect(box, _WRAP, _shown(text)).height()
        return self._heights[key]


_WRAP = Qt.TextFlag.TextWordWrap | Qt.TextFlag.TextWrapAnywhere


def _shown(text: str) -> str:
    return visible(sentence(without_marks(text[:LONGEST])))


def _has_block(finding: Finding) -> bool:
    return finding.ok is False and bool(finding.remedy)


class DoctorList(QListView):
    """The findings; as high as all of them, so that only the page scrolls. Ctrl+C copies a remedy."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.findings = FindingsModel(self)
        self.drawing = FindingDelegate(look, self)
        self.drawing.copied.connect(self._copy)
        self.setModel(self.findings)
        self.setItemDelegate(self.drawing)
        self.setAccessibleName("Findings about this computer")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.findings.modelReset.connect(self._fit)
        look.changed.connect(self._look_changed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Texts wrap anew."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+C copies the remedy of the current finding, or what it says."""
        if event.matches(QKeySequence.StandardKey.Copy) and self.currentIndex().isValid():
            finding: Finding = self.currentIndex().data(FINDING)
            self._copy(finding.remedy or finding.text)
            return
        super().keyPressEvent(event)

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.drawing.copied_remedy = text
        self.viewport().update()

    def _look_changed(self) -> None:
        self.scheduleDelayedItemsLayout()
        self._fit()

    def _fit(self) -> None:
        rows = (self.findings.index(row) for row in range(self.findings.rowCount()))
        self.setFixedHeight(sum(self.drawing.sizeHint(None, each).height() for each in rows) + 1)
