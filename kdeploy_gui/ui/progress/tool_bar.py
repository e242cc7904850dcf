"""The bar over the fleet: filter, order, and the switch between grid and cards."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from kdeploy_gui.ui.filters import FilterBar
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.progress.model import Order
from kdeploy_gui.ui.progress.rows import FILTER_KEYS
from kdeploy_gui.ui.segments import Segment, Segments

FILTER_WIDTH = 420


class FleetToolBar(QWidget):
    """What decides which environments are shown, in which order, and how."""

    ordered = Signal(object)
    """The Order that was chosen."""

    def __init__(self, look: Look, views: Sequence[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.filter = FilterBar(look, FILTER_KEYS)
        self.order = QToolButton()
        self.order.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.order.setToolTip("Order of the environments")
        self._menu = QMenu(self.order)
        for order in Order:
            self._menu.addAction(order.value).setData(order)
        self._menu.triggered.connect(self._choose)
        self.order.setMenu(self._menu)
        self.order.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        shown_as = Segments(look, [_view_button(each) for each in views])
        row = QHBoxLayout(self)
        row.setContentsMargins(look.px(16), look.px(6), look.px(12), look.px(6))
        row.setSpacing(look.px(8))
        row.addWidget(self.filter)
        row.addStretch()
        for widget in (self.order, shown_as):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        look.changed.connect(self._follow)
        self.show_order(Order.ATTENTION)
        self._follow()

    def show_order(self, order: Order) -> None:
        """Say in which order rows are."""
        self.order.setText(order.value)
        self.order.setAccessibleName(f"Order: {order.value}")

    def _choose(self, action: QAction) -> None:
        order = Order(action.data())
        self.show_order(order)
        self.ordered.emit(order)

    def _follow(self) -> None:
        look = self._look
        self.order.setIcon(look.icon("sort-variant"))
        self.order.setFont(look.font(Text.CELL))
        self.order.setIconSize(QSize(look.px(16), look.px(16)))
        self.filter.setMaximumWidth(look.px(FILTER_WIDTH))
        self.filter.setMinimumWidth(look.px(FILTER_WIDTH) * 3 // 4)


def _view_button(action: QAction) -> Segment:
    button = Segment(action)
    button.setAccessibleName(f"Show as {action.text().lower()}")
    return button
