"""The first row of the pane: which environment, its state, what it is, and what one can do."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, PlainLabel, StateLabel

HEIGHT = 44
KINDS = {Kind.BOARD: "board", Kind.QEMU: "guest"}


class TitleRow(QWidget):
    """Name, state and facts of one environment."""

    def __init__(self, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.name = PlainLabel("", look, Text.HEADING)
        self.state = StateLabel(look)
        self.state.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.about = PlainLabel("", look, Text.CELL, "t2")
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_error = Button("Open error", look, icon="arrow-right")
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), 0, look.px(16), 0)
        row.setSpacing(look.px(16))
        row.addWidget(self.name)
        row.addWidget(self.state)
        row.addWidget(self.about, 1)
        row.addWidget(self.open_error)
        look.changed.connect(self._follow)
        self._follow()

    def show_environment(self, name: str, condition: Condition, about: str, has_error: bool) -> None:
        """Show another environment, or its newest state."""
        self.name.setText(name)
        self.state.setVisible(bool(name))
        self.state.show_condition(condition)
        self.about.setText(about)
        self.about.setToolTip(plain_tip(about))
        self.open_error.setVisible(has_error)

    def _follow(self) -> None:
        self.setFixedHeight(self._look.px(HEIGHT))


def about(environment: Environment | None, facts: Facts | None, kernel: str) -> str:
    """`guest on hv-02, 6.12.58-kasan, up 2 h 20 min`, as far as it is known."""
    place = (environment.host or environment.hypervisor) if environment else ""
    parts = [f"{KINDS[environment.kind]} on {place}" if environment else ""]
    parts.append(facts.kernel_release if facts else kernel)
    parts.append(f"up {_up(facts.uptime)}" if facts and facts.uptime else "")
    return ", ".join(filter(None, parts))


def _up(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
