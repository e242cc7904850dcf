"""A real kernel panics in a deployment and boots again: what it kept in memory tells why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.history import open_history
from kdeploy_gui.model.event import FactFound, TargetRebooted
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Stage
from tests.engine.steps import CALLS, HookedConnector, over_ssh
from tests.lab import guest_image
from tests.lab.client import client
from tests.lab.guest import BOOT_SECONDS, CMDLINE, TinyGuest, tiny_guest
from tests.lab.processes import wait_until
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports

pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(guest_image.unfit()), reason=guest_image.unfit()),
]
RAMOOPS = f"{CMDLINE} memmap=0x100000$0x6000000 ramoops.mem_address=0x6000000 ramoops.mem_size=0x100000"


class Crash:
    """At the instrumentation stage the kernel panics, once, and the machine boots again."""

    def __init__(self, guest: TinyGuest) -> None:
        self._guest = guest
        self._done = False

    async def __call__(self, _: str, call: str) -> None:
        if call != CALLS[Stage.INSTRUMENTATION] or self._done:
            return
        self._done = True
        async with client(self._guest.environment()) as connection:
            await connection.run("sync; echo 1 >/proc/sys/kernel/sysrq")
            await connection.create_process("sleep 1; echo c >/proc/sysrq-trigger")
            await asyncio.to_thread(wait_until, lambda: "Kernel panic" in self._guest.console(), "the panic", 60)


async def test_a_panic_without_a_console_is_found_after_the_reboot(tmp_path: Path) -> None:
    content = MemoryContent()
    with tiny_guest(tmp_path, cmdline=RAMOOPS) as guest:
        board = replace(
            guest.environment("vm"), console=replace(guest.environment().console, tcp=""), boot_timeout=BOOT_SECONDS
        )
        files = [memory_file(content, "/data/suite/run.sh", b"#!/bin/sh\n", 0o755)]
        plan = replace(
            memory_plan(["vm"], files),
            environments=(board,),
            instrumentation=Instrumentation({"perf": Want.WANTED}),
        )
        history = open_history(tmp_path / "history")
        connector = HookedConnector(over_ssh(content, plan.environments), Crash(guest))
        orchestrator = Orchestrator(replace(ports(history, tmp_path, connector, content), clock=SystemClock()))
        number = await orchestrator.submit(plan)
        await orchestrator.wait(number)
        events = history.log.events(number)
        await orchestrator.close()
        history.close()
    failed = fold(events).environments["vm"]
    bodies = [each.body for each in events]
    assert any(isinstance(each, TargetRebooted) for each in bodies)
    records = [each.value for each in bodies if isinstance(each, FactFound) and each.name == "crash_record"]
    assert records, [each for each in bodies if isinstance(each, FactFound)]
    assert failed.error is not None
    assert failed.error.code == "E-SPLAT"
    assert "Kernel panic - not syncing: sysrq triggered crash" in failed.error.evidence.stderr
