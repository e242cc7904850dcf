"""How much two pictures differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QImage, QPainter

LEAST = 8
"""Difference in grey (0 to 255) from which a pixel counts: below it are rounding and anti-aliasing."""
ALLOWED = 0.001
"""Share of pixels that may differ: some of a glyph's edge, never a word or a colour of a cell."""
_COUNTED = bytes(value >= LEAST for value in range(256))


@dataclass(frozen=True)
class Difference:
    """The share of pixels that differ, 1 where the sizes do, and a picture of where."""

    share: float
    picture: QImage

    @property
    def is_seen(self) -> bool:
        """Whether it is more than allowed."""
        return self.share > ALLOWED


def difference(golden: Path, seen: Path) -> Difference:
    """Compare two PNG files; one that cannot be read differs in everything."""
    one, other = (QImage(str(each)).convertToFormat(QImage.Format.Format_RGB32) for each in (golden, seen))
    if one.isNull() or one.size() != other.size():
        return Difference(1.0, other)
    painter = QPainter(one)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Difference)
    painter.drawImage(0, 0, other)
    painter.end()
    grey = one.convertToFormat(QImage.Format.Format_Grayscale8)
    rows, length = bytes(grey.constBits()).translate(_COUNTED), grey.bytesPerLine()
    differing = sum(rows.count(1, at, at + grey.width()) for at in range(0, len(rows), length))
    return Difference(differing / (grey.width() * grey.height()), one)
