"""Other kernels on a real guest: booted by name, proven, and taken back where they do not come up."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine.board_kernel import BoardSwitch
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.kernels import KernelSwitch
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.engine.reboot import reboot
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import TargetError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.event import Body, FactFound, StageProgress
from kdeploy_gui.model.plan import Instrumentation, Plan, Policy
from kdeploy_gui.model.run import RunState, fold
from tests.engine.steps import over_ssh
from tests.lab.client import client, output_of
from tests.lab.guest import BOOT_SECONDS, tiny_guest
from tests.lab.libvirtd import Domain, Libvirtd
from tests.rehearsal import ports

libvirt = pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]


@dataclass
class Bench:
    """A guest that is up, and the ports that reach it."""

    ports: Ports
    environment: Environment
    domain: Domain

    def kernel(self, name: str, cmdline: str) -> Kernel:
        """A copy of its own kernel under another name, with another command line."""
        image = self.domain.files.folder / f"vmlinuz-{name}"
        shutil.copy(self.domain.files.kernel, image)
        return Kernel(name, str(image), str(self.domain.files.initrd), cmdline)


@pytest.fixture
async def bench(libvirtd: Libvirtd, tiny_domain: Domain, tmp_path: Path) -> AsyncIterator[Bench]:
    connections = LibvirtConnections()
    guests = LibvirtGuests(connections)
    environment = replace(libvirtd.environment(tiny_domain), boot_timeout=BOOT_SECONDS)
    await guests.start(environment)
    await asyncio.to_thread(libvirtd.wait_for_ssh, tiny_domain)
    history = open_history(tmp_path)
    content = LocalContent()
    outside = ports(history, tmp_path, over_ssh(content), content)
    yield Bench(replace(outside, guests=guests, clock=SystemClock()), environment, tiny_domain)
    history.close()
    connections.close()


async def deployed(outside: Ports, environment: Environment, *params: str) -> tuple[RunState, str]:
    """A plan of nothing but parameters, run on a machine; what it booted, nothing where it did not."""
    plan = Plan(
        name="params",
        environments=(replace(environment, snapshot="never"),),
        policy=Policy(stage_timeout=BOOT_SECONDS * 3),
        instrumentation=Instrumentation({}, may_reboot=True, kernel_params=params),
    )
    orchestrator = Orchestrator(outside)
    try:
        number = await orchestrator.submit(plan)
        await orchestrator.wait(number)
    finally:
        await orchestrator.close()
    events = outside.log.events(number)
    bodies = [each.body for each in events]
    booted = [each.value for each in bodies if isinstance(each, FactFound) and each.name == "kernel_booted"]
    return fold(events), "".join(booted)


async def test_a_kernel_is_booted_proven_given_parameters_and_gone_with_the_next_start(
    bench: Bench, libvirtd: Libvirtd
) -> None:
    connection = libvirtd.connect()
    domain = connection.lookupByName(bench.domain.name)
    before = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    boot = await output_of(bench.environment, "cat /proc/sys/kernel/random/boot_id")
    said: list[Body] = []
    switch = KernelSwitch(ports=bench.ports, environment=bench.environment, tell=said.append)
    kernel = bench.kernel("marked", "console=ttyS0 panic=-1 kd.marked=1")
    booted = await switch.boot(kernel, ["kd.marked=2", "loglevel=7"])
    assert booted.release == booted.before == bench.domain.files.image.release
    assert booted.cmdline == "console=ttyS0 panic=-1 kd.marked=2 loglevel=7"
    assert booted.build.startswith("#1 SMP")
    assert await output_of(bench.environment, "cat /proc/sys/kernel/random/boot_id") != boot
    assert "booting the kernel marked" in [each.note for each in said if isinstance(each, StageProgress)]
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before

    named, params = replace(bench.environment, kernels=(kernel,)), ("kd.marked=3", 'kd.words="a b"')
    for expected in (f"{booted.release} (marked with {' '.join(params)}), booted by this run", ""):
        state, text = await deployed(bench.ports, named, *params)
        assert state.environments[named.name].ready, state.environments[named.name].error
        assert text == expected
    line = 'console=ttyS0 panic=-1 kd.marked=3 kd.words="a b"'
    assert await output_of(named, "cat /proc/cmdline") == line
    state, text = await deployed(bench.ports, named, "kd.panic")
    error = state.environments[named.name].error
    assert error is not None
    assert (error.code, text) == ("E-KERNEL-BOOT", "")
    assert "its kernel panicked) (it was to run marked with kd.panic)" in error.message
    assert error.on_target == f"It is back on the kernel before, {booted.release}."
    assert await output_of(named, "cat /proc/cmdline") == line, "what ran before"
    await bench.ports.guests.force_off(bench.environment)
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before
    connection.close()


async def test_a_board_leaves_its_kernel_by_kexec(tmp_path: Path) -> None:
    history = open_history(tmp_path)
    with tiny_guest(tmp_path, memory=320) as board:
        environment = replace(board.environment("board"), boot_timeout=BOOT_SECONDS)
        async with client(environment) as connection, connection.start_sftp_client() as files:
            await files.put([str(board.files.kernel), str(board.files.initrd)], "/data/")
        content = LocalContent()
        outside = replace(ports(history, tmp_path, over_ssh(content), content), clock=SystemClock())
        switch = BoardSwitch(ports=outside, environment=environment)
        with pytest.raises(TargetError, match="/data/nothing is not there") as caught:
            await switch.boot(Kernel("none", "/data/nothing"))
        assert (caught.value.code, caught.value.on_target) == ("E-POWER-BOOT", "Nothing was changed.")
        boot = await output_of(environment, "cat /proc/sys/kernel/random/boot_id")
        booted = await switch.boot(Kernel("other", "/data/vmlinuz", "/data/initrd.gz"), ["kd.marked=3"])
        assert booted.cmdline == "console=ttyS0 panic=-1 kd.marked=3"
        assert booted.release == booted.before == board.files.image.release
        assert await output_of(environment, "cat /proc/sys/kernel/random/boot_id") != boot
        others = (Kernel("none", "/data/nothing"), Kernel("initrd", "/data/initrd.gz"))
        named = replace(environment, kernels=(*others, Kernel("now", "/data/vmlinuz", "/data/initrd.gz")))
        for expected in (f"{booted.release} (now with kd.marked=4), booted by this run", ""):
            state, said = await deployed(outside, named, "kd.marked=4")
            assert state.environments["board"].ready, state.environments["board"].error
            assert said == expected
        assert await output_of(environment, "cat /proc/cmdline") == "console=ttyS0 panic=-1 kd.marked=4"
        boot = await output_of(environment, "cat /proc/sys/kernel/random/boot_id")
        rebooted = await reboot(outside, environment, lambda body: None)
        assert rebooted.boot_id != boot
        assert await output_of(environment, "cat /proc/cmdline") == "console=ttyS0 panic=-1", "what it boots by itself"
    history.close()
