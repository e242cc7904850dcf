"""What is wrong in the lab file, as a strip: how much, the first of it, and on demand all."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtWidgets import QAbstractItemView, QListView, QVBoxLayout

from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.strips import Strip
from kdeploy_gui.ui.widgets import Button, Kind, PlainLabel

LIST_HEIGHT = 140
LONGEST = 400
"""Characters of a problem that are shown."""


class ProblemStrip(Strip):
    """Problems of the lab file; the environments that can be read are there nevertheless."""

    def __init__(self, look: Look) -> None:
        super().__init__(look, "warnbg")
        self.button = Button("", look, Kind.FLAT, icon="alert-outline", dense=True)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._unfold)
        self.first = PlainLabel("", look, Text.CELL, "t2", wrap=True)
        self._texts = QStringListModel(self)
        self.list = QListView()
        self.list.setModel(self._texts)
        self.list.setAccessibleName("Problems in the lab file")
        self.list.setFrameShape(QListView.Shape.NoFrame)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setWordWrap(True)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(look.px(8), look.px(6), look.px(8), look.px(8))
        column.setSpacing(look.px(4))
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.first)
        column.addWidget(self.list)
        look.changed.connect(self._follow)
        self._follow()
        self.hide()

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Other problems; without any the strip goes."""
        texts = [_told(each) for each in problems]
        if texts != self._texts.stringList():
            self._texts.setStringList(texts)
        count = len(texts)
        self.button.setText(f"{count} {'problem' if count == 1 else 'problems'} in the lab file")
        self.button.setAccessibleName(self.button.text())
        self.button.setToolTip("Show all of them")
        self.first.setText(texts[0] if texts else "")
        self.setVisible(bool(texts))

    def _unfold(self, all_of_them: bool) -> None:
        self.list.setVisible(all_of_them)
        self.first.setVisible(not all_of_them)
        if all_of_them:
            self.list.setCurrentIndex(self._texts.index(0))
            self.list.setFocus(Qt.FocusReason.OtherFocusReason)

    def _follow(self) -> None:
        self.list.setFont(self._look.font(Text.CELL))
        self.list.setSpacing(self._look.px(2))
        self.list.setFixedHeight(self._look.px(LIST_HEIGHT))


def _told(problem: Problem) -> str:
    place = f"line {problem.line}" if problem.line else ""
    return visible(": ".join(each for each in (place, problem.field, problem.message) if each))[:LONGEST]
