"""A machine that boots again while a run works on it: told, verified again, and READY in the boot that it ends in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.pipeline import AFTER_REBOOT
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.errors import Category, NetworkError, TargetError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.event import Event, FactFound, FileDone, RetryScheduled, TargetRebooted
from kdeploy_gui.model.plan import OnSplat, Rollback
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.splat import SplatClass, SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage
from tests.engine.steps import CALLS, hooked, machine, of, whole_plan
from tests.rehearsal import MemoryContent, rehearsal


class Reboots:
    """A hook that boots the machine again ahead of a call, some times, from the `first` such call on.

    `wiped`: its files do not survive that. `seen` False: nobody notices but by the boot id.
    """

    def __init__(self, call: str, *, first: int = 1, times: int = 1, wiped: bool = True, seen: bool = True) -> None:
        self.board: MemoryMachine = machine()
        self.calls: list[str] = []
        self._call = call
        self._when = range(first, first + times)
        self._wiped = wiped
        self._seen = seen

    async def step(self, environment: str, call: str) -> None:
        self.calls.append(call)
        number = self.calls.count(call)
        if call != self._call or number not in self._when:
            return
        self.board.facts = replace(self.board.facts, boot_id=f"boot-{number}")
        if self._wiped:
            self.board.files.clear()
        if self._seen:
            raise NetworkError("E-LOST", "it went down")


async def run_with(
    folder: Path, reboots: Reboots, rollback: Rollback = Rollback.FAILED, splats: OnSplat = OnSplat.FAIL
) -> tuple[RunState, list[Event]]:
    content, machines = MemoryContent(), {"a": reboots.board}
    plan = whole_plan(["a"], content)
    plan = replace(plan, policy=replace(plan.policy, rollback=rollback, splats=splats))
    async with rehearsal(folder, machines, content, connector=hooked(machines, content, reboots.step)) as run:
        state, events = await run.run(plan)
        mark = run.history.readiness.latest("a")
    assert (mark is not None and mark.ready) is state.environments["a"].ready
    if mark is not None and mark.ready:
        assert mark.boot_id == reboots.board.facts.boot_id
    return state, events


def boots(events: Sequence[Event]) -> list[TargetRebooted]:
    return [each.body for each in events if isinstance(each.body, TargetRebooted)]


def files(events: Sequence[Event], action: str) -> list[str]:
    return [each.body.path for each in events if isinstance(each.body, FileDone) and each.body.action == action]


def retries(events: Sequence[Event]) -> list[RetryScheduled]:
    return [each.body for each in events if isinstance(each.body, RetryScheduled)]


@pytest.mark.parametrize("wiped", [True, False], ids=["files in memory", "files on disk"])
@pytest.mark.parametrize("stage", AFTER_REBOOT, ids=lambda each: each.value)
async def test_a_reboot_in_any_stage_is_told_and_made_good(tmp_path: Path, stage: Stage, wiped: bool) -> None:
    reboots = Reboots(CALLS[stage], wiped=wiped)
    before = reboots.board.facts.boot_id
    state, events = await run_with(tmp_path, reboots)
    assert state.outcome is Outcome.SUCCEEDED
    assert boots(events) == [TargetRebooted(before, "boot-1")]
    assert {each.stage for each in of(events, "target_rebooted")} == {stage}
    assert set(reboots.board.files) == {"/opt/t/one", "/opt/t/two"}, "what was deployed is there in the new boot"
    is_sent_again = wiped and stage in {Stage.INSTRUMENTATION, Stage.VALIDATING}
    assert files(events, "sent") == ["/opt/t/one", "/opt/t/two"] * (2 if is_sent_again else 1)
    assert files(events, "same") == [], "what is as it was is not told twice"
    assert [each.because.code for each in retries(events)] == ["E-LOST"]


async def test_what_earlier_stages_did_is_looked_at_again_in_the_new_boot(tmp_path: Path) -> None:
    reboots = Reboots(CALLS[Stage.VALIDATING], wiped=False)
    await run_with(tmp_path, reboots)
    last = len(reboots.calls) - 1 - reboots.calls[::-1].index("connect")
    verified = ["dependencies", "sweep", "instrument detection"]
    assert reboots.calls[last:] == ["connect", "facts", "crash records", *verified, "facts", "survey", "close"]


async def test_a_reboot_that_only_the_boot_id_shows_repeats_the_stage(tmp_path: Path) -> None:
    reboots = Reboots("facts", first=2, seen=False)  # connecting, then validating
    state, events = await run_with(tmp_path, reboots)
    assert state.outcome is Outcome.SUCCEEDED
    assert [each.after for each in boots(events)] == ["boot-2"]
    (retry,) = retries(events)
    assert (retry.because.code, retry.because.category) == ("E-REBOOTED", Category.NET)
    assert retry.because.where.stage == "validating"
    assert retry.because.message.startswith("Target rebooted (boot id changed): it was ")
    assert retry.because.message.endswith(" and is boot-2 now")
    assert files(events, "sent") == ["/opt/t/one", "/opt/t/two"] * 2


async def test_a_board_that_reboots_all_the_time_is_never_ready(tmp_path: Path) -> None:
    reboots = Reboots(CALLS[Stage.VALIDATING], times=99, wiped=False)
    state, events = await run_with(tmp_path, reboots, Rollback.NONE)
    assert state.outcome is Outcome.FAILED
    assert not state.environments["a"].ready
    assert (len(boots(events)), len(retries(events))) == (3, 3)


async def test_one_whose_facts_come_from_another_boot_each_time_fails_as_rebooted(tmp_path: Path) -> None:
    reboots = Reboots("facts", first=2, times=99, wiped=False, seen=False)
    state, _ = await run_with(tmp_path, reboots, Rollback.NONE)
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-REBOOTED", "validating")
    assert "watchdog" in error.remedy
    assert not state.environments["a"].ready


async def test_a_reboot_before_anything_was_done_costs_nothing_more(tmp_path: Path) -> None:
    reboots = Reboots("dependencies")
    state, _ = await run_with(tmp_path, reboots)
    assert state.outcome is Outcome.SUCCEEDED
    assert reboots.calls.count("dependencies") == 2
    assert reboots.calls.count("sweep") == 1


async def test_a_failed_run_is_taken_back_in_whatever_boot(tmp_path: Path) -> None:
    reboots = Reboots(CALLS[Stage.VALIDATING], times=99, wiped=False)
    state, _ = await run_with(tmp_path, reboots)
    error = state.environments["a"].error
    assert error is not None
    assert error.on_target.startswith("The previous version is back")


RECORD = b"""record\t/sys/fs/pstore/dmesg-ramoops-0
Panic#1 Part1
<6>[  101.100000] sysrq: Trigger a crash
<0>[  101.200000] Kernel panic - not syncing: sysrq triggered crash
<4>[  101.300000] Call Trace:
<4>[  101.400000]  sysrq_handle_crash+0x1a/0x20
<0>[  101.500000] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---

