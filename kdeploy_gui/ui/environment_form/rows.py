"""Rows of the environment pages: a label, its field, and below them what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.environment_form.parts import LARGE, ProblemLine, clear, in_lines
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import IconButton, PlainLabel

LABELS = 112
NARROW = 96
WIDTH = 25


class Row(QWidget):
    """A label, the field, and below it what is wrong with it."""

    def __init__(
        self,
        look: Look,
        label: str,
        field: QWidget,
        beside: Sequence[QWidget] = (),
        hint: str = "",
        narrow: bool = False,
    ) -> None:
        super().__init__()
        self.field = field
        self.label = label
        self.problem = ProblemLine(look)
        name = PlainLabel(label, look, Text.BODY, "t2")
        name.setFixedWidth(look.px(LABELS))
        name.setBuddy(field)
        if not field.accessibleName():
            field.setAccessibleName(label)
        line = QHBoxLayout()
        line.setSpacing(look.px(8))
        line.addWidget(field, 0 if narrow else 1)
        for each in beside:
            line.addWidget(each)
        if narrow:
            field.setFixedWidth(look.px(NARROW))
            line.addStretch()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(look.px(4))
        grid.addWidget(name, 0, 0)
        grid.addLayout(line, 0, 1)
        if hint:
            grid.addWidget(PlainLabel(hint, look, Text.CELL, "t3", wrap=True), 1, 1)
        grid.addWidget(self.problem, 2, 1)


class Pins(QWidget):
    """The pinned fingerprints, each with a button that removes it."""

    changed = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.keys: tuple[str, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(look.px(4))
        self.set_keys(())

    def set_keys(self, keys: Iterable[str]) -> None:
        """Show these fingerprints."""
        self.keys = tuple(dict.fromkeys(keys))
        clear(self._column)
        for key in self.keys:
            self._column.addWidget(self._row(key))
        if not self.keys:
            text = "None yet. Test the connection, compare the offered key, pin it."
            self._column.addWidget(PlainLabel(text, self._look, Text.CELL, "t3", wrap=True))

    def _row(self, key: str) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        shape = in_lines(key, WIDTH if self._look.text_size > LARGE else len(key) or 1)
        shown = PlainLabel(shape, self._look, Text.LOG, selectable=True)
        line.addWidget(shown, 1)
        remove = IconButton("close", f"Remove the pin {visible(key)}", self._look)
        remove.clicked.connect(lambda: self._remove(key))
        line.addWidget(remove)
        return row

    def _remove(self, key: str) -> None:
        self.set_keys(each for each in self.keys if each != key)
        self.changed.emit()


class Choices(QComboBox):
    """A box that leaves the wheel to the page: who scrolls a form must not change what is under the pointer."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """See Qt."""
        event.ignore()


def choice(options: Iterable[tuple[object, str]]) -> QComboBox:
    """A box of values with their words."""
    box = Choices()
    for value, text in options:
        box.addItem(visible(text), value)
    return box


def open_choice(name: str, options: Iterable[str], hint: str, *, completes: bool = True) -> QComboBox:
    """A box that takes any text, too; its first option is none. `completes`: it finishes what one begins to type."""
    box = Choices()
    box.setEditable(True)
    if not completes:
        box.setCompleter(None)  # type: ignore[arg-type] # what Qt takes for none
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems(["", *map(visible, options)])
    box.setAccessibleName(name)
    line = box.lineEdit()
    if line is not None:
        line.setPlaceholderText(hint)
        line.setAccessibleName(name)
    return box


def choose(box: QComboBox, value: str) -> None:
    """Choose a value; one that is not in the box yet is added."""
    at = box.findData(value)
    if at < 0:
        box.addItem(visible(value), value)
        at = box.count() - 1
    box.setCurrentIndex(at)


def line(hint: str = "") -> QLineEdit:
    """An empty line that says what goes into it."""
    made = QLineEdit()
    made.setPlaceholderText(hint)
    return made
