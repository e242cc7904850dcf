"""Glyphs of Material Design Icons 6, in any colour and size."""

from __future__ import annotations

import os

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap

os.environ["QT_API"] = "pyside6"
import qtawesome  # type: ignore[import-untyped]

FULL_SIZE = 1.143
"""QtAwesome draws glyphs at 87.5 % of the size asked for."""


def icon(name: str, color: QColor, disabled: QColor) -> QIcon:
    """The glyph `name` (without a prefix) as an icon that stays sharp at every size."""
    return QIcon(qtawesome.icon(f"mdi6.{name}", color=color, color_disabled=disabled, scale_factor=FULL_SIZE))


def pixmap(name: str, size: int, ratio: float, color: QColor) -> QPixmap:
    """The glyph `name` on `size` logical pixels of a screen with `ratio` device pixels each."""
    pixels = max(1, round(size * ratio))
    image = QPixmap(pixels, pixels)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    icon(name, color, color).paint(painter, QRect(0, 0, pixels, pixels))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image
