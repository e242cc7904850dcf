"""The import contracts of pyproject.toml hold, and each of them notices a violation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "kdeploy_gui"

LAYERS = "Layers"
FRONT_ENDS = "Front ends reach the engine and the adapters only through app"
STAGES = "Stages do not know each other"

VIOLATIONS = [
    ("engine.orchestrator", "import asyncssh", "asyncssh only where SSH is spoken"),
    ("environments", "import asyncssh", "asyncssh only where SSH is spoken"),
    ("engine.stages.connect", "from kdeploy_gui.engine.stages import prepare", STAGES),
    ("engine.stages.validate", "import kdeploy_gui.engine.stages.deploy", STAGES),
    ("model.plan", "import kdeploy_gui.ports", LAYERS),
    ("model.event", "from kdeploy_gui import engine", LAYERS),
    ("errors", "import kdeploy_gui.model.plan", LAYERS),
    ("ports", "import kdeploy_gui.history", LAYERS),
    ("engine.orchestrator", "import kdeploy_gui.environments", LAYERS),
    ("environments", "import kdeploy_gui.history", LAYERS),
    ("history", "import kdeploy_gui.engine.planner", LAYERS),
    ("engine.orchestrator", "def late() -> None:\n    import kdeploy_gui.app", LAYERS),
    ("cli", "import kdeploy_gui.engine.orchestrator", FRONT_ENDS),
    ("cli", "from kdeploy_gui import history", FRONT_ENDS),
    ("engine.boot", "import libvirt", "libvirt only where guests are"),
    ("app", "import sqlite_utils", "SQLite only in history"),
    ("engine.feed", "import sqlite3", "SQLite only in history"),
    ("cli", "import keyring", "keyring only in credentials"),
    ("ui.news", "import jeepney", "D-Bus only where the desktop is told"),
    ("app", "import PySide6.QtCore", "Qt only in ui"),
    ("engine.orchestrator", "import qasync", "Qt only in ui"),
    ("cli", "from jinja2 import Environment", "jinja2 only in report"),
    ("model.plan", "import pydantic", "pydantic only at the edges"),
    ("app", "import tomlkit", "TOML only where documents are read"),
    ("app", "import rich.console", "Terminal libraries only in cli"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the package in `folder`, outside the measurement of this session's coverage."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env=environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with its contracts, to plant violations in."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "kdeploy_gui", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def source_of(folder: Path, module: str) -> Path:
    """The file of a module that is given relative to the package."""
    path = folder.joinpath("kdeploy_gui", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_contracts_are_kept() -> None:
    checked = lint(REPOSITORY)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " 0 broken" in checked.stdout


@pytest.mark.parametrize(("module", "statement", "contract"), VIOLATIONS)
def test_planted_violation_is_seen(copy: Path, module: str, statement: str, contract: str) -> None:
    source = source_of(copy, module)
    source.write_text(f"{source.read_text()}\n{statement}\n")
    checked = lint(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert f"{contract} BROKEN" in checked.stdout


def test_module_without_a_layer_is_seen(copy: Path) -> None:
    (copy / "kdeploy_gui" / "toolbox.py").write_text("")
    checked = lint(copy)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert f"{LAYERS} BROKEN" in checked.stdout


@pytest.mark.parametrize("module", ["kdeploy_gui.__main__", "kdeploy_gui.cli"])
def test_command_line_imports_no_qt(module: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    packages = {name.split(".")[0] for name in asked.stdout.split()}
    assert "kdeploy_gui" in packages
    assert not packages & {"PySide6", "shiboken6", "qasync"}
