"""Guests of a real libvirtd: started, measured, frozen, killed, brought back to snapshots."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import GuestError, HypervisorLost
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.guest import GuestState
from tests.lab.client import output_of
from tests.lab.guest import BOOT_SECONDS, kill
from tests.lab.libvirtd import Domain, Libvirtd

libvirt = pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]


@pytest.fixture
async def guests() -> AsyncIterator[LibvirtGuests]:
    connections = LibvirtConnections()
    yield LibvirtGuests(connections)
    connections.close()


@pytest.fixture
async def up(libvirtd: Libvirtd, tiny_domain: Domain, guests: LibvirtGuests) -> Environment:
    """The guest of this session, running and answering."""
    environment = libvirtd.environment(tiny_domain)
    await guests.start(environment)
    await asyncio.to_thread(libvirtd.wait_for_ssh, tiny_domain)
    return environment


async def test_a_running_guest_is_measured(up: Environment, guests: LibvirtGuests) -> None:
    before = await guests.figures(up)
    await output_of(
        up,
        "dd if=/dev/zero of=/data/some bs=64k count=64 conv=fsync 2>&1; i=0; while [ $i -lt 999 ]; do i=$((i+1)); done",
    )
    after = await guests.figures(up)
    assert 0 < after.cpu_since(before) <= 100
    assert after.cores == 1
    assert 100 << 20 < after.memory <= 192 << 20
    assert after.memory_used is not None
    assert 0 < after.memory_used < after.memory
    assert after.disk_written - before.disk_written >= 64 * 65536


async def test_a_snapshot_brings_back_files_and_the_running_guest(up: Environment, guests: LibvirtGuests) -> None:
    for each in await guests.snapshots(up):
        await guests.drop_snapshot(up, each)
    boot = await output_of(up, "echo before >/data/proof; sync; cat /proc/sys/kernel/random/boot_id")
    await guests.take_snapshot(up, "kd-1")
    await output_of(up, "echo after >/data/proof; sync")
    assert await guests.snapshots(up) == ("kd-1",)
    await guests.revert(up, "kd-1")
    assert await output_of(up, "cat /data/proof /proc/sys/kernel/random/boot_id") == f"before\n{boot}"
    await guests.drop_snapshot(up, "kd-1")
    assert await guests.snapshots(up) == ()


async def test_a_paused_guest_goes_on(
    up: Environment, libvirtd: Libvirtd, tiny_domain: Domain, guests: LibvirtGuests
) -> None:
    connection = libvirtd.connect()
    connection.lookupByName(tiny_domain.name).suspend()
    assert (await guests.status(up)).text == "paused (somebody paused it)"
    await guests.start(up)
    assert (await guests.status(up)).state is GuestState.RUNNING
    connection.close()


async def test_a_frozen_qemu_is_no_running_guest(
    up: Environment, libvirtd: Libvirtd, tiny_domain: Domain, guests: LibvirtGuests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "GUEST_ANSWER", 2.0)
    qemu = libvirtd.qemu(tiny_domain)
    kill(qemu, signal.SIGSTOP)
    try:
        assert (await guests.status(up)).text == "frozen (its QEMU does not answer)"
    finally:
        kill(qemu, signal.SIGCONT)
    monkeypatch.undo()
    assert (await guests.status(up)).state is GuestState.RUNNING


async def test_a_libvirtd_that_was_restarted_is_asked_again(
    up: Environment, libvirtd: Libvirtd, guests: LibvirtGuests
) -> None:
    libvirtd.kill()
    with pytest.raises(HypervisorLost) as caught:
        await guests.status(up)
    assert caught.value.code == "E-LIBVIRT"
    assert await output_of(up, "echo alive") == "alive"
    libvirtd.start()
    assert (await guests.status(up)).state is GuestState.RUNNING
    libvirtd.kill()
    libvirtd.start()
    assert (await guests.status(up)).state is GuestState.RUNNING, "a dead connection is not told, but opened again"


async def test_a_libvirtd_that_hangs_is_not_waited_for(
    up: Environment, libvirtd: Libvirtd, guests: LibvirtGuests, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await guests.status(up)).state is GuestState.RUNNING
    monkeypatch.setattr(defaults, "HYPERVISOR_TIMEOUT", 1.0)
    libvirtd.pause()
    try:
        with pytest.raises(HypervisorLost) as caught:
            await guests.status(up)
    finally:
        libvirtd.resume()
    assert caught.value.code == "E-LIBVIRT-TIMEOUT"
    monkeypatch.undo()
    assert (await guests.status(up)).state is GuestState.RUNNING


async def test_a_killed_qemu_is_a_crash_and_starts_again(
    up: Environment, libvirtd: Libvirtd, tiny_domain: Domain, guests: LibvirtGuests
) -> None:
    kill(libvirtd.qemu(tiny_domain))
    async with asyncio.timeout(60):
        while (await guests.status(up)).state is GuestState.RUNNING:
            await asyncio.sleep(0.1)
    assert (await guests.status(up)).text == "crashed (its QEMU died)"
    await guests.start(up)
    assert (await guests.status(up)).state is GuestState.RUNNING


async def test_it_shuts_down_by_its_power_button(up: Environment, guests: LibvirtGuests) -> None:
    assert await guests.shut_down(up, BOOT_SECONDS)
    assert (await guests.status(up)).text == "shut off (it shut down)"


async def test_a_start_that_fails_says_why(
    libvirtd: Libvirtd, tiny_domain: Domain, guests: LibvirtGuests, tmp_path: Path
) -> None:
    connection = libvirtd.connect()
    xml = connection.lookupByName(tiny_domain.name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    broken = xml.replace("<name>kd-tiny", "<name>kd-broken").replace("data.qcow2", "nothing.qcow2")
    uuid = xml[xml.index("<uuid>") : xml.index("</uuid>") + 7]
    domain = connection.defineXML(broken.replace(uuid, ""))
    environment = Environment(name="b", host="", uri=libvirtd.uri, domain="kd-broken")
    try:
        with pytest.raises(GuestError) as caught:
            await guests.start(environment)
    finally:
        domain.undefine()
        connection.close()
    assert caught.value.code == "E-GUEST-START"
    assert "nothing.qcow2" in caught.value.message
