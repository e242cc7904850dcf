"""The small widgets every view is made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from kdeploy_gui.model.visible import visible, visible_lines
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.states import Condition

ICON = 16
"""Pixels of an icon in a row or button at 100 %."""
NARROW = 80
"""Pixels that a text which wraps can live with."""


class PlainLabel(QLabel):
    """Text as it is: no markup, no links, nothing a foreign text could steer."""

    def __init__(
        self,
        text: str,
        look: Look,
        style: Text = Text.BODY,
        token: str = "t1",  # noqa: S107 - a colour token
        *,
        selectable: bool = False,
        wrap: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._look = look
        self._style = style
        self._token = token
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setForegroundRole(QPalette.ColorRole.WindowText)  # whatever ground it stands on
        self.setWordWrap(wrap)
        if selectable:
            self.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.setText(text)
        look.changed.connect(self._follow)
        self._follow()

    def setText(self, text: str) -> None:
        """Show `text`; what could not be seen of it is shown as an escape."""
        super().setText(visible_lines(text) if self.wordWrap() or "\n" in text else visible(text))

    def minimumSizeHint(self) -> QSize:
        """A text that wraps is as narrow as its place: a long word in it must not push others off the screen."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), NARROW), hint.height()) if self.wordWrap() else hint

    def set_token(self, token: str) -> None:
        """Draw the text in another colour."""
        self._token = token
        self._follow()

    def _follow(self) -> None:
        self.setFont(self._look.font(self._style))
        colors = QPalette(self.palette())
        colors.setColor(QPalette.ColorRole.WindowText, self._look.theme.color(self._token))
        self.setPalette(colors)


def _pressed_by_enter(button: QAbstractButton, event: QKeyEvent) -> bool:
    """Press a button if that key was Enter alone; held down, it presses once, not also what opens next."""
    is_plain = event.modifiers() in {Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier}
    if event.key() not in {Qt.Key.Key_Return, Qt.Key.Key_Enter} or not is_plain:
        return False
    if not event.isAutoRepeat():
        button.click()
    return True


class Kind(Enum):
    """How much a button asks to be pressed."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    FLAT = "flat"
    LINK = "link"


class Button(QPushButton):
    """A push button: text or an action shared with menus. `Kind.PRIMARY` is filled, `Kind.LINK` looks like a link."""

    def __init__(
        self,
        command: QAction | str,
        look: Look,
        kind: Kind = Kind.SECONDARY,
        *,
        icon: str = "",
        dense: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._look = look
        self.kind = kind
        self.icon_name = icon
        self._height = 24 if dense else 28
        self._text_style = Text.CELL if dense else Text.BODY
        self.setProperty("kind", kind.value)
        self.setFlat(kind in {Kind.FLAT, Kind.LINK})
        self.setAutoDefault(False)
        if kind is Kind.LINK:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        if isinstance(command, QAction):
            self._action = command
            command.changed.connect(self._take)
            self.clicked.connect(command.trigger)
            self._take()
        else:
            self.setText(command)
            self.setAccessibleName(command)
        look.changed.connect(self._follow)
        self._follow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses it, too, outside of dialogs as well."""
        if not _pressed_by_enter(self, event):
            super().keyPressEvent(event)

    def set_height(self, pixels: int) -> None:
        """Another height at 100 % than the usual one."""
        self._height = pixels
        self._follow()

    def set_kind(self, kind: Kind) -> None:
        """Ask more or less to be pressed."""
        if kind is not self.kind:
            self.kind = kind
            self.setProperty("kind", kind.value)
            self._follow()
            self.update()

    def set_icon(self, name: str) -> None:
        """Another glyph; "" for none."""
        self.icon_name = name
        self._follow()

    def _take(self) -> None:
        action = self._action
        self.setText(action.text())
        self.setAccessibleName(action.text().replace("&", ""))
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())

    def _follow(self) -> None:
        look = self._look
        self.setFont(look.font(Text.NAME if self.kind is not Kind.LINK and self._height > 24 else self._text_style))
        self.setFixedHeight(look.px(self._height))
        self.setIconSize(QSize(look.px(ICON), look.px(ICON)))
        if self.icon_name:
            token = {Kind.PRIMARY: "onfill", Kind.LINK: "accent"}.get(self.kind, "t1")
            self.setIcon(look.icon(self.icon_name, token))


