"""Guests in runs: started where that is wanted, and every way of dying told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine import power
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.errors import Category, GuestError, HypervisorLost, KdeployError, NetworkError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment, Kind, PowerAction
from kdeploy_gui.model.event import Event, StageProgress
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.guest import GuestState, GuestStatus
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome
from tests.engine.steps import CALLS, hooked, machine, of, whole_plan
from tests.rehearsal import JumpingClock, MemoryContent, ports

GUEST = Environment(name="a", host="a.invalid", kind=Kind.QEMU, uri="test:///x", domain="kd-a")
AUTO = replace(GUEST, autostart=True)
REFUSED = NetworkError("E-REFUSED", "a refuses", port="22")
RUNNING = GuestStatus(GuestState.RUNNING)
LOST = HypervisorLost("E-LIBVIRT", "libvirt at test:///x does not answer: gone", uri="test:///x")


class Story:
    """A guest that answers while it is up and `network` says so; `before` may change that ahead of every call."""

    def __init__(self, status: GuestStatus = RUNNING) -> None:
        self.guest = MemoryGuest(status)
        self.guests = MemoryGuests({"kd-a": self.guest})
        self.network = True
        self.before: Callable[[str], None] = lambda call: None
        self.tries = 0

    async def step(self, environment: str, call: str) -> None:
        self.tries += call == "connect"
        self.before(call)
        if call != "close" and not (self.network and self.guest.status.state is GuestState.RUNNING):
            raise NetworkError("E-REFUSED" if call == "connect" else "E-LOST", f"{environment} does not answer")

    async def run(self, folder: Path, environment: Environment = GUEST) -> tuple[RunState, list[Event]]:
        content, machines = MemoryContent(), {"a": machine()}
        history = open_history(folder)
        self.clock = JumpingClock()
        outside = ports(history, folder, hooked(machines, content, self.step), content)
        orchestrator = Orchestrator(replace(outside, clock=self.clock, guests=self.guests))
        try:
            number = await orchestrator.submit(replace(whole_plan(["a"], content), environments=(environment,)))
            await orchestrator.wait(number)
            events = history.log.events(number)
            return fold(events), events
        finally:
            await orchestrator.close()
            history.close()

    def once(self, call: str, change: Callable[[], None]) -> None:
        """Let something happen ahead of the first such call."""
        calls: list[str] = []

        def before(now: str) -> None:
            if now == call and not calls:
                calls.append(now)
                change()

        self.before = before


class Silence(Story):
    """Its network says nothing any more from the first `place` on, when `happens` does: calls only end from outside."""

    def __init__(self, *happens: GuestStatus) -> None:
        super().__init__()
        self.happens = happens
        self.ended = 0
        self.goes_on = False

    async def step(self, environment: str, call: str) -> None:
        await super().step(environment, call)
        if call != "place" or self.ended:
            return
        for each in self.happens:
            self.guests.become("kd-a", each)
        if self.goes_on:
            await self.watched()
            return
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    async def watched(self) -> None:
        """Until those who watch have had their turns."""
        for _ in range(20):
            await asyncio.sleep(0)


def error_of(state: RunState) -> Failure:
    error = state.environments["a"].error
    assert error is not None
    return error


def notes(events: Sequence[Event]) -> list[str]:
    return [each.body.note for each in events if isinstance(each.body, StageProgress) and each.body.note]


async def test_a_guest_that_is_off_is_started_once_and_waited_for(tmp_path: Path) -> None:
    story = Story(GuestStatus(GuestState.OFF, "it shut down"))
    state, events = await story.run(tmp_path, AUTO)
    assert state.outcome is Outcome.SUCCEEDED
    assert (story.guest.boots, story.tries) == (1, 2)
    assert state.environments["a"].facts["power"] == "started by this run: it was shut off (it shut down)"
    assert "starting the guest kd-a" in notes(events)
    assert not of(events, "retry_scheduled"), "waiting is no attempt"


async def test_a_guest_that_runs_and_still_boots_is_waited_for(tmp_path: Path) -> None:
    story = Story()
    story.network = False
    story.before = lambda call: setattr(story, "network", story.tries > 3)
    state, events = await story.run(tmp_path, AUTO)
    assert state.outcome is Outcome.SUCCEEDED
    assert story.guest.boots == 0
    assert [each for each in notes(events) if "boot" in each][:2] == [
        "waiting for boot, 0 s of 180 s",
        "waiting for boot, 5 s of 180 s",
    ]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (GuestStatus(GuestState.OFF, "somebody switched it off"), "E-GUEST-OFF", "somebody switched it off"),
        (GuestStatus(GuestState.CRASHED, "its QEMU died"), "E-GUEST-CRASHED", "crashed (its QEMU died)"),
        (GuestStatus(GuestState.PAUSED, "an error of its disk"), "E-GUEST-PAUSED", "paused (an error of its disk)"),
        (GuestStatus(GuestState.FROZEN), "E-GUEST-FROZEN", "frozen"),
    ],
)
@pytest.mark.parametrize("call", ["connect", CALLS[next(each for each in CALLS if each.value == "deploying_scripts")]])
async def test_what_became_of_the_guest_is_told(
    tmp_path: Path, status: GuestStatus, code: str, words: str, call: str
) -> None:
    story = Story()
    story.once(call, lambda: setattr(story.guest, "status", status))
    state, events = await story.run(tmp_path)
    error = error_of(state)
    assert (error.code, error.category) == (code, Category.VM)
    assert error.message == f"a does not answer: kd-a is {status.text}"
    assert words in error.message
    assert error.remedy
    assert len(of(events, "retry_scheduled")) == (code == "E-GUEST-CRASHED")
    assert story.guest.boots == 0, "nobody allowed to start it"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (GuestStatus(GuestState.OFF, "somebody switched it off"), "E-GUEST-OFF"),
        (GuestStatus(GuestState.CRASHED, "its kernel panicked"), "E-GUEST-CRASHED"),
    ],
)
async def test_a_guest_that_ends_ends_the_stage_at_once(tmp_path: Path, status: GuestStatus, code: str) -> None:
    story = Silence(status)
    state, events = await story.run(tmp_path)
    error = error_of(state)
    assert error.code == code
    assert error.message == f"a does not answer: kd-a is {status.text}"
    assert (error.where.stage, story.ended) == ("deploying_scripts", 1)
    assert len(of(events, "retry_scheduled")) == (code == "E-GUEST-CRASHED")


async def test_a_guest_that_is_gone_with_its_end_ends_the_stage(tmp_path: Path) -> None:
    story = Silence(GuestStatus(GuestState.OFF))
    become = story.guests.become

    def vanish(name: str, status: GuestStatus) -> None:
        become(name, status)
        del story.guests.guests[name]

    story.guests.become = vanish  # type: ignore[method-assign] # what a hypervisor does with transient guests
    assert error_of((await story.run(tmp_path))[0]).code == "E-GUEST-UNKNOWN"


async def test_a_guest_that_crashes_in_silence_is_started_again_where_that_is_wanted(tmp_path: Path) -> None:
    story = Silence(GuestStatus(GuestState.CRASHED, "its QEMU died"))
    state, events = await story.run(tmp_path, AUTO)
    assert state.outcome is Outcome.SUCCEEDED
    assert (story.guest.boots, len(of(events, "retry_scheduled"))) == (1, 1)


@pytest.mark.parametrize(
    "happens",
    [(GuestStatus(GuestState.OFF), RUNNING), (GuestStatus(GuestState.PAUSED, "a snapshot is taken"), RUNNING)],
)
async def test_what_is_over_when_it_is_heard_of_ends_nothing(tmp_path: Path, happens: tuple[GuestStatus, ...]) -> None:
    story = Silence(*happens)
    story.goes_on = True
    assert (await story.run(tmp_path))[0].outcome is Outcome.SUCCEEDED


async def test_a_hypervisor_that_is_lost_after_it_told_of_an_end_ends_nothing(tmp_path: Path) -> None:
    story = Silence(GuestStatus(GuestState.OFF), RUNNING, GuestStatus(GuestState.OFF))
    story.goes_on = True

    def lose(call: str) -> None:
        story.guests.lost = LOST if call == "place" else None
        story.guest.status = RUNNING

    story.before = lose
    assert (await story.run(tmp_path))[0].outcome is Outcome.SUCCEEDED


async def test_a_guest_that_crashed_in_a_run_is_started_again_where_that_is_wanted(tmp_path: Path) -> None:
    story = Story()
    story.once("place", lambda: setattr(story.guest, "status", GuestStatus(GuestState.CRASHED, "its QEMU died")))
    state, events = await story.run(tmp_path, AUTO)
    assert state.outcome is Outcome.SUCCEEDED
    assert story.guest.boots == 1
    assert len(of(events, "retry_scheduled")) == 1


async def test_a_guest_that_was_switched_off_in_a_run_is_not_fought_over(tmp_path: Path) -> None:
    story = Story()
    story.once("place", lambda: setattr(story.guest, "status", GuestStatus(GuestState.OFF, "it shut down")))
    state, _ = await story.run(tmp_path, AUTO)
    assert error_of(state).code == "E-GUEST-OFF"
    assert (story.guest.boots, story.guest.status.state.is_down) == (0, True)


async def test_a_guest_that_ends_while_it_boots_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    story = Story(GuestStatus(GuestState.OFF))

    def panic(call: str) -> None:
        if story.guest.boots == 1:
            story.guest.status = GuestStatus(GuestState.CRASHED, "its kernel panicked")

    story.before = panic
    state, _ = await story.run(tmp_path, AUTO)
    assert error_of(state).code == "E-GUEST-CRASHED"
    assert story.guest.boots == 1
    assert sum(story.clock.waits) < 60


async def test_a_running_guest_without_a_network_stays_a_matter_of_the_network(tmp_path: Path) -> None:
    story = Story()
    story.network = False
    error = error_of((await story.run(tmp_path))[0])
    assert (error.code, error.category) == ("E-REFUSED", Category.NET)
    assert error.message == "a does not answer (kd-a is running: its network or SSH server is not there)"


async def test_a_hypervisor_that_is_gone_with_its_guest_is_told(tmp_path: Path) -> None:
    story = Story()
    story.network, story.guests.lost = False, LOST
    state, events = await story.run(tmp_path)
    error = error_of(state)
    assert (error.code, error.category) == ("E-LIBVIRT", Category.VM)
    assert error.message.startswith("a does not answer; and libvirt at test:///x does not answer: gone")
    assert len(of(events, "retry_scheduled")) == 3


async def test_a_hypervisor_that_is_gone_does_not_matter_to_a_run_that_goes_on(tmp_path: Path) -> None:
    story = Story()
    story.guests.lost = LOST
    assert (await story.run(tmp_path, AUTO))[0].outcome is Outcome.SUCCEEDED


async def test_an_address_that_is_not_known_yet_is_waited_for(tmp_path: Path) -> None:
    story = Story(GuestStatus(GuestState.OFF))
    missing: list[KdeployError] = [GuestError("E-GUEST-ADDRESS", "no lease")] * 3

    def before(call: str) -> None:
        if call == "connect" and missing:
            raise missing.pop()

    story.before = before
    assert (await story.run(tmp_path, AUTO))[0].outcome is Outcome.SUCCEEDED
    story = Story(GuestStatus(GuestState.OFF, "it shut down"))
    missing = [GuestError("E-GUEST-ADDRESS", "no lease")]
    story.before = before
    assert error_of((await story.run(tmp_path / "b"))[0]).code == "E-GUEST-OFF"


@pytest.mark.parametrize(
    ("status", "action", "said", "after"),
    [
        (GuestState.OFF, PowerAction.ON, "it was shut off", GuestState.RUNNING),
        (GuestState.RUNNING, PowerAction.ON, "it was running", GuestState.RUNNING),
        (GuestState.PAUSED, PowerAction.ON, "it was paused", GuestState.RUNNING),
        (GuestState.RUNNING, PowerAction.OFF, "it shut down", GuestState.OFF),
        (GuestState.PAUSED, PowerAction.OFF, "it was paused: the plug was pulled", GuestState.OFF),
        (GuestState.CRASHED, PowerAction.OFF, "it was off", GuestState.CRASHED),
        (GuestState.RUNNING, PowerAction.RESET, "reset", GuestState.RUNNING),
        (GuestState.OFF, PowerAction.RESET, "it was shut off: started", GuestState.RUNNING),
        (
            GuestState.FROZEN,
            PowerAction.RESET,
            "its QEMU did not answer: it was ended, and started again",
            GuestState.RUNNING,
        ),
    ],
)
async def test_power_goes_through_the_hypervisor(
    tmp_path: Path, status: GuestState, action: PowerAction, said: str, after: GuestState
) -> None:
    story = Story(GuestStatus(status))
    history = open_history(tmp_path)
    content = MemoryContent()
    outside = replace(ports(history, tmp_path, hooked({}, content, story.step), content), guests=story.guests)
    done = await power.switch(outside, GUEST, action)
    assert [each.command for each in done.steps] == [f"libvirt: kd-a: {said}"]
    assert story.guest.status.state is after
    history.close()


async def test_a_guest_that_ignores_its_button_loses_power_and_a_frozen_one_is_told(tmp_path: Path) -> None:
    story = Story()
    story.guest.obeys = False
    history = open_history(tmp_path)
    content = MemoryContent()
    outside = replace(ports(history, tmp_path, hooked({}, content, story.step), content), guests=story.guests)
    done = await power.switch(outside, GUEST, PowerAction.OFF)
    assert done.steps[0].command == "libvirt: kd-a: it did not shut down within 60 s: the plug was pulled"
    story.guest.status = GuestStatus(GuestState.FROZEN)
    with pytest.raises(GuestError) as caught:
        await power.switch(outside, GUEST, PowerAction.ON)
    assert caught.value.code == "E-GUEST-FROZEN"
    history.close()
