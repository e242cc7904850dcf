"""How long the slowest environment of a run took in each stage, as painted bars."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.history.words import length_text
from kdeploy_gui.ui.look import Look, Text

TITLE = "Slowest environment in each stage"
LINE, BAR = 20, 4


class StageTimes(QWidget):
    """One line per stage: name, bar, time. Hidden while there is nothing to show."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._seconds: Mapping[Stage, float] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        look.changed.connect(self.updateGeometry)
        self.hide()

    def show_seconds(self, seconds: Mapping[Stage, float]) -> None:
        """Show the seconds of each stage that has any."""
        self._seconds = seconds
        told = (f"{stage.label} {length_text(each)}" for stage, each in seconds.items())
        self.setAccessibleName(f"{TITLE}: {', '.join(told)}")
        self.setVisible(bool(seconds))
        self.update()

    def sizeHint(self) -> QSize:
        """Room for a title and all stages."""
        return QSize(0, self._look.px(LINE) * (len(Stage) + 1) + self._look.px(4))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw title and lines."""
        look, painter = self._look, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line, metrics = look.px(LINE), look.metrics(Text.CELL)
        painter.setFont(look.font(Text.HEADER))
        painter.setPen(look.theme.t1)
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignVCenter, TITLE)
        painter.setFont(look.font(Text.CELL))
        labels = max(metrics.horizontalAdvance(_name(each)) for each in Stage) + look.px(12)
        times = metrics.horizontalAdvance("00 h 00 min") + look.px(4)
        room = max(0, self.width() - labels - times)
        longest = max(self._seconds.values(), default=1.0)
        for number, stage in enumerate(Stage, start=1):
            top = number * line + look.px(4)
            seconds = self._seconds.get(stage)
            painter.setPen(look.theme.t2)
            painter.drawText(QRectF(0, top, labels, line), Qt.AlignmentFlag.AlignVCenter, _name(stage))
            value = length_text(seconds) if seconds is not None else "-"
            right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(QRectF(self.width() - times, top, times, line), right, value)
            if seconds is None:
                continue
            bar = QRectF(labels, top + (line - look.px(BAR)) / 2, room, look.px(BAR))
            painter.fillRect(bar, look.theme.track)
            bar.setWidth(room * seconds / longest)
            painter.fillRect(bar, look.theme.accent)


def _name(stage: Stage) -> str:
    return stage.label.capitalize()
