"""`kdeploy validate` against a real server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.program import Answer, Lab, kdeploy
from tests.lab.sshd import Sshd

WANTING = '[validation]\ntools = ["no-such-tool"]\n'
KEPT = f'[policy]\nrollback = "none"\n{WANTING}'
SECRET = """
[[artifacts]]
source = "secret.conf"
type = "config"
target = "~/secret/"
mode = "0600"
sensitive = true

[[artifacts]]
source = "two.sh"
type = "script"
target = "~/versions/"
mode = "0755"
layout = "versioned"
"""


def said(answer: Answer) -> str:
    return " ".join((answer.stdout + answer.stderr).split())


def test_a_ready_machine_that_was_meddled_with_is_ready_again_once_that_is_undone(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", lab.write_plan()).status == 0
    placed = board.home() / "suite/one.sh"
    whole = placed.read_text()
    placed.write_text("edited there\n")
    assert kdeploy("ready", "board-a").status == 3
    found = kdeploy("validate", "board-a")
    assert found.status == 1
    assert f"{placed} has other content" in said(found)
    assert "only what differs is sent" in said(found)
    assert placed.read_text() == "edited there\n", "a validation changes nothing"

    placed.write_text(whole)
    assert kdeploy("validate", "board-a", "--run", "2").status == 0, "of a validation that of its run"
    assert kdeploy("ready", "board-a").status == 0
    assert "validation of run 1" in said(kdeploy("history"))


def test_neither_sources_nor_contents_are_needed(lab: Lab, board: Sshd) -> None:
    plan = lab.write_plan()
    (lab.folder / "secret.conf").write_text("key = 1\n")
    plan.write_text(plan.read_text() + SECRET)
    assert kdeploy("deploy", "--quiet", plan).status == 0
    for name in ("secret.conf", "one.sh", "two.sh"):
        (lab.folder / name).unlink()
    done = kdeploy("validate", "board-a", "--json")
    assert done.status == 0, done.stdout
    assert done.events[-1]["outcome"] == "succeeded"
    (files,) = (each for each in done.events if each["type"] == "check_done" and each["check"] == "files")
    assert files["value"] == "4 as declared"


def test_names_that_other_runs_deployed_to_are_validated_one_run_after_the_other(lab: Lab, board: Sshd) -> None:
    lab.add(replace(board.environment("board-a"), name="board-b"))
    assert kdeploy("deploy", "--quiet", lab.write_plan(), "--env", "board-a").status == 0
    assert kdeploy("deploy", "--quiet", lab.plan, "--env", "board-b").status == 0
    done = kdeploy("validate", "board-a", "board-b", "board-a", "--json")
    assert done.status == 0
    submitted = [each for each in done.events if each["type"] == "run_submitted"]
    assert [(each["validates"], each["environments"]) for each in submitted] == [(1, ["board-a"]), (2, ["board-b"])]


def test_what_cannot_be_validated_is_told_with_what_can_be_done(lab: Lab, board: Sshd) -> None:
    unknown = kdeploy("validate", "board-x")
    assert (unknown.status, "E-LAB-UNKNOWN" in unknown.stderr) == (2, True)
    nothing = kdeploy("validate", "board-a")
    assert (nothing.status, "no run has deployed to board-a" in nothing.stderr) == (1, True)
    assert kdeploy("deploy", "--quiet", lab.write_plan(extra=WANTING)).status == 1
    back = kdeploy("validate", "board-a")
    assert (back.status, "run 1 took its files back from board-a" in back.stderr) == (1, True)
    assert "kdeploy retry 1 --env board-a" in back.stderr
    assert kdeploy("deploy", "--quiet", _lacking(lab)).status == 1
    early = kdeploy("validate", "board-a", "--run", "2")
    assert (early.status, "run 2 did not get to the validation of board-a" in early.stderr) == (1, True)
    assert "kdeploy retry 2 --env board-a" in early.stderr
    assert "run 9 is not in the history" in kdeploy("validate", "board-a", "--run", "9").stderr


def test_a_run_that_was_taken_back_is_not_the_last(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", lab.write_plan(extra=KEPT)).status == 1
    (lab.folder / "one.sh").write_text("#!/bin/sh\necho another\n")
    assert kdeploy("deploy", "--quiet", lab.plan).status == 1
    assert kdeploy("rollback", "--quiet", "2").status == 0
    assert "took back run 2" in kdeploy("validate", "board-a", "--run", "3").stderr
    found = kdeploy("validate", "board-a", "--json")
    assert found.status == 1
    assert found.events[0]["validates"] == 1
    wrong = [each["check"] for each in found.events if each["type"] == "check_done" and not each["ok"]]
    assert wrong == ["tool no-such-tool"], "the files are those of run 1 again"


def _lacking(lab: Lab) -> Path:
    plan = lab.write_plan()
    plan.write_text(plan.read_text() + '\n[[dependencies]]\ntool = "no-such-tool"\n')
    return plan
