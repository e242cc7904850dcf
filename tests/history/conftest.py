from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kdeploy_gui.history import History, open_history


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def history(folder: Path) -> Iterator[History]:
    """A new history."""
    with closing(open_history(folder)) as opened:
        yield opened
