"""The parts that the pages of environments share."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.states import CATEGORY_LOOK
from kdeploy_gui.ui.widgets import Ground, IconButton, IconLabel, PlainLabel

LARGE = 110
"""Per cent of the text size above which wide parts get more lines."""


def in_lines(text: str, width: int) -> str:
    """A long word in lines of that many characters."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def clear(layout: QLayout) -> None:
    """Take all widgets out of a layout and let go of them."""
    while layout.count():
        widget = layout.takeAt(0).widget()
        widget.hide()
        widget.deleteLater()


def may_be_narrow(label: QLabel) -> None:
    """Let a label that wraps be as narrow as its place, whatever long word it holds."""
    policy = label.sizePolicy()
    policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
    label.setSizePolicy(policy)
    label.setMinimumWidth(1)


class CommandBlock(Ground):
    """A command to be run elsewhere, with a button that copies it."""

    def __init__(self, look: Look, command: str = "") -> None:
        super().__init__(look)
        self.text = PlainLabel(command, look, Text.LOG, selectable=True, wrap=True)
        self.text.setAccessibleName("Command to run there")
        self._command = command
        copy = IconButton("content-copy", "Copy the command", look)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._command))
        may_be_narrow(self.text)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(12), look.px(8), look.px(8), look.px(8))
        row.addWidget(self.text, 1)
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)

    def show_command(self, command: str) -> None:
        """Show another command; only words that may break go to the next line."""
        self._command = command
        self.text.setText(command)


class ProblemLine(QWidget):
    """What is wrong, below the field that it is about; hidden while nothing is."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._text = PlainLabel("", look, Text.CELL, "failed", wrap=True, selectable=True)
        may_be_narrow(self._text)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(4))
        row.addWidget(IconLabel("alert-outline", look, "failed", 14), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._text, 1)
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text()

    def say(self, messages: Sequence[str]) -> None:
        """Show these mistakes; none hides the line."""
        self._text.setText("\n".join(each[:1].upper() + each[1:] for each in messages))
        self.setVisible(bool(messages))


class Trouble(QWidget):
    """A failure in the place of what could not be shown: what happened, and what to do."""

    def __init__(self, look: Look, title: str) -> None:
        super().__init__()
        self._icon = IconLabel("alert-outline", look, "retry", 20)
        self._title = PlainLabel(title, look, Text.HEADING)
        self.what = PlainLabel("", look, Text.BODY, selectable=True, wrap=True)
        self.remedy = PlainLabel("", look, Text.BODY, "t2", selectable=True, wrap=True)
        texts = QVBoxLayout()
        texts.setSpacing(look.px(8))
        for each in (self._title, self.what, self.remedy):
            texts.addWidget(each)
        for each in (self.what, self.remedy):
            may_be_narrow(each)
        texts.addStretch()
        row = QHBoxLayout(self)
        row.setContentsMargins(*[look.px(24)] * 4)
        row.setSpacing(look.px(12))
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)

    def show_failure(self, failure: Failure) -> None:
        """Tell another one."""
        self._icon.show_icon(CATEGORY_LOOK[failure.category][1], "retry")
        self.what.setText(f"{failure.message} ({failure.code})")
        self.remedy.setText(failure.remedy)
        self.remedy.setVisible(bool(failure.remedy))


class Column(QScrollArea):
    """A column of parts that scrolls when it is too long."""

    def __init__(self, look: Look, name: str, *, ground: QPalette.ColorRole = QPalette.ColorRole.Base) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(name)
        inner = QWidget()
        inner.setBackgroundRole(ground)
        inner.setAutoFillBackground(True)
        inner.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.parts = QVBoxLayout(inner)
        self.parts.setContentsMargins(look.px(16), look.px(16), look.px(16), look.px(16))
        self.parts.setSpacing(look.px(12))
        self.setWidget(inner)


class Footer(Ground):
    """The bar below a page: what is to be known on the left, what can be done on the right."""

    def __init__(self, look: Look, buttons: Sequence[QWidget]) -> None:
        super().__init__(look, "window")
        self.say = ProblemLine(look)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        row.setSpacing(look.px(12))
        row.addWidget(self.say, 1)
        row.addStretch()
        for each in buttons:
            row.addWidget(each)
        self.setMinimumHeight(look.px(56))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and a hairline at its top."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._look.theme.color(self.token))
        painter.fillRect(0, 0, self.width(), 1, self._look.theme.line)
