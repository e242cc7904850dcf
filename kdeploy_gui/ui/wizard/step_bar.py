"""The bar of the six steps: where one is, what is fine and what is not."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from kdeploy_gui.ui.look import Look, Text

HEIGHT = 48


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what is chosen in it, and how many problems it has (-1: nobody looked yet)."""

    title: str
    subtitle: str = ""
    problems: int = -1


class StepBar(QWidget):
    """Steps side by side; Left and Right move, a click goes there."""

    chosen = Signal(int)

    def __init__(self, look: Look, steps: tuple[Step, ...]) -> None:
        super().__init__()
        self._look = look
        self.steps = list(steps)
        self.current = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        look.changed.connect(self._follow)
        self._follow()
        self._tell()

    def show_step(self, number: int) -> None:
        """Mark the step that is shown."""
        self.current = number
        self._tell()
        self.update()

    def set_step(self, number: int, step: Step) -> None:
        """Other words for a step."""
        if self.steps[number] != step:
            self.steps[number] = step
            self._tell()
            self.update()

    def sizeHint(self) -> QSize:
        """As wide as it may be."""
        return QSize(self._look.px(1000), self._look.px(HEIGHT))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw all steps."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), self._look.theme.window)
        for number, box in enumerate(self._boxes()):
            self._paint(painter, number, box)
        painter.fillRect(0, self.height() - 1, self.width(), 1, self._look.theme.line)
        if self.hasFocus():
            box = self._boxes()[self.current].adjusted(2, self._look.px(8), -2, -self._look.px(8))
            painter.setPen(self._look.theme.accent)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(box), 4, 4)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the step under the pointer."""
        for number, box in enumerate(self._boxes()):
            if box.contains(event.position().toPoint()):
                self.chosen.emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right go to the neighbour."""
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if by and 0 <= self.current + by < len(self.steps):
            self.chosen.emit(self.current + by)
            return
        super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Draw the ring."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Draw it no more."""
        self.update()

    def _boxes(self) -> list[QRect]:
        wanted = [self._width(each) for each in self.steps]
        room = self.width() - self._look.px(16)
        narrow = sum(wanted) > room
        if narrow:
            wanted = [self._width(each, short=number != self.current) for number, each in enumerate(self.steps)]
        gap = max(0, (room - sum(wanted)) // max(1, len(wanted) - 1))
        boxes, left = [], self._look.px(8)
        for width in wanted:
            boxes.append(QRect(left, 0, width, self.height()))
            left += width + gap
        return boxes

    def _width(self, step: Step, *, short: bool = False) -> int:
        title = self._look.metrics(Text.NAME).horizontalAdvance(step.title)
        subtitle = 0 if short or not step.subtitle else self._look.metrics(Text.CELL).horizontalAdvance(step.subtitle)
        return title + subtitle + self._look.px(54)

    def _paint(self, painter: QPainter, number: int, box: QRect) -> None:
        look, step = self._look, self.steps[number]
        here = number == self.current
        side = look.px(20)
        circle = QRectF(box.left() + look.px(8), (box.height() - side) / 2, side, side)
        if step.problems == 0 and not here:
            self._glyph(painter, circle, "check-circle-outline", "ready")
        elif step.problems > 0 and not here:
            self._glyph(painter, circle, "alert-outline", "retry")
        else:
            self._number(painter, circle, number, here)
        left = round(circle.right()) + look.px(8)
        painter.setFont(look.font(Text.NAME))
        painter.setPen(look.theme.t1 if here else look.theme.t2)
        painter.drawText(QRect(left, 0, box.width(), box.height()), Qt.AlignmentFlag.AlignVCenter, step.title)
        left += look.metrics(Text.NAME).horizontalAdvance(step.title) + look.px(8)
        painter.setFont(look.font(Text.CELL))
        painter.setPen(look.theme.retry if step.problems > 0 else look.theme.t3)
        rest = QRect(left, 0, max(0, box.right() - left), box.height())
        fits = look.metrics(Text.CELL).horizontalAdvance(step.subtitle) <= rest.width()
        text = step.subtitle if fits else str(step.problems) if step.problems > 0 else ""
        painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, text)

    def _number(self, painter: QPainter, circle: QRectF, number: int, here: bool) -> None:
        look = self._look
        painter.setPen(look.theme.fill if here else look.theme.ctl)
        painter.setBrush(look.theme.fill if here else Qt.GlobalColor.transparent)
        painter.drawEllipse(circle.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setPen(look.theme.onfill if here else look.theme.t2)
        painter.setFont(look.font(Text.HEADER))
        painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, str(number + 1))

    def _glyph(self, painter: QPainter, circle: QRectF, name: str, token: str) -> None:
        pixmap = self._look.pixmap(name, token, round(circle.width()), self.devicePixelRatioF())
        painter.drawPixmap(circle.topLeft(), pixmap)

    def _tell(self) -> None:
        step = self.steps[self.current]
        state = {0: "fine", -1: "not checked"}.get(step.problems, f"{step.problems} problems")
        self.setAccessibleName(f"Step {self.current + 1} of {len(self.steps)}, {step.title}, {step.subtitle}, {state}")

    def _follow(self) -> None:
        self.setFixedHeight(self._look.px(HEIGHT))
        self.update()
