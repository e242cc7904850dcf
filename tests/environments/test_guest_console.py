"""A real kernel on a real serial line: it panics in the middle of a deployment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.console_recording import recorded
from kdeploy_gui.environments.console_share import SharedConsoles, recordings
from kdeploy_gui.environments.console_tcp import TcpConsoles
from kdeploy_gui.environments.guest_connector import GuestConnector
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_console import LibvirtConsoles
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.history import open_history
from kdeploy_gui.model.event import Channel, Event, StageFinished
from kdeploy_gui.model.plan import Instrumentation, Plan, Want
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.splat import SplatClass, SplatSeen
from kdeploy_gui.model.stage import Stage, Status
from tests.engine.steps import CALLS, HookedConnector, of, over_ssh
from tests.lab import guest_image
from tests.lab.client import client
from tests.lab.guest import BOOT_SECONDS, TinyGuest, tiny_guest
from tests.lab.libvirtd import Domain, Libvirtd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports

pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(guest_image.unfit()), reason=guest_image.unfit()),
]


class Crash:
    """At the instrumentation stage the guest's kernel is made to panic, by way of another login."""

    def __init__(self, guest: TinyGuest) -> None:
        self._guest = guest
        self.began = 0.0

    async def __call__(self, _: str, call: str) -> None:
        if call != CALLS[Stage.INSTRUMENTATION]:
            return
        async with client(self._guest.environment()) as connection:
            await connection.run("sync; echo 1 >/proc/sys/kernel/sysrq; echo 0 >/proc/sys/kernel/panic")
            self.began = time.monotonic()
            await connection.create_process("echo c >/proc/sysrq-trigger")
            await asyncio.Event().wait()


def small_plan(content: MemoryContent, guest: TinyGuest) -> Plan:
    files = [memory_file(content, "/data/suite/run.sh", b"#!/bin/sh\n", 0o755)]
    return replace(
        memory_plan(["vm"], files),
        environments=(guest.environment("vm"),),
        instrumentation=Instrumentation({"perf": Want.WANTED}),
    )


async def test_a_panic_in_a_deployment_fails_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its console alone: nobody asks whether the link is alive. A slow processor prints the report with rests."""
    monkeypatch.setattr("kdeploy_gui.defaults.KEEPALIVE_INTERVAL", 600.0)
    monkeypatch.setattr("kdeploy_gui.engine.splat_stream.QUIET", 3.0)
    monkeypatch.setattr("kdeploy_gui.engine.splat_stream.PATIENCE", 20.0)
    content = MemoryContent()
    with tiny_guest(tmp_path) as guest:
        crash = Crash(guest)
        history = open_history(tmp_path / "history")
        plan = small_plan(content, guest)
        connector = HookedConnector(over_ssh(content, plan.environments), crash)
        consoles = SharedConsoles(TcpConsoles(), tmp_path / "consoles")
        real = replace(ports(history, tmp_path, connector, content), clock=SystemClock(), consoles=consoles)
        orchestrator = Orchestrator(real)
        seen: dict[str, float] = {}
        orchestrator.feed.subscribe(lambda group: note(group, seen))
        number = await orchestrator.submit(plan)
        await orchestrator.wait(number)
        events = history.log.events(number)
        kept = history.output.read(number, "vm", channel=Channel.CONSOLE)
        await orchestrator.close()
        history.close()
    failed = fold(events).environments["vm"]
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.where.stage) == ("E-SPLAT", Stage.INSTRUMENTATION.value)
    assert failed.error.evidence.command == "serial console"
    assert "Kernel panic - not syncing: sysrq triggered crash" in failed.error.evidence.stderr
    assert "sysrq_handle_crash" in failed.error.evidence.stderr
    splats = [each.body.splat for each in of(events, "splat_seen") if isinstance(each.body, SplatSeen)]
    assert [each.kind for each in splats][-1] is SplatClass.PANIC
    assert b"Kernel panic" in kept
    assert b"Kernel panic" in b"".join(each.data for each in recorded(recordings(tmp_path / "consoles", "vm"), 1 << 20))
    assert seen["splat"] - crash.began < 60
    assert seen["failed"] - crash.began < 60


async def test_a_guest_that_a_run_starts_is_heard_from_its_boot_on(
    tmp_path: Path, libvirtd: Libvirtd, tiny_domain: Domain
) -> None:
    libvirtd.reset(tiny_domain)
    content, connections = MemoryContent(), LibvirtConnections()
    guests = LibvirtGuests(connections)
    known = libvirtd.environment(tiny_domain)
    guest = replace(known, name="vm", autostart=True, boot_timeout=BOOT_SECONDS, snapshot="never")
    plan = replace(memory_plan(["vm"], [memory_file(content, "/data/suite/a", b"a")]), environments=(guest,))
    history = open_history(tmp_path / "history")
    connector = GuestConnector(over_ssh(content, plan.environments), guests)
    consoles = SharedConsoles(LibvirtConsoles(), tmp_path / "consoles")
    real = ports(history, tmp_path, connector, content)
    orchestrator = Orchestrator(replace(real, clock=SystemClock(), consoles=consoles, guests=guests))
    number = await orchestrator.submit(plan)
    await orchestrator.wait(number)
    found = fold(history.log.events(number)).environments["vm"]
    kept = history.output.read(number, "vm", channel=Channel.CONSOLE)
    await orchestrator.close()
    history.close()
    connections.close()
    assert found.status is Status.COMPLETED, found.error
    assert b"Linux version" in kept
    assert b"tiny guest is up" in kept


def note(group: tuple[Event, ...], seen: dict[str, float]) -> None:
    for event in group:
        if isinstance(event.body, SplatSeen):
            seen.setdefault("splat", time.monotonic())
        if isinstance(event.body, StageFinished) and event.stage is Stage.INSTRUMENTATION:
            seen["failed"] = time.monotonic()
