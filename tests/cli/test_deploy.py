"""`kdeploy plan check`, `deploy`, `cancel`, `status`, `history`, `logs` and `ready` against a real server."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.cli.program import Lab, kdeploy, next_event, running, started
from tests.lab.chaos import Chaos
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import leftovers


def test_plan_check_counts_what_it_would_do(lab: Lab, board: Sshd) -> None:
    said = kdeploy("plan", "check", lab.write_plan())
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout == "smoke: no problems; 1 environment, 2 files (44 B), 0 dependencies\n"
    document = kdeploy("plan", "check", "--json", lab.plan).json
    assert (document["plan"], document["environments"], document["bytes"]) == ("smoke", ["board-a"], 44)
    assert document["problems"] == []


def test_plan_check_reports_everything_at_once(lab: Lab, board: Sshd) -> None:
    lab.write_plan(extra="[policy]\nretrys = 3\nmax_parallel = 0\n")
    said = kdeploy("plan", "check", lab.plan)
    assert said.status == 2
    assert re.search(r"plan\.toml:\d+: policy\.retrys.*did you mean 'retries'", said.stderr)
    assert "policy.max_parallel" in said.stderr
    deployed = kdeploy("deploy", "--json", lab.plan)
    assert deployed.status == 2
    assert {each["field"] for each in deployed.json["problems"]} == {"policy.retrys", "policy.max_parallel"}
    assert kdeploy("history", "--json").json["runs"] == []


def test_missing_plan_is_status_2(lab: Lab) -> None:
    said = kdeploy("deploy", lab.folder / "nix.toml")
    assert said.status == 2
    assert "nix.toml" in said.stderr


def test_deploy_prints_the_stored_events_and_nothing_else(lab: Lab, board: Sshd) -> None:
    said = kdeploy("deploy", "--json", lab.write_plan())
    assert (said.status, said.stderr) == (0, "")
    events = said.events
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("run_submitted", "run_finished")
    assert events[-1]["outcome"] == "succeeded"
    assert (board.home() / "suite" / "two.sh").stat().st_mode & 0o777 == 0o755


def test_second_deploy_sends_nothing_and_ready_answers(lab: Lab, board: Sshd) -> None:
    assert kdeploy("ready", "board-a").status == 3
    assert kdeploy("deploy", "--quiet", lab.write_plan()).stdout == ""
    again = kdeploy("deploy", lab.plan)
    assert again.status == 0
    assert "0 sent, 2 same" in again.stdout
    assert "1 of 1 environment READY" in again.stdout
    assert kdeploy("ready", "board-a", "--manifest", lab.plan).status == 0
    (board.home() / "suite" / "one.sh").write_text("somebody else was here\n")
    assert kdeploy("env", "check", "board-a").status == 1
    moved = kdeploy("ready", "board-a")
    assert moved.status == 3
    assert "suite/one.sh has other content" in moved.stdout
    answer = kdeploy("ready", "board-a", "--json").json
    assert (answer["environment"], answer["ready"]) == ("board-a", False)
    board.stop()
    gone = kdeploy("ready", "board-a")
    assert gone.status == 4
    assert "E-REFUSED" in gone.stderr


def test_readiness_has_a_history(lab: Lab, board: Sshd) -> None:
    never = kdeploy("env", "history", "board-a")
    assert (never.status, never.stdout) == (0, "")
    assert "board-a has not been READY yet" in never.stderr
    assert kdeploy("deploy", "--quiet", lab.write_plan()).status == 0
    (board.home() / "suite" / "one.sh").write_text("other")
    assert kdeploy("ready", "board-a").status == 3
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0

    said = kdeploy("env", "history", "board-a")
    changes = kdeploy("env", "history", "board-a", "--json").json["changes"]
    assert [each["ready"] for each in changes] == [True, False, True]
    assert [each["run"] for each in changes] == [2, 1, 1]
    assert "one.sh" in changes[1]["because"]
    assert len(said.stdout.splitlines()) == 4
    assert [
        each["ready"] for each in kdeploy("env", "history", "board-a", "--limit", "1", "--json").json["changes"]
    ] == [True]


def test_ready_for_another_plan_says_what_differs(lab: Lab, board: Sshd) -> None:
    assert kdeploy("deploy", "--quiet", lab.write_plan()).status == 0
    (lab.folder / "three.sh").write_text("#!/bin/sh\n")
    said = kdeploy("ready", "board-a", "--manifest", lab.plan)
    assert said.status == 3
    assert "three.sh" in said.stdout
    lab.plan.write_text("name = 3\n")
    assert kdeploy("ready", "board-a", "--manifest", lab.plan).status == 2
    assert kdeploy("ready", "nobody").status == 2


def test_one_failure_is_told_with_its_remedy_and_the_others_go_on(lab: Lab, make_sshd: MakeSshd) -> None:
    good, bad = make_sshd(), make_sshd()
    lab.add(good.environment("board-a"), bad.environment("board-b"))
    bad.change_host_keys()
    said = kdeploy("deploy", lab.write_plan())
    assert said.status == 1
    assert "board-b  E-HOSTKEY-CHANGED (TRUST)" in said.stdout
    for label in ("what happened", "where", "on the target", "what to do"):
        assert label in said.stdout
    assert f"kdeploy env trust board-b --fingerprint {bad.fingerprints[0]}" in said.stdout
    assert "1 of 2 environments READY; 1 failed; errors: 1 TRUST" in said.stdout
    shown = kdeploy("status", "1")
    assert shown.status == 0
    assert said.stdout.endswith(shown.stdout)
    quiet = kdeploy("deploy", "--quiet", lab.plan)
    assert (quiet.status, quiet.stdout) == (1, "")
    assert "E-HOSTKEY-CHANGED" in quiet.stderr


def test_deploy_to_some_environments(lab: Lab, make_sshd: MakeSshd) -> None:
    server = make_sshd(hosts=2)
    lab.add(server.environment("board-a"), server.environment("board-b", host=1))
    said = kdeploy("deploy", "--json", "--env", "board-b", "--priority=-5", "--max-parallel=1", lab.write_plan())
    assert said.status == 0
    assert (said.events[0]["environments"], said.events[0]["priority"]) == (["board-b"], -5)
    unknown = kdeploy("deploy", "--env", "bord-b", lab.plan)
    assert unknown.status == 2
    assert "did you mean 'board-b'" in unknown.stderr


def slow_board(lab: Lab, sshd: Sshd, make_chaos: MakeChaos) -> Chaos:
    """One machine behind a link on which a plan of 1 MB takes long."""
    chaos = make_chaos(sshd.environment())
    lab.add(chaos.environment(sshd.environment("board-a")))
    lab.write_plan(size=1_000_000)
    chaos.rate = 20_000
    return chaos


def test_cancel_from_another_terminal(lab: Lab, sshd: Sshd, make_chaos: MakeChaos) -> None:
    slow_board(lab, sshd, make_chaos)
    with running("deploy", "--json", lab.plan) as process:
        run = str(next_event(process, started("deploying_scripts"))["run"])
        assert kdeploy("status", run, "--json").json["outcome"] == "running"
        cancelled = kdeploy("cancel", run, "--json")
        assert (cancelled.status, cancelled.json["outcome"]) == (5, "cancelled")
        assert process.wait(60) == 5
    assert not (sshd.home() / "suite" / "one.sh").exists()
    again = kdeploy("cancel", run)
    assert again.status == 5
    assert "had ended before" in again.stderr


def test_cancel_of_one_environment(lab: Lab, sshd: Sshd, make_chaos: MakeChaos) -> None:
    slow_board(lab, sshd, make_chaos)
    with running("deploy", "--json", lab.plan) as process:
        run = str(next_event(process, started("deploying_scripts"))["run"])
        assert kdeploy("cancel", run, "--env", "board-x").status == 1
        assert kdeploy("cancel", run, "--env", "board-a").status == 5
        process.communicate(timeout=60)


def test_detached_run_goes_on_alone(lab: Lab, board: Sshd) -> None:
    said = kdeploy("deploy", "--detach", lab.write_plan())
    assert said.status == 0, said.stderr
    assert said.stdout.startswith("run 1 goes on in the background")
    wait_until(lambda: kdeploy("status", "1", "--json").json["outcome"] == "succeeded", "the run ends", 30)
    second = kdeploy("deploy", "--detach", "--json", "--env", "board-*", lab.plan)
    assert (second.json["type"], second.json["run"]) == ("run_submitted", 2)
    wait_until(lambda: kdeploy("status", "2", "--json").json["outcome"] == "succeeded", "the run ends", 30)


def test_detached_run_with_mistakes_does_not_start(lab: Lab, board: Sshd) -> None:
    lab.write_plan(extra="[policy]\nretrys = 3\n")
    said = kdeploy("deploy", "--detach", lab.plan)
    assert (said.status, said.stdout) == (2, "")
    assert "did you mean 'retries'" in said.stderr
    machine = kdeploy("deploy", "--detach", "--json", lab.plan)
    assert machine.status == 2
    assert machine.json["problems"][0]["field"] == "policy.retrys"


def test_unknown_run_names_the_nearest(lab: Lab, board: Sshd) -> None:
    lab.write_plan()
    for _ in range(2):
        assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    for command in ("status", "logs", "cancel"):
        said = kdeploy(command, "7")
        assert said.status == 1
        assert "there is no run 7; the nearest are 1, 2" in said.stderr
        assert "Traceback" not in said.stderr
    assert kdeploy("logs", "1", "--env", "nobody").status == 1


def test_history_lists_and_filters(lab: Lab, board: Sshd) -> None:
    lab.write_plan()
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    board.stop()
    lab.write_plan(extra="[policy]\nretries = 0\n")
    assert kdeploy("deploy", "--quiet", lab.plan).status == 1

    def runs(*options: str) -> list[int]:
        return [each["run"] for each in kdeploy("history", "--json", *options).json["runs"]]

    assert runs() == [2, 1]
    assert runs("--status", "failed") == [2]
    assert runs("--env", "board-a", "--since", "24h") == [2, 1]
    assert runs("--env", "board-z") == []
    assert runs("--since", "2999-01-01") == []
    assert runs("--search", "smoke") == [2, 1]
    assert runs("--limit", "1") == [2]
    assert runs("--before", "2") == [1]
    lines = kdeploy("history").stdout.splitlines()
    assert lines[0].split()[:4] == ["run", "plan", "submitted", "outcome"]
    assert "succeeded" in lines[2]
    assert "1 of 1" in lines[2]
    assert "--before 2" in kdeploy("history", "--limit", "1").stderr


@pytest.mark.parametrize("number", [2, 15])
def test_ctrl_c_cancels_cleanly(lab: Lab, sshd: Sshd, make_chaos: MakeChaos, number: int) -> None:
    chaos = slow_board(lab, sshd, make_chaos)
    with running("deploy", "--json", lab.plan) as process:
        next_event(process, started("deploying_scripts"))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (5, "")
    last = json.loads(rest.splitlines()[-1])
    assert (last["type"], last["outcome"]) == ("run_finished", "cancelled")
    chaos.drop()
    wait_until(lambda: not leftovers(sshd.home()), "the machine cleans up")


def test_ctrl_c_says_what_happens_now(lab: Lab, sshd: Sshd, make_chaos: MakeChaos) -> None:
    slow_board(lab, sshd, make_chaos)
    with running("deploy", "-v", lab.plan) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "script deployment, attempt 1" in line:
                process.send_signal(2)
                break
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (5, "")
    assert "Cancelling" in said
    assert "0 of 1 environment READY; 1 cancelled" in said


def _interrupted_again(process: subprocess.Popen[str]) -> bool:
    """Press Ctrl-C once more; whether the program has left."""
    if process.poll() is None:
        process.send_signal(2)
    return process.poll() is not None


def test_second_ctrl_c_leaves_at_once(lab: Lab, sshd: Sshd, make_chaos: MakeChaos) -> None:
    chaos = slow_board(lab, sshd, make_chaos)
    with running("deploy", "--json", lab.plan) as process:
        next_event(process, started("deploying_scripts"))
        chaos.freeze()
        wait_until(lambda: _interrupted_again(process), "it leaves at once")
    assert process.returncode == 130
    chaos.thaw()
    wait_until(lambda: kdeploy("status", "1", "--json").json["outcome"] != "running", "the run is not left running")
