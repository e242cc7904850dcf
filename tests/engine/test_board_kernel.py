"""Boards that leave their kernel: the way that is chosen, refusals, proof, and the ways back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.board_kernel import LEFT, POWER_CYCLE, BoardSwitch
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.errors import AuthError, KdeployError, NetworkError, TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Console, Environment, Kernel, Power
from tests.engine.steps import hooked, machine
from tests.rehearsal import MemoryContent, ports

KASAN = Kernel("kasan", "/boot/kasan", "", "console=ttyS0")
BOARD = Environment(name="a", host="a.invalid", boot_timeout=20.0)
SUPPLIED = replace(BOARD, power=Power("true", "true", "sh -c 'echo reset >>log'"))


@dataclass
class Bench:
    """A board in memory that boots another kernel some connections after it left; `titles` are the scripts it ran."""

    machine: MemoryMachine
    outside: Ports
    folder: Path
    line: str = "console=ttyS0 root=/dev/vda1"
    comes_up: bool = True
    release: str = "6.1.0-kasan"
    left: int = 0
    held: str = ""
    titles: list[str] = field(default_factory=list)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: bool = False
    stays: bool = False
    breaks: bool = False
    error: KdeployError | None = None

    async def step(self, environment: str, call: str) -> None:
        if call == "connect":
            await self.connected()
        elif call not in {"facts", "close"}:
            self.titles.append(call)
            await self.hold(call)
            left = self.machine.replies.get(call, Completed(0))
            if call in {"kexec", "reboot"} and not (left.status or left.text.startswith("refused") or self.stays):
                self.is_gone = True
            if call == "extlinux" and self.breaks:
                self.machine.replies["extlinux clear"] = Completed(0, b"refused\tRead-only file system\n")

    async def hold(self, what: str) -> None:
        """Wait there until somebody gives up, where that was asked for."""
        if self.held == what:
            self.holding.set()
            await asyncio.Event().wait()

    async def connected(self) -> None:
        if not self.is_gone:
            return
        if (self.folder / "log").exists():
            self.boots("boot-3", "6.1.0-plain", "root=/dev/vda1 quiet")
        elif self.left or not self.comes_up:
            await self.hold("connect")
            self.left -= 1
            raise self.error or NetworkError("E-REFUSED", "a refuses")
        else:
            self.boots("boot-2", self.release, self.line)

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
    board.replies["reboot"] = Completed(0, b"leaving\n")
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


NO_KEXEC = Completed(0, b"refused\tkexec is not installed there (package kexec-tools)\n")
NO_GRUB = Completed(0, b"refused\tit has no grub.cfg in /boot/grub or /boot/grub2\n")
EXTLINUX = Completed(0, b"ready\t/kasan\tl0\t/boot/extlinux/extlinux.conf\t/boot/extlinux/extlinux.conf.kept\n")
WITH_CONSOLE = replace(BOARD, console=Console(tcp="192.0.2.1:4001"))


def by_grub(bench: Bench) -> None:
    bench.machine.replies |= {"kexec": NO_KEXEC, "GRUB": Completed(0, b"ready\t/kasan\n")}


def by_extlinux(bench: Bench) -> None:
    bench.machine.replies |= {"kexec": NO_KEXEC, "GRUB": NO_GRUB, "extlinux": EXTLINUX}


async def test_grub_comes_after_kexec_and_extlinux_last(bench: Bench) -> None:
    by_grub(bench)
    bench.line = "BOOT_IMAGE=(hd0,gpt2)/kasan console=ttyS0 root=/dev/vda1"
    assert (await bench.switch().boot(KASAN)).release == "6.1.0-kasan"
    assert bench.titles[-4:] == ["reboot", "command line", "GRUB clear", "extlinux clear"]
    by_extlinux(bench)
    bench.boots("boot-1", "6.1.0-plain", "root=/dev/vda1 quiet")
    bench.is_gone, bench.titles = False, []
    notes: list[str] = []
    switch = replace(bench.switch(WITH_CONSOLE), tell=lambda body: notes.append(getattr(body, "note", "")))
    await switch.boot(KASAN)
    assert notes == ["extlinux.conf has the kernel kasan as its default until the board is up"]
    assert bench.titles[3:7] == ["kexec", "GRUB", "extlinux", "reboot"]


async def test_one_refusal_names_what_speaks_against_each(bench: Bench) -> None:
    by_extlinux(bench)
    bench.machine.replies["extlinux find"] = Completed(0, b"found\t/boot/extlinux/extlinux.conf\n")
    with pytest.raises(TargetError) as caught:
        await bench.switch().boot(KASAN)
    assert caught.value.code == "E-POWER-BOOT"
    assert caught.value.message == (
        "a cannot boot kasan by itself: kexec: kexec is not installed there (package kexec-tools); "
        "GRUB: it has no grub.cfg in /boot/grub or /boot/grub2; extlinux: it boots nothing just once, and the lab file "
        "gives no console ([environment.console]) to choose at"
    )
    assert "reboot" not in bench.titles


@pytest.mark.parametrize(
    ("cmdline", "why"),
    [
        ("a=it's", "GRUB: it does not hand ' on the command line"),
        ("a=\\x", "GRUB: it does not hand \\ on"),
        ("a=$b c='", "extlinux: it does not hand '$ on"),
        ("a=\x1b", "extlinux: a path or the command line has characters that cannot be printed"),
    ],
)
async def test_what_a_boot_loader_would_change_is_not_given_to_it(bench: Bench, cmdline: str, why: str) -> None:
    bench.machine.replies["kexec"] = NO_KEXEC
    with pytest.raises(TargetError) as caught:
        await bench.switch(WITH_CONSOLE).boot(replace(KASAN, cmdline=cmdline))
    assert why in caught.value.message


async def test_a_board_that_came_back_by_itself_is_told_so(bench: Bench) -> None:
    by_grub(bench)
    bench.release, bench.line = "6.1.0-plain", "root=/dev/vda1 quiet"
    with pytest.raises(TargetError, match="its command line lacks console=ttyS0") as caught:
        await bench.switch(SUPPLIED).boot(KASAN)
    assert caught.value.on_target == "It is back on the kernel before, 6.1.0-plain."
    assert not (bench.folder / "log").exists()


async def test_another_image_than_the_one_that_was_ordered_is_no_success(bench: Bench) -> None:
    by_grub(bench)
    bench.line = "BOOT_IMAGE=/plain console=ttyS0 root=/dev/vda1"
    with pytest.raises(TargetError, match="has loaded another image than /kasan"):
        await bench.switch().boot(KASAN)


@pytest.mark.parametrize("runs", [KASAN.image.encode() + b"\n", b""])
async def test_a_boot_that_nothing_tells_from_the_one_before_is_no_proof_of_another_kernel(
    bench: Bench, runs: bytes
) -> None:
    bench.release, bench.line = "6.1.0-plain", "root=/dev/vda1 quiet"
    bench.machine.replies["running kernel"] = Completed(0, runs)
    going = bench.switch().boot(replace(KASAN, cmdline=""))
    if runs:
        assert (await going).release == "6.1.0-plain", "it ran that image before, and does now"
        return
    with pytest.raises(TargetError, match="nothing tells what runs from the kernel before") as caught:
        await going
    assert caught.value.on_target == "It is back on the kernel before, 6.1.0-plain."


async def test_one_that_answers_after_all_gets_back_what_it_had(bench: Bench) -> None:
    by_extlinux(bench)
    bench.stays = True
    with pytest.raises(TargetError, match="no other boot within 20 s: it still runs what it ran") as caught:
        await bench.switch(WITH_CONSOLE).boot(KASAN)
    assert caught.value.on_target == "It is back on the kernel before, 6.1.0-plain."
    assert bench.titles[-3:] == ["GRUB clear", "extlinux clear", "command line"]


async def test_what_a_script_could_not_take_back_is_told(bench: Bench) -> None:
    bench.machine.replies |= {"kexec": NO_KEXEC, "GRUB": Completed(0, b"stuck\tgrubenv cannot be written\n")}
    with pytest.raises(TargetError, match="could not be put back: grubenv cannot be written") as caught:
        await bench.switch().boot(KASAN)
    assert (caught.value.code, caught.value.on_target) == ("E-BOOT-KEPT", "It is as it was left.")


async def test_one_that_neither_restarts_nor_gets_back_what_it_had_says_so(bench: Bench) -> None:
    by_extlinux(bench)
    bench.breaks = True
    bench.machine.replies["reboot"] = Completed(1, b"", b"no")
    with pytest.raises(TargetError, match="a does not restart: no") as caught:
        await bench.switch(WITH_CONSOLE).boot(KASAN)
    assert caught.value.on_target == LEFT


async def test_with_another_default_that_does_not_come_up_the_console_is_the_way_back(bench: Bench) -> None:
    by_extlinux(bench)
    bench.comes_up = False
    board = replace(WITH_CONSOLE, power=SUPPLIED.power)
    with pytest.raises(TargetError, match="no other boot within 20 s") as caught:
        await bench.switch(board).boot(KASAN)
    assert "chooses l0 in the menu" in caught.value.on_target
    assert "`mv /boot/extlinux/extlinux.conf.kept /boot/extlinux/extlinux.conf`" in caught.value.on_target
    assert not (bench.folder / "log").exists(), "a reset would only boot it again"


async def test_what_was_left_is_put_back_first_or_nothing_is_done(bench: Bench) -> None:
    bench.machine.replies["extlinux clear"] = Completed(0, b"cleared\t/boot/extlinux/extlinux.conf\n")
    notes: list[str] = []
    switch = replace(bench.switch(), tell=lambda body: notes.append(getattr(body, "note", "")))
    await switch.boot(KASAN)
    assert notes[0].startswith("put back /boot/extlinux/extlinux.conf, which a switch of kernels that was interrupted")
    bench.machine.replies["extlinux clear"] = Completed(0, b"refused\tRead-only file system\n")
    bench.titles = []
    with pytest.raises(TargetError, match="could not be put back: Read-only file system") as caught:
        await bench.switch().boot(KASAN)
    assert (caught.value.code, bench.titles) == ("E-BOOT-KEPT", ["command line", "GRUB clear", "extlinux clear"])


async def test_one_that_does_not_restart_gets_back_what_it_had(bench: Bench) -> None:
    by_extlinux(bench)
    bench.machine.replies["reboot"] = Completed(1, b"", b"no")
    with pytest.raises(TargetError, match="a does not restart: no"):
        await bench.switch(WITH_CONSOLE).boot(KASAN)
    assert bench.titles[-3:] == ["reboot", "GRUB clear", "extlinux clear"]


@pytest.mark.parametrize("moment", ["extlinux", "reboot", "waiting"])
async def test_cancelled_it_gets_back_what_it_had_as_far_as_it_can_be_reached(bench: Bench, moment: str) -> None:
    by_extlinux(bench)
    bench.left = 1000 if moment == "waiting" else 0
    bench.held = "connect" if moment == "waiting" else moment
    notes: list[str] = []
    switch = replace(bench.switch(WITH_CONSOLE), tell=lambda body: notes.append(getattr(body, "note", "")))
    going = asyncio.ensure_future(switch.boot(KASAN))
    await bench.holding.wait()
    going.cancel()
    bench.held = ""
    with pytest.raises(asyncio.CancelledError):
        await going
    if moment == "waiting":
        assert notes[-1] == f"{LEFT} a refuses"
    else:
        assert bench.titles[-2:] == ["GRUB clear", "extlinux clear"]