class IconButton(QToolButton):
    """A button that is only a glyph; `name` is its accessible name and tooltip."""

    def __init__(self, icon: str, name: str, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._icon = icon
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setAutoRaise(True)
        look.changed.connect(self._follow)
        self._follow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses it, too."""
        if not _pressed_by_enter(self, event):
            super().keyPressEvent(event)

    def _follow(self) -> None:
        side = self._look.px(24)
        self.setFixedSize(side, side)
        self.setIconSize(QSize(self._look.px(ICON), self._look.px(ICON)))
        self.setIcon(self._look.icon(self._icon, "t1"))


class SearchField(QLineEdit):
    """A line edit with a magnifier and a clear button; Esc clears it, and leaves it when it is empty."""

    left = Signal()

    def __init__(self, look: Look, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(placeholder.partition(":")[0] or "Search")
        self._magnifier = self.addAction(look.icon("magnify", "t2"), QLineEdit.ActionPosition.LeadingPosition)
        self._clear = self.addAction(look.icon("close", "t2"), QLineEdit.ActionPosition.TrailingPosition)
        self._clear.setToolTip("Clear")
        self._clear.triggered.connect(self.clear)
        self._clear.setVisible(False)
        self.textChanged.connect(lambda text: self._clear.setVisible(bool(text)))
        look.changed.connect(self._follow)
        self._follow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc clears the text; the second one tells `left`."""
        if event.key() == Qt.Key.Key_Escape:
            if self.text():
                self.clear()
            else:
                self.left.emit()
            event.accept()
            return
        super().keyPressEvent(event)

    def _follow(self) -> None:
        self.setFont(self._look.font(Text.BODY))
        self.setFixedHeight(self._look.px(28))
        self._magnifier.setIcon(self._look.icon("magnify", "t2"))
        self._clear.setIcon(self._look.icon("close", "t2"))


class Hairline(QWidget):
    """A line of one pixel that separates two parts."""

    def __init__(self, look: Look, vertical: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if vertical:
            self.setFixedWidth(1)
        else:
            self.setFixedHeight(1)
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Fill with the colour of lines."""
        QPainter(self).fillRect(self.rect(), self._look.theme.line)


class Pill(QLabel):
    """A short text on a round ground, such as a count beside a tab."""

    def __init__(
        self,
        text: str,
        look: Look,
        token: str = "t2",  # noqa: S107 - a colour token
        ground: str = "raised",
        style: Text = Text.HEADER,
    ) -> None:
        super().__init__()
        self._look = look
        self._token = token
        self._ground = ground
        self._style = style
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setText(visible(text))
        look.changed.connect(self._follow)
        self._follow()

    def sizeHint(self) -> QSize:
        """As wide as its text and two round ends."""
        height = self._look.px(20)
        return QSize(max(height, self.fontMetrics().horizontalAdvance(self.text()) + self._look.px(12)), height)

    def minimumSizeHint(self) -> QSize:
        """Never clipped."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the text."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._look.theme.color(self._ground))
        hint = self.sizeHint()
        box = QRectF(0, (self.height() - hint.height()) / 2, self.width(), hint.height())
        painter.drawRoundedRect(box, hint.height() / 2, hint.height() / 2)
        painter.setPen(self._look.theme.color(self._token))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.text())

    def _follow(self) -> None:
        self.setFont(self._look.font(self._style))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.updateGeometry()
        self.update()


class Ground(QFrame):
    """A part on a ground of its own colour."""

    def __init__(self, look: Look, token: str = "raised", parent: QWidget | None = None) -> None:  # noqa: S107
        super().__init__(parent)
        self._look = look
        self.token = token
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._look.theme.color(self.token))
        painter.drawRoundedRect(self.rect(), 4, 4)


class StateLabel(QWidget):
    """A state as icon and word."""

    def __init__(self, look: Look, style: Text = Text.HEADER, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._condition = Condition.UNKNOWN
        self._icon_name = ""
        self._icon = QLabel(self)
        self._word = PlainLabel("", look, style, "t2")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(6))
        row.addWidget(self._icon)
        row.addWidget(self._word)
        row.addStretch()
        look.changed.connect(self._follow)

    def show_condition(self, condition: Condition, word: str = "", *, icon: str = "") -> None:
        """Show a state; `word` replaces its usual word, `icon` its glyph (the pie of a running one)."""
        self._condition = condition
        self._icon_name = icon or condition.icon
        self._word.setText(word or condition.word)
        self.setAccessibleName(visible(word or condition.word))
        self._follow()

    def _follow(self) -> None:
        side = self._look.px(ICON)
        name = self._icon_name or self._condition.icon
        self._icon.setPixmap(self._look.pixmap(name, self._condition.token, side, self.devicePixelRatioF()))
        self._word.set_token(self._condition.word_token)


class IconLabel(QLabel):
    """A glyph that stands for nothing a screen reader should say."""

    def __init__(self, name: str, look: Look, token: str = "t2", size: int = ICON) -> None:  # noqa: S107
        super().__init__()
        self._look = look
        self._name = name
        self._token = token
        self._size = size
        look.changed.connect(self._follow)
        self._follow()

    def changeEvent(self, event: QEvent) -> None:
        """Draw anew for another screen."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._follow()
        super().changeEvent(event)

    def show_icon(self, name: str, token: str) -> None:
        """Another glyph."""
        self._name = name
        self._token = token
        self._follow()

    def _follow(self) -> None:
        side = self._look.px(self._size)
        self.setPixmap(self._look.pixmap(self._name, self._token, side, self.devicePixelRatioF()))


class EmptyState(QWidget):
    """What a view shows when it has nothing: an icon, a line, an explanation and what one can do."""

    def __init__(
        self,
        look: Look,
        icon: str,
        title: str,
        text: str = "",
        buttons: Sequence[QPushButton] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._title = PlainLabel(title, look, Text.NAME)
        self._text = PlainLabel(text, look, Text.CELL, "t2", wrap=True)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        column.addStretch(1)
        column.addWidget(IconLabel(icon, look, "t3", 32), 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
            column.addWidget(label)
        self._text.setVisible(bool(text))
        if buttons:
            row = QHBoxLayout()
            row.addStretch()
            for button in buttons:
                row.addWidget(button)
            row.addStretch()
            column.addSpacing(8)
            column.addLayout(row)
        column.addStretch(2)

    @property
    def title(self) -> str:
        """The line."""
        return self._title.text()

    @property
    def text(self) -> str:
        """The explanation."""
        return self._text.text()

    def say(self, title: str, text: str = "") -> None:
        """Other words."""
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))


class Card(QFrame):
    """A part set off by a hairline with round corners."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the hairline."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._look.theme.line)
        painter.setBrush(self._look.theme.view)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