"""


@pytest.mark.parametrize("policy", OnSplat)
async def test_a_machine_that_rebooted_because_its_kernel_died_says_so(tmp_path: Path, policy: OnSplat) -> None:
    reboots = Reboots(CALLS[Stage.INSTRUMENTATION], wiped=False)
    reboots.board.replies["crash records"] = Completed(0, RECORD)
    state, events = await run_with(tmp_path, reboots, splats=policy)

    (seen,) = [each.body for each in events if isinstance(each.body, SplatSeen)]
    assert (seen.splat.kind, seen.fails) == (SplatClass.PANIC, policy is OnSplat.FAIL)
    facts = [
        each.body.value for each in events if isinstance(each.body, FactFound) and each.body.name == "crash_record"
    ]
    assert facts == ["/sys/fs/pstore/dmesg-ramoops-0"]
    error = state.environments["a"].error
    if policy is OnSplat.WARN:
        assert state.outcome is Outcome.SUCCEEDED
        return
    assert error is not None
    assert (error.code, error.where.stage) == ("E-SPLAT", "configuring_instrumentation")
    assert error.message.startswith("its kernel reported before the machine rebooted: panic: sysrq triggered crash")
    assert "sysrq_handle_crash" in error.evidence.stderr


async def test_records_that_cannot_be_read_are_told_and_change_nothing(tmp_path: Path) -> None:
    class Silent(Reboots):
        async def step(self, environment: str, call: str) -> None:
            if call == "crash records":
                raise TargetError("E-CMD", "no shell")
            await super().step(environment, call)

    reboots = Silent(CALLS[Stage.VALIDATING], wiped=False)
    state, events = await run_with(tmp_path, reboots)

    assert state.outcome is Outcome.SUCCEEDED
    assert FactFound("crash_record", "not read: no shell") in [each.body for each in events]
