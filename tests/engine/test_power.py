"""Switching: which commands that takes, in what order, and the mark that goes with the boot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine import power
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.environments.memory_target import MemoryConnector
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.model.environment import Environment, Power, PowerAction
from tests.engine.steps import machine
from tests.rehearsal import JumpingClock, MemoryContent, memory_file, memory_plan, ports, rehearsal

LOGGED = Power("sh -c 'echo on >>log'", "sh -c 'echo off >>log'", "sh -c 'echo reset >>log'")


def board(commands: Power) -> Environment:
    return Environment(name="a", host="a.invalid", power=commands)


@pytest.mark.parametrize(
    ("commands", "action", "said", "waits"),
    [
        (LOGGED, PowerAction.ON, "on\n", []),
        (LOGGED, PowerAction.OFF, "off\n", []),
        (LOGGED, PowerAction.RESET, "reset\n", []),
        (replace(LOGGED, reset=""), PowerAction.RESET, "off\non\n", [2.0]),
        (Power(reset=LOGGED.reset), PowerAction.RESET, "reset\n", []),
    ],
)
async def test_a_reset_has_a_command_of_its_own_or_is_off_and_on(
    tmp_path: Path, commands: Power, action: PowerAction, said: str, waits: list[float]
) -> None:
    content = MemoryContent()
    async with rehearsal(tmp_path, {}, content) as run:
        outside = ports(run.history, tmp_path, MemoryConnector({}, content), content)
        done = await power.switch(outside, board(commands), action)
        assert isinstance(outside.clock, JumpingClock)
        assert outside.clock.waits == waits
    assert (tmp_path / "log").read_text() == said
    assert [each.command for each in done.steps] == [commands.command(PowerAction(each)) for each in said.split()]


@pytest.mark.parametrize(
    ("commands", "action", "missing"),
    [
        (Power(off="true"), PowerAction.ON, "`on`"),
        (Power(on="true"), PowerAction.OFF, "`off`"),
        (Power(on="true"), PowerAction.RESET, "`off`"),
        (Power(), PowerAction.RESET, "`off` and `on`"),
    ],
)
async def test_what_has_no_command_is_refused_before_anything_is_switched(
    tmp_path: Path, commands: Power, action: PowerAction, missing: str
) -> None:
    content = MemoryContent()
    async with rehearsal(tmp_path, {}, content) as run:
        outside = ports(run.history, tmp_path, MemoryConnector({}, content), content)
        with pytest.raises(PlanError) as caught:
            await power.switch(outside, board(commands), action)
    assert caught.value.code == "E-POWER-NONE"
    assert f"no command {missing} under [environment.power] of a" in caught.value.message


async def test_a_reset_that_fails_half_way_says_that_the_board_is_off(tmp_path: Path) -> None:
    content = MemoryContent()
    async with rehearsal(tmp_path, {}, content) as run:
        outside = ports(run.history, tmp_path, MemoryConnector({}, content), content)
        with pytest.raises(LocalError) as caught:
            await power.switch(outside, board(Power("false", "true")), PowerAction.RESET)
    assert caught.value.code == "E-POWER-FAILED"
    assert caught.value.on_target == "a is switched off: only switching it on again failed."


@pytest.mark.parametrize(
    ("action", "because"),
    [
        (PowerAction.ON, None),
        (PowerAction.OFF, "it was switched off by kdeploy"),
        (PowerAction.RESET, "it was reset by kdeploy"),
    ],
)
async def test_the_ready_mark_goes_with_the_boot(tmp_path: Path, action: PowerAction, because: str | None) -> None:
    content, machines = MemoryContent(), {"a": machine()}
    async with rehearsal(tmp_path, machines, content) as run:
        await run.run(memory_plan(["a"], [memory_file(content, "/opt/t/x", b"x")]))
        outside: Ports = ports(run.history, tmp_path, MemoryConnector(machines, content), content)
        await power.switch(outside, board(LOGGED), action)
        mark = run.history.readiness.latest("a")
    assert mark is not None
    assert (mark.ready, mark.because) == ((True, mark.because) if because is None else (False, because))
