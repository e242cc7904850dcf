"""A plan whose instruments another kernel of a guest has: that one is booted, and what was done before holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.kernel_choice import kernel_that_brings
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, Kernel, Kind
from kdeploy_gui.model.event import Event, FactFound
from kdeploy_gui.model.guest import BootSource, DirectBoot, GuestState, GuestStatus
from kdeploy_gui.model.instrument import Finding, State
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Status
from tests.engine.steps import hooked, machine, of, whole_plan
from tests.instruments.answers import answer
from tests.model.test_kernel import LONG, bzimage
from tests.rehearsal import JumpingClock, MemoryContent, ports

KASAN = Kernel("kasan-6.1", "/k/kasan", "", "console=ttyS0")
KCSAN = Kernel("kcsan", "/k/kcsan", "", "console=ttyS0")
GUEST = Environment(
    name="a", host="a.invalid", kind=Kind.QEMU, uri="test:///x", domain="kd-a", kernels=(KCSAN, KASAN), snapshot="never"
)
DEFINED = DirectBoot("/k/plain", "", "console=ttyS0 root=/dev/vda1")
PLAIN = "6.1.0-plain (me@here) #1 plain"
RELEASE = "6.1.0-50-cloud-amd64"


class Story:
    """A guest whose kernel has KASAN once it was booted with that; with `broken` among its words none answers."""

    def __init__(self, *, broken: str = "") -> None:
        self.guest = MemoryGuest(GuestStatus(GuestState.RUNNING), BootSource("x86_64", DEFINED), boots=1)
        self.machine = machine()
        self.content = MemoryContent({KASAN.image: bzimage(LONG), DEFINED.image: bzimage(PLAIN)})
        self.broken = broken

    async def step(self, environment: str, call: str) -> None:
        if call != "connect":
            return
        runs = self.guest.booted or self.guest.source.defined or DEFINED
        is_broken = self.broken in f"{runs.image} {runs.cmdline}".split()
        if self.guest.status.state is not GuestState.RUNNING or is_broken:
            raise NetworkError("E-REFUSED", "a refuses")
        boot, has = f"boot-{self.guest.boots}", runs.image == KASAN.image
        release, build = (RELEASE, LONG.partition(") ")[2]) if has else ("6.1.0-plain", "#1 plain")
        self.machine.facts = replace(
            self.machine.facts, boot_id=boot, kernel_release=release, kernel_build=build, machine="x86_64"
        )
        said = answer(config={"KASAN": "y" if has else "n"}, symbols=["kasan_report"] if has else ["printk"])
        self.machine.replies["instrument detection"] = Completed(0, said.replace(b"boot-1", boot.encode()))
        self.machine.replies["command line"] = Completed(0, runs.cmdline.encode() + b"\n")

    async def run(
        self,
        folder: Path,
        want: Want,
        *params: str,
        may_reboot: bool = True,
        environment: Environment = GUEST,
    ) -> tuple[RunState, list[Event]]:
        history = open_history(folder)
        outside = ports(history, folder, hooked({"a": self.machine}, self.content, self.step), self.content)
        orchestrator = Orchestrator(replace(outside, clock=JumpingClock(), guests=MemoryGuests({"kd-a": self.guest})))
        settings = Instrumentation({"kasan": want}, may_reboot=may_reboot, kernel_params=params)
        plan = replace(whole_plan(["a"], self.content), environments=(environment,), instrumentation=settings)
        try:
            number = await orchestrator.submit(plan)
            await orchestrator.wait(number)
            events = history.log.events(number)
            return fold(events), events
        finally:
            await orchestrator.close()
            history.close()


def facts(events: list[Event], name: str) -> list[str]:
    bodies = [each.body for each in of(events, "fact_found")]
    return [each.value for each in bodies if isinstance(each, FactFound) and each.name == name]


async def test_the_kernel_that_has_it_is_booted_and_the_run_is_ready_on_it(tmp_path: Path) -> None:
    story = Story()

    state, events = await story.run(tmp_path, Want.REQUIRED)

    assert state.environments["a"].ready, state.environments["a"].error
    assert story.guest.booted == DirectBoot(KASAN.image, "", "console=ttyS0 root=/dev/vda1")
    assert story.guest.boots == 2
    assert facts(events, "kernel_booted") == [f"{RELEASE} (kasan-6.1), booted by this run"]
    assert not of(events, "retry_scheduled")
    assert [each for each in story.machine.files if each.startswith("/opt")]


async def test_a_second_run_leaves_the_kernel_alone(tmp_path: Path) -> None:
    story = Story()
    await story.run(tmp_path, Want.REQUIRED)

    state, _ = await story.run(tmp_path, Want.REQUIRED)

    assert state.environments["a"].ready
    assert story.guest.boots == 2


async def test_without_leave_to_reboot_nothing_is_rebooted(tmp_path: Path) -> None:
    story = Story()

    state, _ = await story.run(tmp_path, Want.REQUIRED, may_reboot=False)

    error = state.environments["a"].error
    assert error is not None
    assert error.code == "E-INSTRUMENT"
    assert "has the kernel 'kasan-6.1'" in error.message
    assert story.guest.boots == 1


async def test_a_required_kernel_that_does_not_come_up_fails_the_run_on_the_one_before(tmp_path: Path) -> None:
    story = Story(broken=KASAN.image)

    state, events = await story.run(tmp_path, Want.REQUIRED)

    error = state.environments["a"].error
    assert error is not None
    assert (state.environments["a"].status, error.code) == (Status.FAILED, "E-KERNEL-BOOT")
    assert "back on the kernel before, 6.1.0-plain" in facts(events, "warning_kernel")[0]
    assert story.guest.booted is None


async def test_a_wanted_kernel_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    story = Story(broken=KASAN.image)

    state, events = await story.run(tmp_path, Want.WANTED)

    assert state.environments["a"].ready, state.environments["a"].error
    assert "did not come up with the kernel kasan-6.1" in facts(events, "warning_kernel")[0]
    assert story.guest.booted is None


@pytest.mark.parametrize(
    ("absent", "wants", "expected"),
    [
        (("kasan",), {"kasan": Want.REQUIRED}, "kasan-6.1"),
        (("kcsan",), {"kcsan": Want.WANTED}, "kcsan"),
        (("kcsan",), {"kasan": Want.REQUIRED, "kcsan": Want.WANTED}, ""),
        (("kasan", "kcsan"), {"kasan": Want.REQUIRED, "kcsan": Want.WANTED}, "kasan-6.1"),
        (("lockdep",), {"lockdep": Want.REQUIRED}, ""),
        ((), {"kasan": Want.REQUIRED}, ""),
    ],
)
def test_what_is_required_decides(absent: tuple[str, ...], wants: dict[str, Want], expected: str) -> None:
    found = {each: Finding(instrument=each, state=State.ABSENT if each in absent else State.ACTIVE) for each in wants}

    chosen = kernel_that_brings(GUEST, found, wants)

    assert (chosen.name if chosen else "") == expected
