"""What every test gets: a KDEPLOY_HOME of its own, and real peers on request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest_plugins = ["tests.lab.fixtures"]


@pytest.fixture(autouse=True)
def kdeploy_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds everything kdeploy keeps, per test."""
    home = tmp_path / "kdeploy-home"
    monkeypatch.setenv("KDEPLOY_HOME", str(home))
    return home
