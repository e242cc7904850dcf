"""Power in the tree: what will happen is said first, real commands do it, and failures are told one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Kind, Power, PowerAction
from kdeploy_gui.ui.environment_tree import power
from kdeploy_gui.ui.environment_tree.panel import EnvironmentPanel
from kdeploy_gui.ui.session import Session
from tests.ui.answers import Answers
from tests.ui.environment_tree.conftest import Fill, machine

COMMANDS = Power("sh -c 'echo on >>log'", "sh -c 'echo off >>log'")
IDS = [f"environment.power_{each.value}" for each in PowerAction]


@pytest.fixture
def log(session: Session) -> Path:
    """Where the power commands write."""
    return session.services.lab_file.parent / "log"


@pytest.fixture
def lab(panel: EnvironmentPanel, fill: Fill) -> EnvironmentPanel:
    """Two machines with commands, one with a switch for on alone, one without any."""
    fill(
        replace(machine("a"), power=COMMANDS),
        replace(machine("b"), power=replace(COMMANDS, off="sh -c 'echo no such socket >&2; exit 7'")),
        replace(machine("c"), power=Power("true")),
        machine("d"),
    )
    return panel


def why_not(session: Session) -> list[str]:
    return [session.commands.why_not(each) for each in IDS]


def test_only_what_has_the_commands_can_be_switched(lab: EnvironmentPanel, session: Session) -> None:
    assert why_not(session) == ["Select environments first"] * 3
    missing = "c has no command for it under [environment.power] in the lab file"
    session.machines.select(["c"])
    assert why_not(session) == ["", missing, missing]
    session.machines.select(["c", "d"])
    assert why_not(session)[1] == "None of these has a command for it under [environment.power] in the lab file"
    session.machines.select(["a", "d"])
    assert why_not(session) == ["", "", ""]
    assert not any(session.commands.action(each).shortcut().toString() for each in IDS)


def test_what_happens_is_said_first_and_the_safe_answer_is_the_default(
    lab: EnvironmentPanel, session: Session, answers: Answers, log: Path, qtbot: QtBot
) -> None:
    session.machines.select(["a", "d"])
    answers.yes.extend([False, False])
    session.commands.run("environment.power_reset")
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    question = answers.asked[0]
    assert (question.title, question.accept, question.danger) == ("Reset a", "Reset", True)
    assert question.details == [f"a: {COMMANDS.off}, then {COMMANDS.on}"], "d has no commands and is left alone"
    assert "ends at once" in question.text
    session.commands.run("environment.power_on")
    qtbot.waitUntil(lambda: len(answers.asked) == 2)
    assert (answers.asked[1].title, answers.asked[1].danger) == ("Power on a", False)
    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert not log.exists()


def test_a_reset_runs_the_commands_and_looks_again(
    lab: EnvironmentPanel, session: Session, answers: Answers, log: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdeploy_gui.defaults.POWER_PAUSE", 0.05)
    qtbot.waitUntil(lambda: not session.bridge.busy)
    before = session.machines.checked_at("a")
    session.machines.select(["a"])
    answers.yes.append(True)
    session.commands.run("environment.power_reset")
    qtbot.waitUntil(lambda: log.exists() and log.read_text() == "off\non\n")
    qtbot.waitUntil(lambda: session.machines.checked_at("a") not in {None, before})


def test_each_failure_is_told_with_its_environment(
    lab: EnvironmentPanel, session: Session, answers: Answers, log: Path, qtbot: QtBot
) -> None:
    session.machines.select(["a", "b"])
    answers.yes.append(True)
    session.commands.run("environment.power_off")
    qtbot.waitUntil(lambda: bool(answers.failures))
    assert answers.asked[0].title == "Power off 2 environments"
    (failure,) = answers.failures
    assert (failure.code, failure.where.environment) == ("E-POWER-FAILED", "b")
    assert failure.evidence.stderr == "no such socket"
    assert log.read_text() == "off\n", "the other one was switched all the same"
    qtbot.waitUntil(lambda: not session.bridge.busy)


def test_machines_are_asked_to_restart_and_each_failure_is_told(
    lab: EnvironmentPanel, session: Session, answers: Answers, qtbot: QtBot
) -> None:
    assert session.commands.why_not("environment.reboot") == "Select environments first"
    session.machines.select(["a", "d"])
    assert session.commands.why_not("environment.reboot") == ""
    answers.yes.extend([False, True])
    session.commands.run("environment.reboot")
    qtbot.waitUntil(lambda: bool(answers.asked) and not session.bridge.busy)
    assert (answers.asked[0].title, answers.asked[0].danger) == ("Reboot 2 environments", True)
    assert answers.asked[0].details == ["a", "d"]
    assert not answers.failures
    session.commands.run("environment.reboot")
    qtbot.waitUntil(lambda: len(answers.failures) == 2)
    assert {each.where.environment for each in answers.failures} == {"a", "d"}
    qtbot.waitUntil(lambda: not session.bridge.busy)


def test_a_run_that_would_suffer_is_named(
    lab: EnvironmentPanel, session: Session, answers: Answers, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session.machines._running, "a", 12)
    environment = session.machines.get("a")
    assert environment is not None
    answers.yes.append(False)
    session.bridge.spawn(power.switch(session, PowerAction.OFF, [environment]), name="power off")
    qtbot.waitUntil(lambda: bool(answers.asked))
    assert answers.asked[0].details == [f"a: {COMMANDS.off} (run 12 works on it now)"]
    qtbot.waitUntil(lambda: not session.bridge.busy)


def test_a_guest_is_switched_by_libvirt(
    panel: EnvironmentPanel, fill: Fill, session: Session, answers: Answers, qtbot: QtBot
) -> None:
    pytest.importorskip("libvirt")
    guest = replace(machine("vm"), kind=Kind.QEMU, uri="test:///default", domain="test")
    fill(guest)
    inventory = session.services.inventory
    inventory.switch("vm", PowerAction.ON)
    session.machines.select(["vm"])
    assert why_not(session) == ["", "", ""]
    answers.yes.append(True)
    session.commands.run("environment.power_off")
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    (asked,) = answers.asked
    assert asked.details == ["vm: libvirt presses test's power button and pulls the plug after 60 s"]
    assert asked.text.startswith("libvirt does it. Whatever goes on there ends at once")
    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert inventory.guest_state("vm") == "shut off (it shut down)"
