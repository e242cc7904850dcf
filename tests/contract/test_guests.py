"""The `Guests` port: guests in memory, libvirt's own test driver and a real guest are held to the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.errors import Category, GuestError
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.guest import DirectBoot, GuestDescription, GuestState, GuestStatus
from kdeploy_gui.ports import Guests

GUEST = Environment(name="vm", host="", kind=Kind.QEMU, uri="test:///default", domain="test")


@dataclass
class Peer:
    """A hypervisor with one guest; all verbs here start with it running."""

    guests: Guests
    environment: Environment


@pytest.fixture(params=["memory", "test driver"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    if request.param == "memory":
        running = MemoryGuest(GuestStatus(GuestState.RUNNING), address="192.168.122.3")
        yield Peer(MemoryGuests({"test": running}), GUEST)
        return
    pytest.importorskip("libvirt")
    connections = LibvirtConnections()
    guests = LibvirtGuests(connections)
    await guests.start(GUEST)  # the driver's guests are those of this process: another test may have left it off
    yield Peer(guests, GUEST)
    connections.close()


async def state(peer: Peer) -> GuestState:
    return (await peer.guests.status(peer.environment)).state


async def test_all_guests_are_seen(peer: Peer) -> None:
    seen = next(each for each in await peer.guests.seen(peer.environment.uri) if each.name == "test")
    assert (seen.name, seen.status.state) == ("test", GuestState.RUNNING)
    assert seen.arch


@pytest.fixture
async def changes(peer: Peer) -> AsyncIterator[AsyncGenerator[tuple[str, GuestStatus], None]]:
    """What a watcher of the hypervisor is told, from the first state of the guest on."""
    watched = peer.guests.watch(peer.environment.uri)
    assert isinstance(watched, AsyncGenerator)
    async with aclosing(watched):
        assert await told(watched) == "running"
        yield watched


async def told(changes: AsyncIterator[tuple[str, GuestStatus]]) -> str:
    while True:
        name, status = await anext(changes)
        if name == "test":
            return status.text


async def test_what_becomes_of_a_guest_is_told(
    peer: Peer, changes: AsyncGenerator[tuple[str, GuestStatus], None]
) -> None:
    await peer.guests.force_off(peer.environment)
    assert await told(changes) == "shut off (somebody switched it off)"
    await peer.guests.start(peer.environment)
    assert await told(changes) == "running"
    assert await peer.guests.shut_down(peer.environment, 10)
    assert await told(changes) == "shut off (it shut down)"


async def test_of_many_changes_the_newest_is_told_and_all_who_watch_are(
    peer: Peer, changes: AsyncGenerator[tuple[str, GuestStatus], None]
) -> None:
    other = peer.guests.watch(peer.environment.uri)
    assert await told(other) == "running", "who comes later is told where things are"
    for _ in range(20):
        await peer.guests.force_off(peer.environment)
        await peer.guests.start(peer.environment)
    await peer.guests.shut_down(peer.environment, 10)
    for each in (changes, other):
        words: list[str] = []
        while words[-1:] != ["shut off (it shut down)"]:
            words.append(await told(each))
        assert len(words) <= 41


async def test_the_plug_is_pulled_and_it_starts_again(peer: Peer) -> None:
    await peer.guests.force_off(peer.environment)
    status = await peer.guests.status(peer.environment)
    assert status.text == "shut off (somebody switched it off)"
    await peer.guests.force_off(peer.environment)
    await peer.guests.start(peer.environment)
    await peer.guests.start(peer.environment)
    assert await state(peer) is GuestState.RUNNING


async def test_it_shuts_down(peer: Peer) -> None:
    assert await peer.guests.shut_down(peer.environment, 10)
    assert (await peer.guests.status(peer.environment)).text == "shut off (it shut down)"
    assert await peer.guests.shut_down(peer.environment, 10), "it is down already"


async def test_a_guest_that_is_off_cannot_be_reset_or_measured(peer: Peer) -> None:
    await peer.guests.reset(peer.environment)
    await peer.guests.force_off(peer.environment)
    for work in (peer.guests.reset, peer.guests.figures):
        with pytest.raises(GuestError) as caught:
            await work(peer.environment)
        assert (caught.value.code, caught.value.category) == ("E-GUEST-ACTION", Category.VM)
        assert "test failed: " in caught.value.message


async def test_a_guest_is_defined_once_and_stays_off(peer: Peer) -> None:
    uri = peer.environment.uri
    description = GuestDescription(name=f"new-{uuid4()}", disk="/srv/new.qcow2")
    await peer.guests.define(uri, description)
    found = {each.name: each.status.state for each in await peer.guests.seen(uri)}
    assert found[description.name] is GuestState.OFF
    with pytest.raises(GuestError, match="there is a guest of that name") as caught:
        await peer.guests.define(uri, description)
    assert caught.value.code == "E-GUEST-DEFINE"


async def test_an_unknown_guest_is_told(peer: Peer) -> None:
    with pytest.raises(GuestError) as caught:
        await peer.guests.status(replace(peer.environment, domain="nobody"))
    assert caught.value.code == "E-GUEST-UNKNOWN"
    assert caught.value.message == "libvirt at test:///default has no guest 'nobody'"


async def test_the_address_of_the_lab_file_goes_before_the_lease(peer: Peer) -> None:
    assert (await peer.guests.address(peer.environment)).startswith("192.168.122.")
    assert await peer.guests.address(replace(peer.environment, host="10.0.0.1")) == "10.0.0.1"


async def test_snapshots_bring_back_what_it_did_then(peer: Peer) -> None:
    if peer.environment is GUEST and isinstance(peer.guests, LibvirtGuests):
        with pytest.raises(GuestError, match="its disk vda is raw") as caught:
            await peer.guests.take_snapshot(peer.environment, "kd-1")
        assert caught.value.code == "E-SNAPSHOT"
        return
    await peer.guests.take_snapshot(peer.environment, "kd-1")
    with pytest.raises(GuestError, match="there is a snapshot kd-1"):
        await peer.guests.take_snapshot(peer.environment, "kd-1")
    await peer.guests.force_off(peer.environment)
    await peer.guests.revert(peer.environment, "kd-1")
    assert await state(peer) is GuestState.RUNNING
    assert await peer.guests.snapshots(peer.environment) == ("kd-1",)
    await peer.guests.drop_snapshot(peer.environment, "kd-1")
    await peer.guests.drop_snapshot(peer.environment, "kd-1")
    assert await peer.guests.snapshots(peer.environment) == ()


async def test_a_snapshot_that_is_gone_is_told(peer: Peer) -> None:
    with pytest.raises(GuestError) as caught:
        await peer.guests.revert(peer.environment, "kd-9")
    assert caught.value.code == "E-SNAPSHOT-GONE"


async def test_a_direct_boot_leaves_the_definition_alone(peer: Peer) -> None:
    before = await peer.guests.boot_source(peer.environment)
    assert before.running == before.defined
    kernel = DirectBoot("/boot/other", "", "console=ttyS0 x=<&>")
    with pytest.raises(GuestError) as caught:
        await peer.guests.boot(peer.environment, kernel)
    assert caught.value.code == "E-GUEST-START"
    await peer.guests.force_off(peer.environment)
    await peer.guests.boot(peer.environment, kernel)
    assert await state(peer) is GuestState.RUNNING
    assert await peer.guests.boot_source(peer.environment) == replace(before, running=kernel)
    await peer.guests.force_off(peer.environment)
    await peer.guests.start(peer.environment)
    assert await peer.guests.boot_source(peer.environment) == before


async def test_a_hypervisor_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    guests = LibvirtGuests(LibvirtConnections())
    uri = f"qemu:///session?socket={tmp_path}/nobody"
    with pytest.raises(GuestError) as caught:
        await guests.seen(uri)
    assert (caught.value.code, caught.value.details["uri"]) == ("E-LIBVIRT", uri)
    assert "No such file or directory" in caught.value.message
