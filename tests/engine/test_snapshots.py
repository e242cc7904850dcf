"""Snapshots of guests around runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.errors import GuestError, HypervisorLost, TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.event import Event, RollbackDone
from kdeploy_gui.model.guest import GuestState, GuestStatus
from kdeploy_gui.model.plan import Dependency, Plan, Policy, Rollback, Validation
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome
from tests.engine.steps import hooked, machine, whole_plan
from tests.rehearsal import JumpingClock, MemoryContent, ports

GUEST = Environment(name="a", host="a.invalid", kind=Kind.QEMU, uri="test:///x", domain="kd-a")


class Lab:
    """A guest in memory, and runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guest = MemoryGuest(GuestStatus(GuestState.RUNNING))
        self.guests = MemoryGuests({"kd-a": self.guest})
        self.machine = machine()
        self.content = MemoryContent()

    def plan(self, environment: Environment = GUEST) -> Plan:
        return replace(whole_plan(["a"], self.content), environments=(environment,))

    def failing(self, rollback: Rollback = Rollback.FAILED) -> Plan:
        return replace(self.plan(), validation=Validation(memory=1 << 50), policy=Policy(rollback=rollback))

    async def step(self, environment: str, call: str) -> None:
        """Nothing happens on the way."""

    async def run(self, plan: Plan) -> tuple[RunState, list[Event]]:
        history = open_history(self.folder)
        outside = ports(history, self.folder, hooked({"a": self.machine}, self.content, self.step), self.content)
        orchestrator = Orchestrator(replace(outside, clock=JumpingClock(), guests=self.guests))
        try:
            number = await orchestrator.submit(plan)
            await orchestrator.wait(number)
            events = history.log.events(number)
            return fold(events), events
        finally:
            await orchestrator.close()
            history.close()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def rollbacks(events: list[Event]) -> list[RollbackDone]:
    return [each.body for each in events if isinstance(each.body, RollbackDone)]


async def test_each_run_takes_one_and_the_old_ones_go(lab: Lab) -> None:
    lab.guest.snapshots["mine"] = lab.guest.status
    for _ in range(4):
        state, _ = await lab.run(lab.plan())
        assert state.outcome is Outcome.SUCCEEDED
    assert state.environments["a"].facts["snapshot"] == "kd-4"
    assert list(lab.guest.snapshots) == ["mine", "kd-3", "kd-4"]


async def test_nobody_wants_one_or_it_is_a_board(lab: Lab) -> None:
    for environment in (replace(GUEST, snapshot="never"), replace(GUEST, kind=Kind.BOARD), replace(GUEST, domain="")):
        state, _ = await lab.run(lab.plan(environment))
        assert state.outcome is Outcome.SUCCEEDED
    assert not lab.guest.snapshots


async def test_storage_that_cannot_is_told_and_the_run_goes_on(lab: Lab) -> None:
    lab.guest.storage = "its disk vda is raw, only qcow2 can hold one"
    state, _ = await lab.run(lab.plan())
    assert state.outcome is Outcome.SUCCEEDED
    assert state.environments["a"].facts["warning_snapshot"] == (
        "no snapshot of kd-a: its disk vda is raw, only qcow2 can hold one"
    )


async def test_a_failed_run_goes_back_to_it(lab: Lab) -> None:
    state, events = await lab.run(lab.failing())
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.on_target) == ("E-CHECK", "It is back at the snapshot kd-1.")
    assert rollbacks(events) == [RollbackDone(1, snapshot="kd-1")]
    assert not lab.guest.snapshots


async def test_a_failed_run_that_shall_stay_stays(lab: Lab) -> None:
    _, events = await lab.run(lab.failing(Rollback.NONE))
    assert not rollbacks(events)
    assert list(lab.guest.snapshots) == ["kd-1"]


