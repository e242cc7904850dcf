"""`python -m kdeploy_gui` and the command `kdeploy`."""

from __future__ import annotations

import os
import sys

from kdeploy_gui.cli.main import kdeploy
from kdeploy_gui.loading import loading


def main() -> None:
    """Run the command line and leave with its exit status; a stream that was closed leads nowhere."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the program
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    kdeploy(prog_name="kdeploy")


def window() -> None:
    """Run `kdeploy-gui`; without Qt say how it is had."""
    try:
        with loading("kdeploy_gui.ui.application"):
            from kdeploy_gui.ui.application import main as program
    except ImportError as error:
        sys.stderr.write(f"kdeploy-gui cannot load the window: {error}\nInstall it with: pip install 'kdeploy[gui]'\n")
        raise SystemExit(1) from None
    program()


if __name__ == "__main__":
    main()
