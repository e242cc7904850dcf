"""`kdeploy power`, and what the lab file may say about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import Lab, kdeploy
from tests.lab.sshd import Sshd

COMMANDS = """
[environment.power]
on = "./pdu.sh on"
off = "./pdu.sh off"
"""


@pytest.fixture
def powered(lab: Lab, board: Sshd) -> Path:
    """The lab's folder; `board-a` has power commands that keep a record in it."""
    file = lab.home / "lab.toml"
    file.write_text(file.read_text() + COMMANDS)
    script = lab.home / "pdu.sh"
    script.write_text("#!/bin/sh\necho socket 3 is $1 now\necho $1 >>record\n[ ! -e broken ] || exit 9\n")
    script.chmod(0o755)
    return lab.home


def test_it_runs_the_commands_of_the_lab_entry(powered: Path) -> None:
    said = kdeploy("power", "board-a", "off", "-v")
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout.startswith("board-a: off: ./pdu.sh off (")
    assert said.stdout.endswith("\nsocket 3 is off now\n")
    assert kdeploy("power", "board-a", "on", "-q").stdout == ""
    assert (powered / "record").read_text() == "off\non\n"


def test_json_has_every_step_of_a_reset(powered: Path) -> None:
    said = kdeploy("power", "board-a", "reset", "--json")
    assert said.status == 0
    document = said.json
    assert (document["environment"], document["action"]) == ("board-a", "reset")
    assert [each["action"] for each in document["steps"]] == ["off", "on"]
    assert document["steps"][0]["command"] == "./pdu.sh off"
    assert document["steps"][0]["output"] == "socket 3 is off now"
    assert document["steps"][0]["seconds"] >= 0


def test_this_workstation_is_not_restarted(lab: Lab, board: Sshd) -> None:
    said = kdeploy("power", "board-a", "reboot")
    assert (said.status, said.stdout) == (1, "")
    assert "E-POWER-SELF" in said.stderr
    assert "board-a is this workstation, or a container on it" in said.stderr
    assert kdeploy("power", "board-a", "reboot", "kasan").status == 2


def test_a_failure_names_command_status_and_what_it_said(powered: Path) -> None:
    (powered / "broken").touch()
    said = kdeploy("power", "board-a", "off")
    assert (said.status, said.stdout) == (1, "")
    assert "E-POWER-FAILED (LOCAL): switching board-a off failed: ./pdu.sh ended with status 9" in said.stderr
    assert "socket 3 is off now" in said.stderr
    assert "Run `./pdu.sh off` by hand" in said.stderr
    error = kdeploy("power", "board-a", "off", "--json").json["error"]
    assert (error["code"], error["evidence"]["exit_status"]) == ("E-POWER-FAILED", 9)


def test_what_cannot_be_done_is_refused(lab: Lab, board: Sshd) -> None:
    said = kdeploy("power", "board-a", "on")
    assert said.status == 1
    assert "E-POWER-NONE (CONFIG): the lab file has no command `on`" in said.stderr
    assert 'on = "pdu 3 on"' in said.stderr
    said = kdeploy("power", "board-a", "boot", "kasan")
    assert said.status == 1
    assert "E-KERNEL-UNKNOWN (CONFIG): board-a has no kernel 'kasan' in the lab file" in said.stderr
    assert kdeploy("power", "board-b", "on").status == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["boot"], "boot needs the name of a kernel"),
        (["on", "kasan"], "on takes no kernel"),
        (["up"], "'on', 'off', 'reset', 'reboot', 'boot'"),
    ],
)
def test_what_means_nothing_is_a_mistake_of_usage(lab: Lab, board: Sshd, arguments: list[str], why: str) -> None:
    said = kdeploy("power", "board-a", *arguments)
    assert said.status == 2
    assert why in said.stderr


def test_the_lab_entry_is_shown_with_its_power(powered: Path) -> None:
    file = powered / "lab.toml"
    extra = 'autostart = true\nboot_timeout = "90s"\n[environment.power]'
    file.write_text(file.read_text().replace("[environment.power]", extra))
    said = kdeploy("env", "show", "board-a").stdout
    assert "power off:     ./pdu.sh off\n" in said
    assert "autostart:     a run switches it on when it does not answer\n" in said
    assert "boot timeout:  1 min 30 s\n" in said


def test_a_check_says_how_the_machine_is_doing(lab: Lab, board: Sshd) -> None:
    said = kdeploy("env", "check", "board-a")
    assert said.status == 0
    line = next(each for each in said.stdout.splitlines() if "health" in each)
    assert re.fullmatch(
        r"board-a: health: up [0-9a-z. ]+, temperature (unknown|-?\d+\.\d °C), kernel errors (unknown|\d+)", line
    )
    health = kdeploy("env", "check", "board-a", "--json").json["checks"][0]["facts"]["health"]
    assert set(health) == {"temperature", "read_only", "kernel_errors", "last_errors"}
    assert health["kernel_errors"] is None or health["kernel_errors"] >= 0


def test_a_run_switches_a_board_on_and_says_that_it_waits(powered: Path, lab: Lab, board: Sshd) -> None:
    """The board never comes: it stays off, and the run ends with its limit."""
    board.stop()
    file = powered / "lab.toml"
    extra = 'autostart = true\nboot_timeout = "1s"\n[environment.power]'
    file.write_text(file.read_text().replace("[environment.power]", extra))
    said = kdeploy("deploy", lab.write_plan())
    assert said.status == 1
    assert (powered / "record").read_text() == "on\n"
    assert "board-a: environment connection: switching it on: ./pdu.sh on" in said.stdout
    assert "waiting for boot, 0 s of 1 s" in said.stdout
    assert "E-BOOT" in said.stdout + said.stderr
    assert "raise `boot_timeout` of board-a" in said.stdout + said.stderr
