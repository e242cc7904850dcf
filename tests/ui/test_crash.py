"""Reports of programs that died, written by programs that really die."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy_gui.ui.crash import CrashReports


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[CrashReports]:
    found = CrashReports(tmp_path)
    yield found
    found.close()


def die(folder: Path, statement: str) -> None:
    program = (
        "import sys, os, faulthandler; from pathlib import Path; from kdeploy_gui.ui.crash import CrashReports;"
        f"CrashReports(Path(sys.argv[1])).install(lambda error: None); {statement}"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], timeout=60, check=False, capture_output=True)


def test_a_fault_of_the_last_program_is_told_once(tmp_path: Path, reports: CrashReports) -> None:
    die(tmp_path, "faulthandler._sigsegv()")

    assert "Segmentation fault" in reports.left_behind()
    assert reports.left_behind() == ""


def test_an_exception_before_a_kill_is_told(tmp_path: Path, reports: CrashReports) -> None:
    die(tmp_path, "sys.excepthook(ValueError, ValueError('the cause'), None); os.kill(os.getpid(), 9)")

    assert "the cause" in reports.left_behind()


def test_a_kill_alone_leaves_nothing_to_tell(tmp_path: Path, reports: CrashReports) -> None:
    die(tmp_path, "os.kill(os.getpid(), 9)")

    assert reports.left_behind() == ""


def test_exceptions_of_any_thread_are_written_and_told(tmp_path: Path, reports: CrashReports) -> None:
    told: list[BaseException] = []
    reports.install(told.append)

    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    assert isinstance(told[0], ValueError)
    assert "in a thread" in next(tmp_path.glob("*.txt")).read_text()


def test_a_clean_end_leaves_no_report(tmp_path: Path, reports: CrashReports) -> None:
    reports.install(lambda error: None)
    reports.close()

    assert list(tmp_path.glob("*.txt")) == []
