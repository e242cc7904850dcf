"""The bar below the log: how long it is, whether it follows, and where to go by time."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.console.view import ConsoleView
from kdeploy_gui.ui.log.narrate import plural
from kdeploy_gui.ui.log.view import LogView
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, IconLabel, PlainLabel

BAR = 28
TIMES = ("%H:%M:%S", "%H:%M")


class _Said(PlainLabel):
    """A text that gives way to what stands beside it; the whole of it is the tooltip."""

    def __init__(self, look: Look) -> None:
        self.whole = ""
        super().__init__("", look, Text.CELL, "t2")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        """Another text."""
        self.whole = text
        self.setToolTip(plain_tip(visible(text)))
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More of it, or less."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(visible(self.whole), Qt.TextElideMode.ElideRight, self.width()))


class FollowBar(QWidget):
    """Tells about one view."""

    time_chosen = Signal(object)
    """A local time of the day."""

    def __init__(self, look: Look, view: LogView | ConsoleView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._view = view
        self._lines = _Said(look)
        self._pause = IconLabel("pause-circle-outline", look, "retry", 14)
        self._state = PlainLabel("", look, Text.CELL, "t2")
        self.follow = Button("Follow  End", look, dense=True, icon="arrow-collapse-down")
        self.follow.setAccessibleName("Follow the end of the log")
        self.follow.setToolTip("Go to the last line and follow (End)")
        self.follow.clicked.connect(view.follow_end)
        self.time = QLineEdit(self)
        self.time.setPlaceholderText("14:32:51")
        self.time.setAccessibleName("Go to time")
        self.time.setFixedWidth(look.px(96))
        self.time.hide()
        self.time.returnPressed.connect(self._take_time)
        self.time.editingFinished.connect(self._hide_time)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), 0, look.px(16), 0)
        row.addWidget(self._lines, 1)
        row.addSpacing(look.px(16))
        row.addWidget(self.time)
        row.addStretch()
        row.addWidget(self._pause)
        row.addWidget(self._state)
        row.addSpacing(look.px(8))
        row.addWidget(self.follow)
        view.following_changed.connect(self.tell_following)
        look.changed.connect(self._follow_look)
        self._follow_look()
        self.tell_following()

    @property
    def lines(self) -> str:
        """What it says of the log as a whole."""
        return self._lines.whole

    def say(self, text: str) -> None:
        """What is known of the log as a whole."""
        self._lines.say(text)

    def tell_following(self) -> None:
        """Whether the view follows what goes on, and how much came meanwhile."""
        following, new = self._view.following, self._view.new_lines
        live = self._view.document.goes_on
        self._state.setVisible(live)
        self._pause.setVisible(live and not following)
        self.follow.setVisible(live and not following)
        words = f"Not following: {plural(new, 'new line')}" if new else "Not following"
        self._state.setText("Following" if following else words)

    def ask_time(self) -> None:
        """Let the user type a time to go to."""
        self.time.show()
        self.time.selectAll()
        self.time.setFocus()

    def _take_time(self) -> None:
        for form in TIMES:
            try:
                moment = datetime.strptime(self.time.text().strip(), form)  # noqa: DTZ007 - a time of the day
            except ValueError:
                continue
            self.time_chosen.emit(moment.time())
            self._view.setFocus()
            return
        self.say("Write a time as 14:32 or 14:32:51")

    def _hide_time(self) -> None:
        if not self.time.hasFocus():
            self.time.hide()

    def _follow_look(self) -> None:
        self.setFixedHeight(self._look.px(BAR))
