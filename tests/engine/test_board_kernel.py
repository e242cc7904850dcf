"""Boards that leave their kernel by kexec: refusals, proof, and the way back by their supply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.board_kernel import POWER_CYCLE, BoardSwitch
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.errors import AuthError, KdeployError, NetworkError, TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, Kernel, Power
from tests.engine.steps import hooked, machine
from tests.rehearsal import MemoryContent, ports

KASAN = Kernel("kasan", "/boot/kasan", "", "console=ttyS0")
BOARD = Environment(name="a", host="a.invalid", boot_timeout=20.0)
SUPPLIED = replace(BOARD, power=Power("true", "true", "sh -c 'echo reset >>log'"))


@dataclass
class Bench:
    """A board in memory that boots another kernel some connections after kexec, or whatever `after` does."""

    machine: MemoryMachine
    outside: Ports
    folder: Path
    line: str = "console=ttyS0 root=/dev/vda1"
    comes_up: bool = True
    left: int = 0
    is_gone: bool = False
    error: KdeployError | None = None

    async def step(self, environment: str, call: str) -> None:
        if call == "kexec":
            self.is_gone = True
        if call != "connect" or not self.is_gone:
            return
        if (self.folder / "log").exists():
            self.boots("boot-3", "6.1.0-plain", "root=/dev/vda1 quiet")
        elif self.left or not self.comes_up:
            self.left -= 1
            raise self.error or NetworkError("E-REFUSED", "a refuses")
        else:
            self.boots("boot-2", "6.1.0-kasan", self.line)

    def boots(self, boot: str, release: str, line: str) -> None:
        self.machine.facts = replace(self.machine.facts, boot_id=boot, kernel_release=release)
        self.machine.replies["command line"] = Completed(0, line.encode())

    def switch(self, environment: Environment = BOARD) -> BoardSwitch:
        return BoardSwitch(ports=self.outside, environment=environment)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    history = open_history(tmp_path)
    board, content = machine(), MemoryContent()
    made: list[Bench] = []

    async def step(environment: str, call: str) -> None:
        await made[0].step(environment, call)

    made.append(Bench(board, ports(history, tmp_path, hooked({"a": board}, content, step), content), tmp_path))
    made[0].boots("boot-1", "6.1.0-plain", "root=/dev/vda1 quiet")
    board.replies["kexec"] = Completed(0, b"loaded\n")
    yield made[0]
    history.close()


async def test_it_is_waited_for_and_proven(bench: Bench) -> None:
    bench.left = 2
    booted = await bench.switch().boot(KASAN)
    assert (booted.release, booted.before) == ("6.1.0-kasan", "6.1.0-plain")
    assert booted.cmdline == "console=ttyS0 root=/dev/vda1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Completed(0, b"refused\tkexec is not installed there (package kexec-tools)\n"),
            "kexec is not installed there",
        ),
        (Completed(127, b"", b"sh: not found"), "sh: not found"),
    ],
)
async def test_a_board_that_cannot_is_left_as_it_is(bench: Bench, answer: Completed, words: str) -> None:
    bench.machine.replies["kexec"] = answer
    with pytest.raises(TargetError, match=words) as caught:
        await bench.switch().boot(KASAN)
    assert (caught.value.code, caught.value.on_target) == ("E-POWER-BOOT", "Nothing was changed.")


async def test_one_that_does_not_come_up_is_switched_off_and_on(bench: Bench) -> None:
    bench.comes_up = False
    with pytest.raises(TargetError) as caught:
        await bench.switch(SUPPLIED).boot(KASAN)
    assert caught.value.code == "E-KERNEL-BOOT"
    assert "no other boot within 20 s: a refuses" in caught.value.message
    assert caught.value.on_target == "It was switched off and on, and runs 6.1.0-plain."


async def test_one_without_a_supply_is_told_to_be_power_cycled(bench: Bench) -> None:
    bench.line = "quiet"
    with pytest.raises(TargetError, match="its command line lacks console=ttyS0") as caught:
        await bench.switch().boot(KASAN)
    assert caught.value.on_target == POWER_CYCLE


async def test_a_supply_that_fails_is_told(bench: Bench) -> None:
    bench.comes_up, bench.error = False, AuthError("E-AUTH", "a refused the key")
    with pytest.raises(TargetError) as caught:
        await bench.switch(replace(SUPPLIED, power=Power("true", "true", "false"))).boot(KASAN)
    assert caught.value.on_target.startswith(f"{POWER_CYCLE} Trying that failed: switching a reset failed")
