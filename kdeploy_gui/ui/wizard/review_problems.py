"""Beside the files: what a person should know before deploying, each with what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, Hairline, IconLabel, Kind, PlainLabel
from kdeploy_gui.ui.wizard.review_remarks import Remark, tally

SHOWN = 50


class RemarkRow(QWidget):
    """One remark with its link."""

    chosen = Signal(object)

    def __init__(self, remark: Remark, look: Look) -> None:
        super().__init__()
        self.remark = remark
        title = PlainLabel(visible(remark.title), look, Text.NAME, wrap=True)
        text = PlainLabel(remark.text, look, Text.CELL, "t2", wrap=True, selectable=True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(title)
        if remark.text:
            texts.addWidget(text)
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        row.setSpacing(look.px(8))
        row.addWidget(IconLabel(remark.condition.icon, look, remark.condition.token), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        self.link = Button(remark.act.value, look, Kind.LINK, dense=True)
        self.link.setAccessibleName(f"{remark.act.value}: {visible(remark.title)}")
        self.link.clicked.connect(self._choose)
        row.addWidget(self.link, 0, Qt.AlignmentFlag.AlignTop)
        self.setToolTip(plain_tip(remark.tip))
        for label in (title, text):
            label.setMinimumWidth(look.px(80))  # a word that is longer is cut; the tooltip has it

    def _choose(self) -> None:
        self.chosen.emit(self.remark)


class ProblemsPane(QWidget):
    """All remarks, those that stop the run first."""

    chosen = Signal(object)
    """The Remark of which the link was used."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._remarks: tuple[Remark, ...] = ()
        self.count = PlainLabel("none", look, Text.CELL, "t2")
        self.rows: list[RemarkRow] = []
        self.list = QWidget()
        self._column = QVBoxLayout(self.list)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidget(self.list)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setAccessibleName("Problems")
        heading = QHBoxLayout()
        heading.setContentsMargins(look.px(16), 0, look.px(16), 0)
        heading.setSpacing(look.px(8))
        heading.addWidget(PlainLabel("Problems", look, Text.NAME))
        heading.addWidget(self.count, 1)
        top = QWidget()
        top.setLayout(heading)
        top.setFixedHeight(look.px(36))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(top)
        column.addWidget(Hairline(look))
        column.addWidget(self.area, 1)

    def show_remarks(self, remarks: Sequence[Remark]) -> None:
        """Other remarks; equal ones stay as they are."""
        if tuple(remarks) == self._remarks:
            return
        self._remarks = tuple(remarks)
        self.count.setText(tally(remarks))
        while self._column.count() > 1:
            item = self._column.takeAt(0)
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.rows = [RemarkRow(each, self._look) for each in remarks[:SHOWN]]
        for row in self.rows:
            row.chosen.connect(self.chosen)
            self._column.insertWidget(self._column.count() - 1, row)
            self._column.insertWidget(self._column.count() - 1, Hairline(self._look))
        if len(remarks) > SHOWN:
            more = PlainLabel(f"{len(remarks) - SHOWN} more", self._look, Text.CELL, "t2")
            self._column.insertWidget(self._column.count() - 1, more)
