"""Switching kernels of guests: what is refused before, what is proven after, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.kernels import KernelSwitch, kernel_of
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.errors import ArtifactError, GuestError, NetworkError, PlanError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, Kernel, Kind
from kdeploy_gui.model.guest import BootSource, DirectBoot, GuestState, GuestStatus
from kdeploy_gui.model.readiness import ReadyMark
from tests.engine.steps import hooked, machine
from tests.model.test_kernel import LONG, bzimage
from tests.rehearsal import START, MemoryContent, ports

KASAN = Kernel("kasan", "/k/kasan", "/k/initrd", "console=ttyS0 kasan.fault=report")
GUEST = Environment(name="a", host="a.invalid", kind=Kind.QEMU, uri="qemu:///system", domain="kd-a", kernels=(KASAN,))
RUNNING = GuestStatus(GuestState.RUNNING)
DEFINED = DirectBoot("/k/plain", "", "console=ttyS0 root=/dev/vda1 ro quiet")


@dataclass
class Bench:
    """A guest in memory whose machine follows what it was booted with; `wrong` boots run another release."""

    guest: MemoryGuest
    machine: MemoryMachine
    content: MemoryContent
    outside: Ports
    wrong: str = ""
    dies: bool = False

    async def step(self, environment: str, call: str) -> None:
        if call != "connect":
            return
        if self.dies and self.guest.booted is not None:
            self.guest.status = GuestStatus(GuestState.CRASHED, "its kernel panicked")
        if self.guest.status.state is not GuestState.RUNNING:
            raise NetworkError("E-REFUSED", "a refuses")
        booted = self.guest.booted or DEFINED
        release = "6.1.0-50-cloud-amd64" if booted.image == KASAN.image else "6.1.0-plain"
        build = LONG.partition(") ")[2] if booted.image == KASAN.image else "#1 plain"
        self.machine.facts = replace(
            self.machine.facts,
            boot_id=f"boot-{self.guest.boots}",
            kernel_release=(self.guest.booted and self.wrong) or release,
            kernel_build=build,
        )
        self.machine.replies["command line"] = Completed(0, booted.cmdline.encode() + b"\n")

    def switch(self, environment: Environment = GUEST) -> KernelSwitch:
        return KernelSwitch(ports=self.outside, environment=environment)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    history = open_history(tmp_path)
    content = MemoryContent({KASAN.image: bzimage(LONG), KASAN.initrd: b"x"})
    guest = MemoryGuest(RUNNING, BootSource("x86_64", DEFINED), boots=1)
    board = machine()
    made: list[Bench] = []

    async def step(environment: str, call: str) -> None:
        await made[0].step(environment, call)

    outside = ports(history, tmp_path, hooked({"a": board}, content, step), content)
    made.append(Bench(guest, board, content, replace(outside, guests=MemoryGuests({"kd-a": guest}))))
    yield made[0]
    history.close()


async def refused(bench: Bench, code: str, environment: Environment = GUEST) -> GuestError:
    with pytest.raises(GuestError) as caught:
        await bench.switch(environment).boot(environment.kernels[0], ["kasan.multi_shot=1"])
    assert caught.value.code == code
    return caught.value


async def test_the_line_is_merged_and_the_root_taken_over(bench: Bench) -> None:
    booted = await bench.switch().boot(KASAN, ["kasan.multi_shot=1"])
    line = "console=ttyS0 kasan.fault=report root=/dev/vda1 ro kasan.multi_shot=1"
    assert bench.guest.booted == DirectBoot(KASAN.image, KASAN.initrd, line)
    assert (booted.kernel, booted.before, booted.release) == ("kasan", "6.1.0-plain", "6.1.0-50-cloud-amd64")
    assert booted.cmdline == line


async def test_a_switch_drops_the_mark(bench: Bench) -> None:
    mark = ReadyMark(
        environment="a",
        ready=True,
        because="all is well",
        time=START,
        run=1,
        boot_id="boot-1",
        kernel_release="6.1.0-plain",
        kernel_build="#1",
        manifest=(),
        instruments={},
    )
    bench.outside.readiness.mark(mark)
    await bench.switch().boot(KASAN)
    latest = bench.outside.readiness.latest("a")
    assert latest is not None
    assert (latest.ready, latest.because) == (False, "another kernel was booted by kdeploy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "/k/kasan is missing"),
        ({KASAN.image: bzimage("")}, "/k/initrd is missing"),
        ({KASAN.image: b"#!/bin/sh", KASAN.initrd: b""}, "/k/kasan is no kernel image"),
        ({KASAN.image: bytes(56) + b"ARM\x64", KASAN.initrd: b""}, "/k/kasan is a kernel for aarch64, kd-a is x86_64"),
    ],
)
async def test_an_image_that_does_not_fit_is_refused_before_anything_changes(
    bench: Bench, content: dict[str, bytes], words: str
) -> None:
    bench.content.data = content
    error = await refused(bench, "E-KERNEL-IMAGE")
    assert error.message == words
    assert (bench.guest.boots, bench.guest.status) == (1, RUNNING)


async def test_a_remote_image_is_not_looked_at_from_here(bench: Bench) -> None:
    bench.content.data = {}
    remote = replace(GUEST, uri="qemu+ssh://lab@hv-1/system")
    assert (await bench.switch(remote).boot(KASAN)).release == "6.1.0-50-cloud-amd64"


async def test_the_image_that_runs_need_not_be_readable_here(bench: Bench) -> None:
    class Hidden(MemoryContent):
        def read(self, path: str) -> Iterator[bytes]:
            raise ArtifactError("E-SOURCE-UNREADABLE", f"{path} cannot be read: Permission denied", path=path)

    outside = replace(bench.outside, content=Hidden())
    switch = KernelSwitch(ports=outside, environment=GUEST)
    with pytest.raises(GuestError, match="/k/kasan cannot be read: Permission denied"):
        await switch.boot(KASAN)
    booted = await switch.boot(Kernel("own", DEFINED.image, DEFINED.initrd, DEFINED.cmdline), ["panic=1"])
    assert booted.cmdline == f"{DEFINED.cmdline} panic=1"


async def test_a_kernel_that_dies_is_left_for_what_ran_before(bench: Bench) -> None:
    bench.dies = True
    error = await refused(bench, "E-KERNEL-BOOT")
    assert error.message == (
        "a did not come up with the kernel kasan: a does not answer: kd-a is crashed (its kernel panicked)"
    )
    assert error.on_target == "It is back on the kernel before, 6.1.0-plain."
    assert bench.guest.booted is None


async def test_a_kernel_that_is_another_one_is_left_for_what_ran_before(bench: Bench) -> None:
    other = DirectBoot("/k/other", "", "root=/dev/vda1")
    bench.guest.booted = other
    bench.wrong = "6.6"
    error = await refused(bench, "E-KERNEL-BOOT")
    assert "it runs 6.6, the image is 6.1.0-50-cloud-amd64" in error.message
    assert bench.guest.booted == other, "what ran, not what is defined"


async def test_a_guest_that_was_off_is_off_again(bench: Bench) -> None:
    bench.guest.status, bench.dies = GuestStatus(GuestState.OFF), True
    error = await refused(bench, "E-KERNEL-BOOT")
    assert error.on_target == "It is shut off, as it was before."
    assert bench.guest.status.state.is_down


async def test_a_guest_without_a_network_or_ears_is_switched_all_the_same(bench: Bench) -> None:
    bench.guest.obeys = False
    bench.guest.status = GuestStatus(GuestState.PAUSED)
    booted = await bench.switch().boot(KASAN)
    assert (booted.before, bench.guest.boots) == ("", 2)


async def test_no_way_back_is_told(bench: Bench) -> None:
    bench.dies = True
    bench.guest.booted = DirectBoot("/k/other", "", "root=/dev/vda1")
    error = await refused(bench, "E-KERNEL-BOOT")
    assert error.on_target.startswith("It is not back on the kernel before: a does not answer: kd-a is crashed")


def test_an_unknown_kernel_is_told_with_the_nearest() -> None:
    with pytest.raises(PlanError) as caught:
        kernel_of(GUEST, "kasam")
    assert caught.value.code == "E-KERNEL-UNKNOWN"
    assert "did you mean 'kasan'" in caught.value.message
    assert kernel_of(GUEST, "kasan") is KASAN
