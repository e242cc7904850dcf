"""Beside the files: what a person should know before deploying, each with what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, Hairline, IconLabel, Kind, PlainLabel
from kdeploy_gui.ui.wizard.review_remarks import Act, Remark, tally

SHOWN = 50


class RemarkRow(QWidget):
    """One remark with its links."""

    chosen = Signal(object, object)

    def __init__(self, remark: Remark, look: Look) -> None:
        super().__init__()
        self.remark = remark
        self._icon = IconLabel(remark.condition.icon, look, remark.condition.token)
        self._title = PlainLabel("", look, Text.NAME, wrap=True)
        self._text = PlainLabel("", look, Text.CELL, "t2", wrap=True, selectable=True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for label in (self._title, self._text):
            label.setMinimumWidth(look.px(80))  # a word that is longer is cut; the tooltip has it
            texts.addWidget(label)
        row = QHBoxLayout()
        row.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        row.setSpacing(look.px(8))
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        self.links: dict[Act, Button] = {}
        links = QVBoxLayout()
        links.setSpacing(2)
        for act in remark.acts:
            self.links[act] = link = Button(act.value, look, Kind.LINK, dense=True)
            link.clicked.connect(self._choose)
            links.addWidget(link, 0, Qt.AlignmentFlag.AlignRight)
        links.addStretch(1)
        row.addLayout(links)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(Hairline(look))
        self.show_remark(remark)

    def show_remark(self, remark: Remark) -> None:
        """Another remark with the same links."""
        self.remark = remark
        self._icon.show_icon(remark.condition.icon, remark.condition.token)
        self._title.setText(visible(remark.title))
        self._text.setText(remark.text)
        self._text.setVisible(bool(remark.text))
        self.setToolTip(plain_tip(remark.tip))
        for act, link in self.links.items():
            link.setAccessibleName(f"{act.value}: {visible(remark.title)}")

    def _choose(self) -> None:
        act = next(act for act, link in self.links.items() if link is self.sender())
        self.chosen.emit(self.remark, act)


class ProblemsPane(QWidget):
    """All remarks, those that stop the run first."""

    chosen = Signal(object, object)
    """The Remark of which a link was used, and the Act."""

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
        self.more = PlainLabel("", look, Text.CELL, "t2")
        self.more.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        self._column.addWidget(self.more)
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
        shown = self._remarks[:SHOWN]
        pairs = zip(self.rows, shown, strict=False)
        same = next((n for n, (row, each) in enumerate(pairs) if row.remark.acts != each.acts), len(shown))
        for row in self.rows[same:]:
            row.hide()
            self._column.removeWidget(row)
            row.deleteLater()
        del self.rows[same:]
        for row, each in zip(self.rows, shown, strict=False):
            if row.remark != each:
                row.show_remark(each)
        for each in shown[len(self.rows) :]:
            added = RemarkRow(each, self._look)
            added.chosen.connect(self.chosen)
            self._column.insertWidget(len(self.rows), added)
            self.rows.append(added)
        rest = len(remarks) - len(shown)
        self.more.setText(f"{rest:,} more" if rest else "")
