"""The folder of data files: inside the installed package, or beside it in a source tree."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_resources"
ROOT = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "resources"


def text(name: str) -> str:
    """A data file by its path below the resource folder, as text."""
    return (ROOT / name).read_text(encoding="utf-8")
