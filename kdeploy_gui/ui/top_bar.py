"""The bar over every view: where one is, where one can go, the palette and the one button that starts something."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QFontMetrics, QIcon, QKeySequence, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.commands import Commands
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Button, Kind

HEIGHT = 44
LONGEST = 22
"""Characters of a draft's name that a tab shows."""


class ViewTab(QAbstractButton):
    """A view's name with a count; a line under the one that is shown. Tabs of drafts can be closed."""

    closed = Signal()

    def __init__(self, text: str, look: Look, *, icon: str = "", closable: bool = False) -> None:
        super().__init__()
        self._look = look
        self._icon = icon
        self._closable = closable
        self.count = 0
        self.setText(text)
        self.setCheckable(True)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        look.changed.connect(self.updateGeometry)

    def set_count(self, count: int) -> None:
        """Show how many things wait there; 0 shows nothing."""
        if count != self.count:
            self.count = count
            self.setAccessibleName(f"{self.text()}, {count}" if count else self.text())
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        """As wide as what it shows."""
        width = self._metrics().horizontalAdvance(self.text()) + 2 * self._look.px(12)
        width += self._look.px(24) if self._icon else 0
        width += self._look.px(20) if self._closable else 0
        width += self._pill_width() + self._look.px(6) if self.count else 0
        return QSize(width, self._look.px(HEIGHT))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw icon, name, count and the line."""
        painter, look = QPainter(self), self._look
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x = look.px(12)
        token = "t1" if self.isChecked() else "t2"
        if self._icon:
            side = look.px(16)
            pixmap = look.pixmap(self._icon, token, side, self.devicePixelRatioF())
            painter.drawPixmap(x, (self.height() - side) // 2, pixmap)
            x += look.px(24)
        painter.setFont(look.font(Text.NAME))
        painter.setPen(look.theme.color(token))
        advance = self._metrics().horizontalAdvance(self.text())
        painter.drawText(QRectF(x, 0, advance + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())
        x += advance + look.px(6)
        if self.count:
            self._paint_pill(painter, x)
        if self._closable:
            pixmap = look.pixmap("close", "t2", look.px(14), self.devicePixelRatioF())
            painter.drawPixmap(self.width() - look.px(24), (self.height() - look.px(14)) // 2, pixmap)
        if self.isChecked():
            painter.fillRect(look.px(12), self.height() - 2, self.width() - look.px(24), 2, look.theme.accent)
        if self.hasFocus():
            painter.setPen(look.theme.accent)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(3, 7, -3, -7), 4, 4)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on the cross closes the tab."""
        if self._closable and event.position().x() > self.width() - self._look.px(28):
            self.setDown(False)
            self.closed.emit()
            return
        super().mouseReleaseEvent(event)

    def _paint_pill(self, painter: QPainter, x: int) -> None:
        look = self._look
        height = look.px(20)
        box = QRectF(x, (self.height() - height) / 2, self._pill_width(), height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.theme.failbg)
        painter.drawRoundedRect(box, height / 2, height / 2)
        painter.setPen(look.theme.failed)
        painter.setFont(look.font(Text.HEADER))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(self.count))

    def _pill_width(self) -> int:
        return max(self._look.px(20), self._metrics().horizontalAdvance(str(self.count)) + self._look.px(12))

    def _metrics(self) -> QFontMetrics:
        return self._look.metrics(Text.NAME)


class FindButton(Button):
    """Opens the palette; looks like the field it opens, with its key at the end."""

    def __init__(self, action: QAction, look: Look) -> None:
        super().__init__(action, look, Kind.SECONDARY)
        self._key = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The glyph, what it is for, and the key."""
        look, painter = self._look, QPainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text, option.icon = "", QIcon()  # type: ignore[attr-defined]
        self.style().drawControl(QStyle.ControlElement.CE_PushButton, option, painter, self)
        side = look.px(16)
        pixmap = look.pixmap("magnify", "t2", side, self.devicePixelRatioF())
        painter.drawPixmap(look.px(8), (self.height() - side) // 2, pixmap)
        painter.setFont(look.font(Text.BODY))
        painter.setPen(look.theme.t3)
        middle = Qt.AlignmentFlag.AlignVCenter
        room = self.rect().adjusted(look.px(32), 0, -look.px(10), 0)
        painter.drawText(room, int(middle | Qt.AlignmentFlag.AlignLeft), self.text())
        painter.drawText(room, int(middle | Qt.AlignmentFlag.AlignRight), self._key)


class TopBar(QWidget):
    """Tabs of views and drafts on the left; search and New deployment on the right."""

    chosen = Signal(str)
    closed = Signal(str)

    def __init__(self, commands: Commands, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._tabs: dict[str, ViewTab] = {}
        self._group = QButtonGroup(self)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(look.px(4), 0, look.px(12), 0)
        self._row.setSpacing(0)
        self._views = QHBoxLayout()
        self._views.setSpacing(0)
        self._row.addLayout(self._views)
        self._row.addStretch()
        self.search = FindButton(commands.action("palette.open"), look)
        self.search.setMinimumWidth(look.px(264))
        self.new = Button(commands.action("deployment.new"), look, Kind.PRIMARY, icon="plus")
        self._row.addWidget(self.search)
        self._row.addSpacing(look.px(8))
        self._row.addWidget(self.new)
        self._follow()
        look.changed.connect(self._follow)

    def add(self, key: str, text: str, *, icon: str = "", closable: bool = False) -> ViewTab:
        """A tab; one that is there keeps its place and gets the text."""
        shown = visible(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")
        if key in self._tabs:
            self._tabs[key].setText(shown)
            self._tabs[key].setAccessibleName(visible(text))
            self._tabs[key].updateGeometry()
            return self._tabs[key]
        tab = ViewTab(shown, self._look, icon=icon, closable=closable)
        tab.clicked.connect(lambda _=False: self.chosen.emit(key))
        tab.closed.connect(lambda: self.closed.emit(key))
        self._tabs[key] = tab
        self._group.addButton(tab)
        self._views.addWidget(tab)
        return tab

    def remove(self, key: str) -> None:
        """Take a tab away."""
        tab = self._tabs.pop(key, None)
        if tab is not None:
            self._group.removeButton(tab)
            tab.deleteLater()

    def tabs(self) -> tuple[str, ...]:
        """The tabs from left to right."""
        return tuple(self._tabs)

    def show_current(self, key: str) -> None:
        """Mark the tab of the view that is shown; none, if it has no tab."""
        self._group.setExclusive(False)
        for each, tab in self._tabs.items():
            tab.setChecked(each == key)
        self._group.setExclusive(key in self._tabs)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the line below."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._look.theme.window)
        painter.fillRect(0, self.height() - 1, self.width(), 1, self._look.theme.line)

    def _follow(self) -> None:
        self.setFixedHeight(self._look.px(HEIGHT))
