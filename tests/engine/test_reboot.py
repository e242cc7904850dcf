"""Machines that restart themselves: another boot is proven, and what cannot be is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.reboot import reboot
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.errors import AuthError, KdeployError, NetworkError, TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.power import Rebooted
from kdeploy_gui.model.readiness import ReadyMark
from tests.engine.steps import hooked, machine
from tests.rehearsal import MemoryContent, ports

BOARD = Environment(name="a", host="a.invalid", boot_timeout=20.0)


@dataclass
class Bench:
    """A board in memory whose next connections after the restart come to what `then` says."""

    machine: MemoryMachine
    outside: Ports
    then: list[KdeployError | str] = field(default_factory=list)
    has_left: bool = False
    calls: list[str] = field(default_factory=list)

    async def step(self, environment: str, call: str) -> None:
        self.calls.append(call)
        if call == "reboot":
            self.has_left = True
        if call == "connect" and self.has_left and self.then:
            step = self.then.pop(0)
            if isinstance(step, KdeployError):
                raise step
            self.machine.facts = replace(self.machine.facts, boot_id=step)

    async def reboot(self, said: list[Body] | None = None) -> Rebooted:
        told: list[Body] = [] if said is None else said
        return await reboot(self.outside, BOARD, told.append)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    history = open_history(tmp_path)
    board, content = machine(), MemoryContent()
    made: list[Bench] = []

    async def step(environment: str, call: str) -> None:
        await made[0].step(environment, call)

    made.append(Bench(board, ports(history, tmp_path, hooked({"a": board}, content, step), content)))
    board.facts = replace(board.facts, boot_id="boot-1")
    board.replies["reboot"] = Completed(0, b"leaving\n")
    yield made[0]
    history.close()


async def test_another_boot_is_proven_and_ready_goes_with_the_old_one(bench: Bench) -> None:
    marks = bench.outside.readiness
    marks.mark(ReadyMark(environment="a", ready=True, because="", time=datetime.now(UTC), run=3, boot_id="boot-1"))
    bench.then = ["boot-1", NetworkError("E-STALLED", "no answer"), NetworkError("E-REFUSED", "a refuses"), "boot-2"]
    said: list[Body] = []
    rebooted = await bench.reboot(said)
    assert (rebooted.environment, rebooted.boot_id) == ("a", "boot-2")
    assert [each.note for each in said if isinstance(each, StageProgress)] == ["a restarts"]
    mark = marks.latest("a")
    assert mark is not None
    assert (mark.ready, mark.because) == (False, "it was restarted by kdeploy")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Completed(0, b"refused\tonly root may restart it\n"), "a does not restart: only root may restart it"),
        (Completed(127, b"", b"sh: not found"), "a does not restart: sh: not found"),
        (Completed(0), "a does not restart: it gave no answer"),
    ],
)
async def test_one_that_cannot_is_left_as_it_is(bench: Bench, answer: Completed, words: str) -> None:
    bench.machine.replies["reboot"] = answer
    with pytest.raises(TargetError) as caught:
        await bench.reboot()
    assert (caught.value.code, caught.value.message) == ("E-POWER-REBOOT", words)
    assert caught.value.on_target == "Nothing was changed."


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ([], "it still runs what it ran"),
        ([NetworkError("E-REFUSED", "a refuses")] * 99, "a refuses"),
    ],
)
async def test_one_that_does_not_come_back_is_told(bench: Bench, then: list[KdeployError | str], why: str) -> None:
    bench.then = then
    with pytest.raises(NetworkError) as caught:
        await bench.reboot()
    assert caught.value.code == "E-BOOT"
    assert caught.value.message == f"no other boot within 20 s: {why}"


async def test_a_switch_of_kernels_that_was_cut_short_is_taken_back_before(bench: Bench) -> None:
    bench.then = ["boot-2"]
    await bench.reboot()
    assert [each for each in bench.calls if each in {"reboot", "GRUB clear", "extlinux clear"}] == [
        "GRUB clear",
        "extlinux clear",
        "reboot",
    ]
    bench.machine.replies["extlinux clear"] = Completed(0, b"refused\tRead-only file system\n")
    with pytest.raises(TargetError) as caught:
        await bench.reboot()
    assert caught.value.code == "E-BOOT-KEPT"


async def test_what_is_no_silence_is_not_waited_out(bench: Bench) -> None:
    bench.then = [AuthError("E-AUTH", "a refuses the key")]
    with pytest.raises(AuthError):
        await bench.reboot()


async def test_this_workstation_is_never_restarted(bench: Bench) -> None:
    own = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    bench.machine.facts = replace(bench.machine.facts, boot_id=own)
    with pytest.raises(TargetError) as caught:
        await bench.reboot()
    assert caught.value.code == "E-POWER-SELF"
    assert not bench.has_left
