"""The same window on a display server with a window manager: focus and shortcuts are the real ones there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.realwindow,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
    pytest.mark.skipif(shutil.which("openbox") is None, reason="openbox is not installed"),
]
WINDOW = "tests/ui/test_main_window.py::test_"
WALKS = (
    "tests/ui/test_walks.py",
    WINDOW + "keys_go_to_views_and_back",
    WINDOW + "f6_goes_round_the_regions",
    WINDOW + "closing_during_a_run_asks_and_does_what_it_says",
)


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """The name of a display of our own, with a window manager on it."""
    reading, writing = os.pipe()
    with ExitStack() as stack:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
            pass_fds=(writing,),
            stderr=subprocess.DEVNULL,
        )
        stack.callback(server.wait)
        stack.callback(server.terminate)
        os.close(writing)
        with os.fdopen(reading) as told:
            name = f":{told.readline().strip()}"
        environment = {**os.environ, "DISPLAY": name, "HOME": str(tmp_path)}
        manager = subprocess.Popen(["openbox"], env=environment, stderr=subprocess.DEVNULL)
        stack.callback(manager.wait)
        stack.callback(manager.terminate)
        yield name


def test_the_walks_work_in_a_real_window(display: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-cov", *WALKS]

    command.append(f"--basetemp={tmp_path / 'walks'}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
