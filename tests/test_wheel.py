"""The built wheel, installed into an empty environment, is the whole program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LOCK = REPOSITORY / "packaging" / "locks" / "run.txt"
WHEELHOUSE = Path(sys.prefix) / "wheels"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(arguments: Sequence[str | Path], cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing of this test session in its environment but PATH, HOME and `extra`."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | extra
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=800, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive: so the archive has all that a build needs."""
    folder = tmp_path_factory.mktemp("dist")
    built = run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY], folder)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new virtual environment that holds the locked run set and the wheel."""
    assert WHEELHOUSE.is_dir(), f"{WHEELHOUSE} is missing: run packaging/setup.sh test"
    place = tmp_path_factory.mktemp("installed")
    made = run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], place)
    assert made.returncode == 0, made.stderr
    python = place / "venv" / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    locked = run([*pip, "--find-links", WHEELHOUSE, "--require-hashes", "-r", LOCK], place)
    assert locked.returncode == 0, locked.stderr
    itself = run([*pip, "--no-deps", wheel], place)
    assert itself.returncode == 0, itself.stderr
    return python.parent


def test_wheel_holds_the_resources_and_no_tests(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    resources = REPOSITORY / "resources"
    expected = {f"kdeploy_gui/_resources/{p.relative_to(resources)}" for p in resources.rglob("*") if p.is_file()}
    assert {name for name in names if name.startswith("kdeploy_gui/_resources/")} == expected
    assert {name.split("/")[0] for name in names} == {"kdeploy_gui"}


def test_installed_program_finds_its_own_resources(installed: Path, tmp_path: Path) -> None:
    asked = run([installed / "python", "-c", "from kdeploy_gui import resources; print(resources.ROOT)"], tmp_path)
    root = Path(asked.stdout.strip())
    assert root.is_relative_to(installed.parent), asked.stderr
    assert root.name == "_resources"


def test_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo = run([installed / "kdeploy", "demo", "--json", "--out", out], tmp_path, KDEPLOY_HOME=str(tmp_path / "home"))
    assert demo.returncode == 1, demo.stderr
    events = [json.loads(line) for line in demo.stdout.splitlines()]
    [finished] = [event for event in events if event["type"] == "run_finished"]
    assert finished["outcome"] == "failed"
    boards = finished["environments"]
    assert sorted(board["status"] for board in boards) == ["completed"] * 3 + ["failed"] * 3
    assert all(board["ready"] for board in boards if board["status"] == "completed")
    errors = [board["error"] for board in boards if board["status"] == "failed"]
    assert {error["category"] for error in errors} == {"TRUST", "AUTH", "TARGET"}
    assert len({error["code"] for error in errors}) == 3
    assert all(error["remedy"] for error in errors)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert all(error["code"] in report for error in errors)
