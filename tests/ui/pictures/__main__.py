"""Render the golden pictures, or accept what is rendered now.

python -m tests.ui.pictures [--out DIR]    writes PNGs; without --out it replaces the golden ones
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
SCALES = ("1", "1.5")
THEMES = ("light", "dark")


def render(out: Path) -> None:
    """Write all pictures: each scale in a process of its own, because Qt takes it only at its start."""
    out.mkdir(parents=True, exist_ok=True)
    fixed = {"QT_QPA_PLATFORM": "offscreen", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    for scale in SCALES:
        environment = {**os.environ, **fixed, "QT_SCALE_FACTOR": scale}
        command = [sys.executable, "-m", "tests.ui.pictures", "--here", scale, "--out", str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the pictures at {scale} were not made:\n{done.stdout}{done.stderr}")


def render_here(out: Path, scale: str) -> None:
    """Write the pictures of this process."""
    from PySide6.QtCore import QCoreApplication
    from PySide6.QtWidgets import QApplication

    from kdeploy_gui.ui.look import Look
    from tests.ui.pictures.views import VIEWS

    application = QApplication([])
    look = Look(application)
    for theme in THEMES:
        look.set_theme(theme)
        look.apply(application)
        for name, make in VIEWS.items():
            view = make(look)
            view.show()
            QCoreApplication.processEvents()
            view.grab().save(str(out / f"{name}-{theme}-{round(float(scale) * 100)}.png"))
            view.close()


def main() -> int:
    """Render and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=GOLDEN)
    parser.add_argument("--here", metavar="SCALE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        render_here(options.out, options.here)
        return 0
    render(options.out)
    sys.stdout.write(f"{len(list(options.out.glob('*.png')))} pictures are in {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
