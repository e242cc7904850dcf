"""Plans with kernel parameters: what lacks them is booted with them, once; what cannot have them is told how it can."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.kernel_choice import kernel_now
from kdeploy_gui.engine.preview import preview
from kdeploy_gui.environments.memory_guests import MemoryGuests
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.guest import BootSource, DirectBoot
from kdeploy_gui.model.kernel_params import lacking
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.preview import EnvironmentPreview, Verdict
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import hooked, of, whole_plan
from tests.engine.test_kernel_change import DEFINED, GUEST, KASAN, KCSAN, RELEASE, Story, facts
from tests.rehearsal import ports, quick_folder
from tests.strategies import kernel_params

SHOT = "kasan_multi_shot"
BARE = replace(GUEST, kernels=())
BOARD = Environment(name="a", host="a.invalid", kernels=(Kernel("now", "/boot/Image", "/boot/initrd", "quiet"),))


def failure_of(state: RunState) -> Failure:
    end = state.environments["a"]
    assert (end.status, end.ready) == (Status.FAILED, False)
    assert end.error is not None
    return end.error


async def seen(
    story: Story, folder: Path, wants: Instrumentation, environment: Environment = GUEST
) -> EnvironmentPreview:
    history = open_history(folder)
    outside = ports(history, folder, hooked({"a": story.machine}, story.content, story.step), story.content)
    plan = replace(whole_plan(["a"], story.content), environments=(environment,), instrumentation=wants)
    try:
        return await preview(replace(outside, guests=MemoryGuests({"kd-a": story.guest})), plan, environment)
    finally:
        history.close()


async def test_a_guest_is_booted_with_them_once(tmp_path: Path) -> None:
    story = Story()

    state, events = await story.run(tmp_path, Want.OFF, SHOT, "panic=-1", environment=BARE)

    assert state.environments["a"].ready, state.environments["a"].error
    assert story.guest.booted == replace(DEFINED, cmdline=f"{DEFINED.cmdline} {SHOT} panic=-1")
    assert facts(events, "kernel_booted") == [f"6.1.0-plain (/k/plain with {SHOT} panic=-1), booted by this run"]
    assert [each for each in story.machine.files if each.startswith("/opt")]

    state, events = await story.run(tmp_path, Want.OFF, SHOT, environment=BARE)

    assert state.environments["a"].ready
    assert (story.guest.boots, facts(events, "kernel_booted")) == (2, [])


async def test_those_of_an_earlier_plan_do_not_stay(tmp_path: Path) -> None:
    story = Story()

    for params in ([SHOT, "panic=1"], ["panic=2"]):
        state, _ = await story.run(tmp_path, Want.OFF, *params, environment=BARE)
        assert state.environments["a"].ready

    assert story.guest.booted == replace(DEFINED, cmdline=f"{DEFINED.cmdline} panic=2")


async def test_without_leave_to_reboot_the_run_fails_and_says_what_would_bring_them(tmp_path: Path) -> None:
    story = Story()

    state, _ = await story.run(tmp_path, Want.OFF, SHOT, "console_msg_format=syslog", may_reboot=False)

    error = failure_of(state)
    assert error.code == "E-KERNEL-PARAMS"
    assert f"lacks {SHOT} console_msg_format=syslog" in error.message
    assert "`may_reboot = true` under [instrumentation]" in error.remedy
    assert story.guest.boots == 1


async def test_what_is_there_needs_no_leave(tmp_path: Path) -> None:
    story = Story()

    state, _ = await story.run(tmp_path, Want.OFF, "console=ttyS0", may_reboot=False)

    assert state.environments["a"].ready
    assert story.guest.boots == 1


async def test_the_kernel_of_an_instrument_gets_them_in_the_same_boot(tmp_path: Path) -> None:
    story = Story()

    state, events = await story.run(tmp_path, Want.REQUIRED, SHOT)

    assert state.environments["a"].ready, state.environments["a"].error
    assert story.guest.booted == DirectBoot(KASAN.image, "", f"console=ttyS0 root=/dev/vda1 {SHOT}")
    assert story.guest.boots == 2
    assert facts(events, "kernel_booted") == [f"{RELEASE} (kasan-6.1 with {SHOT}), booted by this run"]

    state, _ = await story.run(tmp_path, Want.REQUIRED, "panic=1")

    assert story.guest.booted == DirectBoot(KASAN.image, "", "console=ttyS0 root=/dev/vda1 panic=1"), (
        "as its entry says"
    )


async def test_a_kernel_that_is_only_wanted_and_does_not_come_up_is_done_without(tmp_path: Path) -> None:
    story = Story(broken=KASAN.image)

    state, events = await story.run(tmp_path, Want.WANTED, SHOT)

    assert state.environments["a"].ready, state.environments["a"].error
    assert "did not come up with the kernel kasan-6.1" in facts(events, "warning_kernel")[0]
    assert story.guest.booted == replace(DEFINED, cmdline=f"{DEFINED.cmdline} {SHOT}")


async def test_a_kernel_that_does_not_come_up_with_them_is_left_for_the_one_before(tmp_path: Path) -> None:
    story = Story(broken="mem=1M")

    state, events = await story.run(tmp_path, Want.OFF, "mem=1M")

    error = failure_of(state)
    assert error.code == "E-KERNEL-BOOT"
    assert "(it was to run /k/plain with mem=1M)" in error.message
    assert "`kernel_params` in the plan" in error.remedy
    assert "back on the kernel before, 6.1.0-plain" in facts(events, "warning_kernel")[0]
    assert story.guest.booted is None


async def test_a_guest_with_a_boot_loader_of_its_own_needs_a_kernel_in_the_lab_file(tmp_path: Path) -> None:
    story = Story()
    story.guest.source = BootSource("x86_64")

    state, _ = await story.run(tmp_path, Want.OFF, SHOT)

    error = failure_of(state)
    assert (error.code, story.guest.boots) == ("E-KERNEL-NONE", 1)
    others = "and kernels of instruments alone (kcsan, kasan-6.1) that the plan does not ask for"
    assert error.message == f"a has a boot loader of its own, {others}, so it cannot be given {SHOT}"
    assert "[[environment.kernel]]" in error.remedy

    plain = Kernel("stock", DEFINED.image)
    state, _ = await story.run(tmp_path, Want.OFF, SHOT, environment=replace(GUEST, kernels=(KASAN, plain)))

    assert state.environments["a"].ready, state.environments["a"].error
    assert story.guest.booted == DirectBoot(DEFINED.image, "", f"{DEFINED.cmdline} {SHOT}")


@pytest.mark.parametrize(
    ("kernels", "source", "expected"),
    [
        ((), BootSource("", DEFINED, DEFINED), Kernel("/k/plain", "/k/plain", "", DEFINED.cmdline)),
        (
            (),
            BootSource("", DEFINED, replace(DEFINED, cmdline="x")),
            Kernel("/k/plain", "/k/plain", "", DEFINED.cmdline),
        ),
        ((), BootSource("", DEFINED, DirectBoot("/k/z", "/i", "x")), Kernel("/k/z", "/k/z", "/i", "x")),
        ((), BootSource("", None, DirectBoot("/k/z", "/i", "x")), Kernel("/k/z", "/k/z", "/i", "x")),
        ((KCSAN, KASAN), BootSource("", DEFINED, DirectBoot(KASAN.image, "", "console=ttyS0 a")), KASAN),
        (
            (Kernel("1", "/k", "", "a"), Kernel("2", "/k", "", "b")),
            BootSource("", None, DirectBoot("/k", "", "b c")),
            1,
        ),
        ((Kernel("1", "/k", "", "a"), Kernel("2", "/k", "", "b")), BootSource("", None, DirectBoot("/k", "", "c")), 0),
        ((KCSAN, KASAN, Kernel("stock", "/k")), BootSource(""), KASAN),
        ((KCSAN,), BootSource(""), None),
    ],
)
def test_the_kernel_of_now(kernels: tuple[Kernel, ...], source: BootSource, expected: Kernel | int | None) -> None:
    chosen = kernel_now(replace(GUEST, kernels=kernels), source, ["kcsan"])

    assert chosen == (kernels[expected] if isinstance(expected, int) else expected)


def board(
    story: Story,
    running: bytes = b"/boot/Image\n",
    answer: bytes = b"loaded\n",
    line: str = "quiet",
    image: str = "/boot/Image",
) -> Story:
    """A story of a board: it leaves its kernel by kexec, for a boot with another command line."""
    story.machine.replies["running kernel"] = Completed(0, running)
    story.machine.replies["kexec"] = Completed(0, answer)
    plain = story.step

    async def step(environment: str, call: str) -> None:
        if call == "kexec" and answer == b"loaded\n":
            story.guest.boots += 1
            story.guest.booted = DirectBoot(image, "", line)
        await plain(environment, call)

    story.step = step  # type: ignore[method-assign]
    return story


async def test_a_board_leaves_the_kernel_it_runs_for_the_same_with_them(tmp_path: Path) -> None:
    story = board(Story(), line=f"quiet root=/dev/vda1 {SHOT}")

    state, events = await story.run(tmp_path, Want.OFF, SHOT, environment=BOARD)

    assert state.environments["a"].ready, state.environments["a"].error
    assert facts(events, "kernel_booted") == [f"6.1.0-plain (now with {SHOT}), booted by this run"]
    assert of(events, "target_rebooted")

    await story.run(tmp_path, Want.OFF, SHOT, environment=BOARD)

    assert story.guest.boots == 2


async def test_a_board_leaves_its_kernel_for_the_one_of_an_instrument(tmp_path: Path) -> None:
    story = board(Story(), line="console=ttyS0 root=/dev/vda1", image=KASAN.image)
    environment = replace(BOARD, kernels=(*BOARD.kernels, KASAN))

    state, events = await story.run(tmp_path, Want.REQUIRED, environment=environment)

    assert state.environments["a"].ready, state.environments["a"].error
    assert facts(events, "kernel_booted") == [f"{RELEASE} (kasan-6.1), booted by this run"]
    assert story.guest.boots == 2


async def test_a_board_that_runs_the_kernel_of_an_instrument_is_not_rebooted_for_it(tmp_path: Path) -> None:
    story = board(Story(), running=b"/k/kasan\n")

    state, _ = await story.run(tmp_path, Want.REQUIRED, environment=replace(BOARD, kernels=(KASAN,)))

    assert not state.environments["a"].ready, "it has that kernel, and the instrument is not in it"
    assert story.guest.boots == 1


@pytest.mark.parametrize("want", [Want.REQUIRED, Want.WANTED])
async def test_a_board_that_cannot_leave_its_kernel_is_told_which_it_should_boot(tmp_path: Path, want: Want) -> None:
    story = board(Story(), answer=b"refused\tkexec is not installed there (package kexec-tools)\n")

    state, events = await story.run(tmp_path, want, environment=replace(BOARD, kernels=(KASAN,)))

    assert state.environments["a"].ready == (want is Want.WANTED)
    (warning,) = facts(events, "warning_kernel")
    assert "a cannot boot kasan-6.1 by itself: kexec: kexec is not installed there" in warning
    if want is Want.REQUIRED:
        error = failure_of(state)
        assert error.code == "E-POWER-BOOT"
        assert "choose kasan-6.1 in its boot loader" in error.remedy


async def test_a_board_that_cannot_is_told_what_is_to_be_done_by_hand(tmp_path: Path) -> None:
    refused = b"refused\tkexec is not installed there (package kexec-tools)\n"
    for story, environment, code, words in (
        (board(Story(), answer=refused), BOARD, "E-KERNEL-KEXEC", "kexec is not installed there"),
        (board(Story(), running=b""), BOARD, "E-KERNEL-NONE", "a runs a kernel that the lab file does not name"),
        (
            board(Story()),
            replace(BOARD, kernels=()),
            "E-KERNEL-NONE",
            "a runs a kernel that the lab file does not name",
        ),
    ):
        error = failure_of((await story.run(tmp_path, Want.OFF, SHOT, environment=environment))[0])
        assert error.code == code
        assert words in error.message
        assert f"add {SHOT} to the command line in its boot loader" in error.remedy
        assert story.guest.boots == 1


async def test_a_board_that_comes_up_without_them_fails_the_run(tmp_path: Path) -> None:
    story = board(Story(), line="quiet root=/dev/vda1")

    error = failure_of((await story.run(tmp_path, Want.OFF, SHOT, environment=BOARD))[0])

    assert error.code == "E-KERNEL-BOOT"
    assert f"its command line lacks {SHOT} (it was to run now with {SHOT})" in error.message


async def test_a_command_line_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    story = Story()
    plain = story.step

    async def step(environment: str, call: str) -> None:
        await plain(environment, call)
        story.machine.replies["command line"] = Completed(1, b"", b"cat: /proc/cmdline: Permission denied")

    story.step = step  # type: ignore[method-assign]
    error = failure_of((await story.run(tmp_path, Want.OFF, SHOT))[0])

    assert error.code == "E-COMMAND"
    assert "Permission denied" in error.evidence.stderr


async def test_the_preview_tells_the_boot(tmp_path: Path) -> None:
    found = await seen(Story(), tmp_path, Instrumentation({}, may_reboot=True, kernel_params=(SHOT,)))
    assert (found.verdict, found.reboot) == (Verdict.DEPLOY, f"/k/plain with {SHOT}")
    wants = Instrumentation({"kasan": Want.REQUIRED}, may_reboot=True)
    found = await seen(Story(), tmp_path, wants)
    assert (found.refusals, found.reboot) == ((), "kasan-6.1")
    assert found.instruments[0].comes
    assert found.instruments[0].note.endswith("the run boots the kernel kasan-6.1 for it")


async def test_the_preview_refuses_what_the_run_would(tmp_path: Path) -> None:
    found = await seen(Story(), tmp_path, Instrumentation({}, kernel_params=(SHOT,)))
    assert [each.code for each in found.refusals] == ["E-KERNEL-PARAMS"]
    assert found.refusals[0].on_target == "Nothing was sent."
    story = Story()
    story.guest.source = BootSource("x86_64")
    found = await seen(story, tmp_path, Instrumentation({}, may_reboot=True, kernel_params=(SHOT,)), BARE)
    assert [each.code for each in found.refusals] == ["E-KERNEL-NONE"]
    assert "a has a boot loader of its own, and no kernel in the lab file" in found.refusals[0].message
    found = await seen(Story(), tmp_path, Instrumentation({"kasan": Want.REQUIRED}, may_reboot=False))
    assert [each.code for each in found.refusals] == ["E-INSTRUMENT"]


@settings(max_examples=25)
@given(kernel_params(), st.sets(st.integers(0, 3)), st.sampled_from(Want))
def test_any_parameters_are_there_after_one_boot_at_most(
    params: tuple[str, ...], present: set[int], want: Want
) -> None:
    there = [each for index, each in enumerate(params) if index in present]
    story = Story()
    story.guest.source = BootSource("x86_64", replace(DEFINED, cmdline=" ".join([DEFINED.cmdline, *there])))
    with quick_folder() as folder:
        for _ in range(2):
            state, _ = asyncio.run(story.run(Path(folder), want, *params))
            assert state.environments["a"].ready, state.environments["a"].error
            runs = story.guest.booted or story.guest.source.defined
            assert runs is not None
            assert lacking(params, runs.cmdline) == ()
            assert story.guest.boots == (1 if set(params) <= set(there) and want is Want.OFF else 2)