async def test_a_crashed_guest_is_brought_back_and_one_that_was_switched_off_is_not(lab: Lab) -> None:
    class Crashing(Lab):
        status = GuestStatus(GuestState.CRASHED, "its kernel panicked")

        async def step(self, environment: str, call: str) -> None:
            if call == "instrument detection":
                self.guest.status = self.status
            if call != "close" and self.guest.status.state is not GuestState.RUNNING:
                raise TargetError("E-LOST", "a does not answer")

    crashing = Crashing(lab.folder / "a")
    _, events = await crashing.run(crashing.plan())
    assert [each.snapshot for each in rollbacks(events)] == ["kd-1"]
    assert crashing.guest.status.state is GuestState.RUNNING
    left = Crashing(lab.folder / "b")
    left.status = GuestStatus(GuestState.OFF, "it shut down")
    _, events = await left.run(left.plan())
    assert [(each.snapshot, "does not answer" in each.because) for each in rollbacks(events)] == [("", True)]
    assert left.guest.status.state is GuestState.OFF


async def test_packages_that_could_not_be_had_take_the_guest_back_too(lab: Lab) -> None:
    plan = replace(lab.plan(), dependencies=(Dependency(name="nothing-of-that-name"),))
    state, events = await lab.run(plan)
    assert state.environments["a"].error is not None
    assert [each.snapshot for each in rollbacks(events)] == ["kd-1"]


async def test_a_snapshot_that_cannot_be_gone_back_to_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(environment: Environment, name: str) -> None:
        raise GuestError("E-SNAPSHOT-GONE", "bringing back kd-a failed: disk full", uri="", domain="")

    monkeypatch.setattr(lab.guests, "revert", broken)
    state, _ = await lab.run(lab.failing())
    error = state.environments["a"].error
    assert error is not None
    assert "Not taken back: E-SNAPSHOT-GONE: bringing back kd-a failed: disk full" in error.on_target


async def test_a_rollback_by_hand_goes_back_to_it(lab: Lab) -> None:
    await lab.run(lab.plan())
    state, events = await lab.run(replace(lab.plan(), files=(), dependencies=(), takes_back=1))
    assert state.outcome is Outcome.SUCCEEDED
    assert rollbacks(events) == [RollbackDone(1, snapshot="kd-1")]
    assert not lab.guest.snapshots


async def test_a_rollback_of_an_older_run_takes_files_back(lab: Lab) -> None:
    await lab.run(lab.plan())
    lab.guest.snapshots["kd-2"] = lab.guest.status
    _, events = await lab.run(replace(lab.plan(), files=(), dependencies=(), takes_back=1))
    assert [(each.snapshot, each.removed) for each in rollbacks(events)] == [("", 2)]
    assert list(lab.guest.snapshots) == ["kd-1", "kd-2"]


async def test_a_snapshot_of_another_workstation_is_not_touched(lab: Lab) -> None:
    await lab.run(replace(lab.plan(), environments=(replace(GUEST, snapshot="never"),)))
    lab.guest.snapshots["kd-1"] = lab.guest.status
    _, events = await lab.run(replace(lab.plan(), files=(), dependencies=(), takes_back=1))
    assert [(each.snapshot, each.removed) for each in rollbacks(events)] == [("", 2)]
    assert list(lab.guest.snapshots) == ["kd-1"]
    lab.guest.snapshots["kd-3"] = lab.guest.status
    state, events = await lab.run(lab.failing())
    assert "there is a snapshot kd-3" in state.environments["a"].facts["warning_snapshot"]
    assert [each.snapshot for each in rollbacks(events)] == [""]


async def test_a_hypervisor_that_is_gone_leaves_a_rollback_to_files(lab: Lab) -> None:
    lab.guests.lost = HypervisorLost("E-LIBVIRT", "libvirt does not answer", uri="x")
    state, _ = await lab.run(lab.plan())
    assert state.environments["a"].facts["warning_snapshot"] == "libvirt does not answer"
    _, events = await lab.run(replace(lab.plan(), files=(), dependencies=(), takes_back=1))
    assert [(each.snapshot, each.removed) for each in rollbacks(events)] == [("", 2)]
