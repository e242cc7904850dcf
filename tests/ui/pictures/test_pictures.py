"""The window looks as it was accepted; what does not is left in build/pictures: `make pictures` accepts it."""

from __future__ import annotations

import shutil
from pathlib import Path

from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from tests.ui.pictures.__main__ import GOLDEN, SCALES, THEMES, render
from tests.ui.pictures.compare import difference
from tests.ui.pictures.views import VIEWS

LEFT = Path("build/pictures")


def test_every_view_looks_as_accepted(qapp: QApplication, tmp_path: Path) -> None:
    render(tmp_path)
    seen = {each.name for each in tmp_path.glob("*.png")}
    assert seen == {each.name for each in GOLDEN.glob("*.png")}
    assert len(seen) == len(VIEWS) * len(THEMES) * len(SCALES)
    other: dict[str, float] = {}
    for name in sorted(seen):
        found = difference(GOLDEN / name, tmp_path / name)
        if found.is_seen:
            other[name] = found.share
            LEFT.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / name, LEFT / name)
            found.picture.save(str(LEFT / f"difference-{name}"))
    assert not other, f"look at {LEFT}; `make pictures` accepts what is right"


def test_a_cell_of_another_colour_is_seen(qapp: QApplication, tmp_path: Path) -> None:
    picture = QImage(str(GOLDEN / "grid-light-100.png"))
    for x in range(100):
        for y in range(20):
            picture.setPixelColor(300 + x, 200 + y, QColor("#FBEBED"))
    picture.save(str(tmp_path / "other.png"))

    assert difference(GOLDEN / "grid-light-100.png", tmp_path / "other.png").is_seen


def test_another_size_is_another_picture(qapp: QApplication) -> None:
    assert difference(GOLDEN / "grid-light-100.png", GOLDEN / "grid-light-150.png").share == 1.0
    assert difference(GOLDEN / "grid-light-100.png", GOLDEN / "grid-light-100.png").share == 0.0
