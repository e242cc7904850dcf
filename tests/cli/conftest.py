"""A lab for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Lab
from tests.lab.sshd import Sshd


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path) -> Lab:
    """An empty lab."""
    return Lab(kdeploy_home, tmp_path / "plan")


@pytest.fixture
def board(lab: Lab, sshd: Sshd) -> Sshd:
    """One machine, `board-a`, in the lab."""
    lab.add(sshd.environment("board-a"))
    return sshd
