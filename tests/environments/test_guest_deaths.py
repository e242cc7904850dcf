"""Guests that die in the middle: killed, frozen, their libvirtd gone; and power cuts at random points of a commit.

KDEPLOY_GUEST_KILLS=50 lets more of them die than the four of a usual test run.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement
from kdeploy_gui.model.guest import GuestState
from kdeploy_gui.model.plan import Plan, Policy, Rollback
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome
from tests.engine.steps import HookedConnector, of, over_ssh
from tests.lab.client import output_of
from tests.lab.guest import BOOT_SECONDS, kill
from tests.lab.libvirtd import Domain, Libvirtd
from tests.rehearsal import MemoryContent, memory_file, ports

pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(1800)]

POINTS = int(os.environ.get("KDEPLOY_GUEST_KILLS", "4"))
FOLDER = "/data/suite"
NAMES = ("one", "two", "deep/three", "deep/four")
PATIENT = Policy(stage_timeout=600.0, rollback=Rollback.NONE)


@dataclass
class Bench:
    """The guest of this session, up, with runs on it; `once` happens ahead of the first call of a name."""

    libvirtd: Libvirtd
    domain: Domain
    environment: Environment
    guests: LibvirtGuests
    history: History
    folder: Path
    content: MemoryContent

    async def up(self) -> None:
        """Started and answering."""
        await self.guests.start(self.environment)
        await asyncio.to_thread(self.libvirtd.wait_for_ssh, self.domain)

    async def crashed(self) -> None:
        """Until libvirt has seen that its QEMU is gone."""
        async with asyncio.timeout(60):
            while (await self.guests.status(self.environment)).state is GuestState.RUNNING:
                await asyncio.sleep(0.1)

    async def run(
        self, call: str, happens: Callable[[], None], environment: Environment, *, hangs: bool = False
    ) -> tuple[RunState, list[Event]]:
        """A deployment of two files in which something happens ahead of a call, which then may never end by itself."""
        calls: list[str] = []

        async def step(name: str, now: str) -> None:
            if now == call and not calls:
                calls.append(now)
                await asyncio.to_thread(happens)
                if hangs:
                    await asyncio.Event().wait()

        files = [memory_file(self.content, f"/data/run/{name}", name.encode() * 99) for name in ("a", "b")]
        plan = Plan(name="deaths", environments=(environment,), files=tuple(files), policy=PATIENT)
        connector = HookedConnector(over_ssh(self.content), step)
        outside = replace(ports(self.history, self.folder, connector, self.content), guests=self.guests)
        orchestrator = Orchestrator(replace(outside, clock=SystemClock()))
        try:
            number = await orchestrator.submit(plan)
            await orchestrator.wait(number)
            events = self.history.log.events(number)
            return fold(events), events
        finally:
            await orchestrator.close()


@pytest.fixture
async def bench(libvirtd: Libvirtd, tiny_domain: Domain, tmp_path: Path) -> AsyncIterator[Bench]:
    connections = LibvirtConnections()
    environment = replace(libvirtd.environment(tiny_domain), boot_timeout=BOOT_SECONDS, snapshot="never")
    history = open_history(tmp_path)
    made = Bench(libvirtd, tiny_domain, environment, LibvirtGuests(connections), history, tmp_path, MemoryContent())
    await made.up()
    await output_of(environment, "rm -rf /data/run /data/suite; sync")
    yield made
    history.close()
    connections.close()


async def test_a_killed_guest_is_told_as_crashed(bench: Bench) -> None:
    qemu = bench.libvirtd.qemu(bench.domain)
    state, _ = await bench.run("place", partial(kill, qemu), replace(bench.environment, boot_timeout=0.0))
    error = state.environments[bench.environment.name].error
    assert error is not None
    assert error.code == "E-GUEST-CRASHED"
    assert error.message.endswith("kd-tiny is crashed (its QEMU died)")


async def test_a_guest_that_somebody_destroys_ends_its_run_whatever_the_network_says(bench: Bench) -> None:
    connection = bench.libvirtd.connect()
    destroy = connection.lookupByName(bench.domain.name).destroy
    state, events = await bench.run("place", destroy, bench.environment, hangs=True)
    connection.close()
    error = state.environments[bench.environment.name].error
    assert error is not None
    assert (error.code, error.where.stage) == ("E-GUEST-OFF", "deploying_scripts")
    assert error.message.endswith("kd-tiny is shut off (somebody switched it off)")
    assert not of(events, "retry_scheduled")


async def test_a_guest_that_is_killed_while_nothing_is_heard_comes_back_and_the_run_goes_on(bench: Bench) -> None:
    qemu = bench.libvirtd.qemu(bench.domain)
    autostarted = replace(bench.environment, autostart=True)
    state, _ = await bench.run("place", partial(kill, qemu), autostarted, hangs=True)
    assert state.outcome is Outcome.SUCCEEDED


async def test_a_killed_guest_comes_back_and_the_run_goes_on(bench: Bench) -> None:
    qemu = bench.libvirtd.qemu(bench.domain)
    state, events = await bench.run("place", partial(kill, qemu), replace(bench.environment, autostart=True))
    assert state.outcome is Outcome.SUCCEEDED
    assert of(events, "target_rebooted")
    assert await output_of(bench.environment, "cat /data/run/a | wc -c") == "99"


async def test_a_frozen_guest_is_told_as_frozen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "KEEPALIVE_INTERVAL", 2.0)
    monkeypatch.setattr(defaults, "GUEST_ANSWER", 3.0)
    qemu = bench.libvirtd.qemu(bench.domain)
    try:
        plain = replace(bench.environment, boot_timeout=0.0)
        state, _ = await bench.run("place", partial(os.kill, qemu, signal.SIGSTOP), plain)
    finally:
        kill(qemu, signal.SIGCONT)
    error = state.environments[bench.environment.name].error
    assert error is not None
    assert error.code == "E-GUEST-FROZEN"


async def test_a_killed_libvirtd_changes_nothing(bench: Bench) -> None:
    try:
        taken = replace(bench.environment, snapshot="auto", autostart=True)
        state, _ = await bench.run("sweep", bench.libvirtd.kill, taken)
    finally:
        bench.libvirtd.kill()
        bench.libvirtd.start()
    assert state.outcome is Outcome.SUCCEEDED
    assert (await bench.guests.status(bench.environment)).state is GuestState.RUNNING
    for name in await bench.guests.snapshots(bench.environment):
        await bench.guests.drop_snapshot(bench.environment, name)


def batch(content: MemoryContent, version: int) -> Batch:
    """The whole suite in one version."""
    placements = []
    for name in NAMES:
        data = f"{version} {name} ".encode() * (20_000 if name == "two" else 999)
        source = f"memory:{version}/{name}"
        content.data[source] = data
        entry = ManifestEntry(f"{FOLDER}/{name}", hashlib.sha256(data).hexdigest(), 0o644, "", len(data))
        placements.append(Placement(entry, source))
    return Batch(version, tuple(placements), (), keep=2)


async def placed(bench: Bench, version: int) -> None:
    """Bring a version into place."""
    target = await over_ssh(bench.content).connect(bench.environment)
    try:
        await target.survey([f"{FOLDER}/{name}" for name in NAMES], sweep=True)
        await target.place(batch(bench.content, version), lambda sent: None)
    finally:
        await target.close()


async def found(bench: Bench, versions: Sequence[int]) -> set[int]:
    """The versions of which the files are, after the next contact has finished or undone what was begun."""
    target = await over_ssh(bench.content).connect(bench.environment)
    try:
        states = await target.survey([f"{FOLDER}/{name}" for name in NAMES], sweep=True)
    finally:
        await target.close()
    known = {each.entry.sha256: version for version in versions for each in batch(bench.content, version).sent}
    return {known.get(states[f"{FOLDER}/{name}"].sha256, -1) for name in NAMES}


async def test_a_power_cut_in_a_commit_leaves_the_old_or_the_new_set(bench: Bench) -> None:
    chance = random.Random(POINTS)
    await placed(bench, 1)
    begun = asyncio.get_running_loop().time()
    await placed(bench, 2)
    whole = asyncio.get_running_loop().time() - begun
    old = 2
    for version in range(3, 3 + POINTS):
        qemu = bench.libvirtd.qemu(bench.domain)
        work = asyncio.ensure_future(placed(bench, version))
        with suppress(TimeoutError, NetworkError):
            await asyncio.wait_for(asyncio.shield(work), whole * chance.uniform(0.2, 1.1))
        is_done = work.done() and work.exception() is None
        await asyncio.to_thread(kill, qemu)
        with suppress(NetworkError):
            await work
        await bench.crashed()
        await bench.up()
        versions = await found(bench, (old, version))
        assert versions in ({old}, {version}), f"torn at point {version - 2}"
        assert not is_done or versions == {version}, "what was told as done was not on the disk"
        assert await output_of(bench.environment, f"find {FOLDER} -name '.kdeploy*'") == "", "leftovers"
        (old,) = versions
