"""`python -m kdeploy_gui` and the command `kdeploy`."""

from __future__ import annotations

import sys

from kdeploy_gui.cli.main import kdeploy


def main() -> None:
    """Run the command line and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    kdeploy(prog_name="kdeploy")


if __name__ == "__main__":
    main()
