"""What stays as it is in a boot is asked for once in each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import Facts, FactsQuery
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Rebooting(LocalShell):
    """This computer, in whatever boot the test says; it keeps what was answered."""

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        super().__init__(words, folder, os.defpath)
        self.boot_id = folder / "boot_id"
        self.said: list[str] = []

    async def run(self, script: str, *rest: Any, **named: Any) -> Completed:
        assert BOOT_ID in script
        done = await super().run(script.replace(BOOT_ID, str(self.boot_id)), *rest, **named)
        self.said.append(done.text)
        return done

    @property
    def told(self) -> list[bool]:
        """Of each answer whether it had all."""
        return ["\nmachine\t" in each and "\nuid\t" in each for each in self.said]


@pytest.fixture(params=[("/bin/dash",), (shutil.which("busybox") or "busybox", "sh")], ids=["dash", "busybox"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Rebooting:
    return Rebooting(request.param, tmp_path)


def still(facts: Facts) -> Facts:
    """Without what moves all the time."""
    return replace(facts, load=0.0, uptime=0.0, clock_skew=0.0, memory_available=0, health=None)


async def test_it_is_not_told_again(machine: Rebooting) -> None:
    machine.boot_id.write_text("one\n")
    target = ShellTarget(machine, MemoryContent())

    first, second = await target.facts(FactsQuery()), await target.facts(FactsQuery())

    assert machine.told == [True, False]
    assert still(second) == still(first)
    assert (second.machine, second.uid, second.kernel_build_id) == (
        os.uname().machine,
        os.getuid(),
        first.kernel_build_id,
    )
    assert second.user
    assert second.group
    assert second.userland is not None


async def test_another_boot_tells_all_of_it(machine: Rebooting) -> None:
    machine.boot_id.write_text("one\n")
    target = ShellTarget(machine, MemoryContent())
    await target.facts(FactsQuery())

    machine.boot_id.write_text("two\n")
    again = [await target.facts(FactsQuery()) for _ in range(2)]

    assert machine.told == [True, True, False]
    assert [each.boot_id for each in again] == ["two", "two"]
    assert still(again[1]) == still(again[0])


async def test_a_machine_without_a_boot_id_always_tells(machine: Rebooting) -> None:
    target = ShellTarget(machine, MemoryContent())

    found = [await target.facts(FactsQuery()) for _ in range(2)]

    assert machine.told == [True, True]
    assert [each.boot_id for each in found] == ["", ""]
