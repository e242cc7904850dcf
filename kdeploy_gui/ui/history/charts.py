"""Three small charts over the list of runs: how runs ended, how long stages took, and why environments failed."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.history.trends import DAYS, Trends
from kdeploy_gui.ui.history.words import DAYS as WEEKDAYS
from kdeploy_gui.ui.history.words import MONTHS, length_text
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import Hairline

HEIGHT = 152
LINE = 18
ROOM_FOR_STAGES, ROOM_FOR_CAUSES = 820, 520
"""Widths of the strip from which the second and the third chart are shown."""
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Chart(QWidget):
    """A title and a painted picture of the trends; a screen reader is told its numbers."""

    title = ""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.trends = Trends()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        look.changed.connect(self.update)

    def show_trends(self, trends: Trends) -> None:
        """Show other numbers."""
        self.trends = trends
        self.setAccessibleName(f"{self.title}: {visible(self.told())}")
        self.update()

    def told(self) -> str:
        """The numbers in words."""
        raise NotImplementedError

    def draw(self, painter: QPainter) -> None:
        """Paint everything below the title."""
        raise NotImplementedError

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the title and the picture."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.write(painter, QRectF(0, 0, self.width(), self.look.px(LINE)), self.title, Text.HEADER, "t1")
        self.draw(painter)

    def write(
        self,
        painter: QPainter,
        box: QRectF,
        text: str,
        style: Text = Text.CELL,
        token: str = "t2",  # noqa: S107 - a colour token
        flags: Qt.AlignmentFlag = LEFT,
    ) -> None:
        """Draw a line of text."""
        painter.setFont(self.look.font(style))
        painter.setPen(self.look.theme.color(token))
        painter.drawText(box, flags, text)


class RunsPerDay(Chart):
    """A bar for each of the last 30 days."""

    title = f"Runs, last {DAYS} days"
    kinds = (
        ("succeeded", "ready", "all ready"),
        ("failed", "failed", "some failed"),
        ("unfinished", "wait", "not finished"),
    )

    def told(self) -> str:
        """How many succeeded, failed and did not finish."""
        counts = (f"{sum(getattr(day, name) for day in self.trends.days)} {text}" for name, _, text in self.kinds)
        return ", ".join(counts)

    def draw(self, painter: QPainter) -> None:
        """Bars, the first and the last day, and what the colours mean."""
        look, days, width = self.look, self.trends.days, self.width()
        line = look.px(LINE)
        succeeded = f"{self.trends.succeeded} of {self.trends.total} succeeded"
        self.write(painter, QRectF(0, 0, width, line), succeeded, Text.HEADER, "t1", RIGHT)
        top, height = look.px(24), look.px(56)
        most = max((each.total for each in days), default=0) or 1
        step = width / DAYS
        for number, day in enumerate(days):
            bottom = float(top + height)
            for name, token, _ in self.kinds:
                tall = height * getattr(day, name) / most
                bottom -= tall
                bar = QRectF(number * step, bottom, max(step - look.px(2), 1), tall)
                painter.fillRect(bar, look.theme.color(token))
        painter.fillRect(QRectF(0, top + height, width, 1), look.theme.line)
        below = QRectF(0, top + height + look.px(2), width, line)
        if days:
            first = days[0].day
            self.write(painter, below, f"{WEEKDAYS[first.weekday()]} {first.day} {MONTHS[first.month - 1]}")
            self.write(painter, below, "Today", flags=RIGHT)
        self._explain(painter, below.bottom() + look.px(2))

    def _explain(self, painter: QPainter, top: float) -> None:
        look, x = self.look, 0.0
        line, side = look.px(LINE), look.px(8)
        for _, token, text in self.kinds:
            painter.fillRect(QRectF(x, top + (line - side) / 2, side, side), look.theme.color(token))
            x += side + look.px(5)
            width = look.metrics(Text.CELL).horizontalAdvance(text)
            self.write(painter, QRectF(x, top, width + 1, line), text)
            x += width + look.px(10)


class StageSpread(Chart):
    """A line for each stage from 0 to the time that 95 % of the environments are within, a dot at that of half."""

    title = "Time in each stage"

    def told(self) -> str:
        """Both times of each stage."""
        return "; ".join(
            f"{each.stage.label}: half within {length_text(each.half)}, 95 % within {length_text(each.most)}"
            for each in self.trends.stages
        )

    def draw(self, painter: QPainter) -> None:
        """One line for each stage."""
        look, width, line = self.look, self.width(), self.look.px(LINE)
        times = {each.stage: each for each in self.trends.stages}
        metrics = look.metrics(Text.CELL)
        labels = max(metrics.horizontalAdvance(each.label) for each in Stage) + look.px(12)
        column = metrics.horizontalAdvance("95 %") + look.px(14)
        for place, text in enumerate(("half", "95 %")):
            box = QRectF(width - (2 - place) * column, 0, column, line)
            self.write(painter, box, text, token="t3", flags=RIGHT)  # noqa: S106 - a colour token
        room = max(0.0, width - labels - 2 * column - look.px(8))
        longest = max((each.most for each in times.values()), default=0.0) or 1.0
        for number, stage in enumerate(Stage):
            top = look.px(22) + number * line
            self.write(painter, QRectF(0, top, labels, line), stage.label.capitalize())
            spread = times.get(stage)
            if spread is None:
                continue
            middle, end = top + line / 2, labels + room * spread.most / longest
            painter.fillRect(QRectF(labels, middle - 1, end - labels, 2), look.theme.track)
            painter.fillRect(QRectF(end, middle - look.px(4), look.px(2), look.px(8)), look.theme.t3)
            painter.setBrush(look.theme.accent)
            painter.setPen(Qt.PenStyle.NoPen)
            dot = look.px(7)
            at = labels + room * spread.half / longest
            painter.drawEllipse(QRectF(at - dot / 2, middle - dot / 2, dot, dot))
            for place, seconds in enumerate((spread.half, spread.most)):
                box = QRectF(width - (2 - place) * column, top, column, line)
                self.write(painter, box, length_text(seconds), flags=RIGHT)


class Causes(Chart):
    """A bar for each of the most frequent codes."""

    title = "Environments that failed, by cause"

    def told(self) -> str:
        """Codes with their counts."""
        return ", ".join(f"{code} {count}" for code, count in self.trends.causes) or "none"

    def draw(self, painter: QPainter) -> None:
        """One line for each code."""
        look, width, line = self.look, self.width(), self.look.px(LINE)
        if not self.trends.causes:
            self.write(painter, QRectF(0, look.px(22), width, line), "None")
            return
        metrics = look.metrics(Text.LOG)
        widest = max(metrics.horizontalAdvance(visible(each)) for each, _ in self.trends.causes) + look.px(4)
        labels = min(widest, width * 2 // 3)
        numbers = look.px(40)
        room = max(0.0, width - labels - look.px(12) - numbers)
        most = self.trends.causes[0][1]
        for number, (code, count) in enumerate(self.trends.causes):
            top = look.px(22) + number * line
            shown = metrics.elidedText(visible(code), Qt.TextElideMode.ElideRight, labels)
            self.write(painter, QRectF(0, top, labels + 1, line), shown, Text.LOG)
            bar = QRectF(labels + look.px(12), top + (line - look.px(8)) / 2, room * count / most, look.px(8))
            painter.fillRect(bar, look.theme.failed)
            self.write(painter, QRectF(bar.right() + look.px(8), top, numbers, line), str(count))


class ChartStrip(QWidget):
    """The charts side by side; what has no room is left out."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.days, self.stages, self.causes = RunsPerDay(look), StageSpread(look), Causes(look)
        self._lines = (Hairline(look, vertical=True), Hairline(look, vertical=True))
        self._row = QHBoxLayout(self)
        for widget, stretch in (
            (self.days, 6),
            (self._lines[0], 0),
            (self.stages, 8),
            (self._lines[1], 0),
            (self.causes, 5),
        ):
            self._row.addWidget(widget, stretch)
        look.changed.connect(self._follow)
        self._follow()

    def show_trends(self, trends: Trends) -> None:
        """Show other numbers."""
        for chart in (self.days, self.stages, self.causes):
            chart.show_trends(trends)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out what has no room."""
        self._fit()
        super().resizeEvent(event)

    def _follow(self) -> None:
        look = self._look
        self.setFixedHeight(look.px(HEIGHT))
        self._row.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(4))
        self._row.setSpacing(look.px(16))
        self._fit()

    def _fit(self) -> None:
        for chart, line, room in (
            (self.stages, self._lines[0], ROOM_FOR_STAGES),
            (self.causes, self._lines[1], ROOM_FOR_CAUSES),
        ):
            fits = self.width() >= self._look.px(room)
            chart.setVisible(fits)
            line.setVisible(fits)
