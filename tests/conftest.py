"""What every test gets: a KDEPLOY_HOME of its own, and real peers on request."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell that runs the tests in the background has Ctrl-C ignored, and so would all programs that they start."""
pytest_plugins = ["tests.lab.fixtures"]
settings.register_profile("kdeploy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kdeploy")
"""Examples are not timed: how long one takes is up to what else the machine does."""


@pytest.fixture(autouse=True)
def kdeploy_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds everything kdeploy keeps, per test."""
    home = tmp_path / "kdeploy-home"
    monkeypatch.setenv("KDEPLOY_HOME", str(home))
    return home


GUESTS_BY = 0.6
"""Share of the other files after which the last one with guests begins: it takes minutes, and would be waited for."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files with guests over the run, so that few of them go on at a time and none is the last one."""
    files = dict.fromkeys(item.path for item in items)
    slow = dict.fromkeys(item.path for item in items if item.get_closest_marker("guest"))
    rank = {path: place / len(files) for place, path in enumerate(each for each in files if each not in slow)}
    rank |= {path: GUESTS_BY * place / len(slow) for place, path in enumerate(slow)}
    items.sort(key=lambda item: rank[item.path])
