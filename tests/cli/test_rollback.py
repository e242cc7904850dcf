"""`kdeploy rollback` against a real server."""

from __future__ import annotations

from pathlib import Path

from tests.cli.program import Lab, kdeploy
from tests.lab.sshd import Sshd
from tests.properties.peers import leftovers


def publish(lab: Lab, version: str) -> Path:
    """The plan with another version of one of its files."""
    plan = lab.write_plan()
    (lab.folder / "one.sh").write_text(f"#!/bin/sh\necho {version}\n")
    return plan


def test_the_newest_run_is_taken_back(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", publish(lab, "first")).status == 0
    assert kdeploy("deploy", "--quiet", publish(lab, "second")).status == 0
    placed = board.home() / "suite/one.sh"
    assert "second" in placed.read_text()

    early = kdeploy("rollback", "1")
    assert early.status == 1
    assert "E-ROLLBACK-NEWER" in early.stdout
    assert "kdeploy rollback 2 --env board-a" in early.stdout

    done = kdeploy("rollback", "2")
    assert (done.status, done.stderr) == (0, "")
    assert "first" in placed.read_text()
    assert kdeploy("ready", "board-a").status == 3
    assert leftovers(board.home()) == []

    again = kdeploy("rollback", "2", "--json")
    assert again.status == 1
    assert again.events[-1]["environments"][0]["error"]["code"] == "E-ROLLBACK-NEWER"
    assert kdeploy("rollback", "1").status == 0
    assert not placed.exists()
    assert kdeploy("rollback", "1").status == 1


def test_a_changed_file_is_not_overwritten(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", publish(lab, "first")).status == 0
    placed = board.home() / "suite/one.sh"
    placed.write_text("edited there\n")

    said = kdeploy("rollback", "1")

    assert said.status == 1
    assert "E-ROLLBACK-CHANGED" in said.stdout
    assert placed.read_text() == "edited there\n"


def test_mistakes_are_told(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", lab.write_plan()).status == 0
    assert "there is no run 7" in kdeploy("rollback", "7").stderr
    unknown = kdeploy("rollback", "1", "--env", "board-x")
    assert unknown.status != 0
    assert "board-x" in unknown.stderr
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    nothing = kdeploy("rollback", "2")
    assert nothing.status != 0
    assert "run 2 changed no file" in nothing.stderr
