"""The console of a real guest under a real libvirtd: opened, typed at, shared, lost and found again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_console import LibvirtConsole, LibvirtConsoles
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import GuestError, NetworkError
from kdeploy_gui.model.environment import Environment
from tests.lab.guest import BOOT_SECONDS, kill
from tests.lab.libvirtd import Domain, Libvirtd

libvirt = pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]


@pytest.fixture
async def connections() -> AsyncIterator[LibvirtConnections]:
    found = LibvirtConnections()
    yield found
    found.close()


@pytest.fixture
def consoles() -> LibvirtConsoles:
    return LibvirtConsoles()


@pytest.fixture
async def up(libvirtd: Libvirtd, tiny_domain: Domain, connections: LibvirtConnections) -> Environment:
    environment = libvirtd.environment(tiny_domain)
    await LibvirtGuests(connections).start(environment)
    return environment


async def read_until(stream: LibvirtConsole, text: bytes, seconds: float = BOOT_SECONDS) -> bytes:
    data = b""
    async with asyncio.timeout(seconds):
        while text not in data:
            more = await stream.read()
            assert more, (stream.ended, data)
            data += more
    return data


async def reads_to_end(stream: LibvirtConsole) -> None:
    async with asyncio.timeout(30):
        while await stream.read():
            pass


async def test_a_boot_is_seen_and_its_shell_typed_at(
    up: Environment, consoles: LibvirtConsoles, connections: LibvirtConnections
) -> None:
    guests = LibvirtGuests(connections)
    await guests.force_off(up)
    await guests.start(up)
    stream = await consoles.open(up)
    assert stream.way == f"{up.domain} at {up.uri}"
    await read_until(stream, b"tiny guest is up")
    assert (await guests.status(up)).text.startswith("running"), "a console that is read holds up nobody else"
    await stream.write(b"echo $((40 + 2))\r")
    await read_until(stream, b"\r\n42\r\n")
    await stream.close()
    assert stream.ended == "closed here"
    with pytest.raises(NetworkError):
        await stream.write(b"x")


async def test_one_at_a_time_and_again_afterwards(up: Environment, consoles: LibvirtConsoles) -> None:
    first = await opened(up, consoles)
    with pytest.raises(GuestError) as caught:
        await consoles.open(up)
    assert caught.value.code == "E-CONSOLE-GUEST"
    await first.close()
    await (await opened(up, consoles)).close()


async def opened(up: Environment, consoles: LibvirtConsoles) -> LibvirtConsole:
    """libvirt may take a moment to notice that the console was closed before."""
    said = ""
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    return await consoles.open(up)
                except GuestError as error:
                    said = f"{error} {error.evidence.text}"
                    await asyncio.sleep(0.05)
    except TimeoutError as late:
        raise AssertionError(said) from late


async def test_a_guest_that_dies_ends_its_console_and_one_that_is_off_has_none(
    up: Environment, consoles: LibvirtConsoles, libvirtd: Libvirtd, tiny_domain: Domain
) -> None:
    stream = await opened(up, consoles)
    kill(libvirtd.qemu(tiny_domain), signal.SIGKILL)
    await reads_to_end(stream)
    assert stream.ended
    await stream.close()

    async def refusal() -> str:
        try:
            await (await consoles.open(up)).close()
        except GuestError as error:
            return error.code
        return ""

    async with asyncio.timeout(30):
        while await refusal() != "E-GUEST-OFF":
            await asyncio.sleep(0.05)


async def test_a_libvirtd_that_is_killed_ends_the_console_and_the_next_one_has_it_again(
    up: Environment, consoles: LibvirtConsoles, libvirtd: Libvirtd
) -> None:
    stream = await opened(up, consoles)
    libvirtd.kill()
    await reads_to_end(stream)
    assert stream.ended
    await stream.close()
    libvirtd.start()
    await (await opened(up, consoles)).close()


async def test_a_console_that_nobody_waits_for_any_more_is_free(
    up: Environment, consoles: LibvirtConsoles, connections: LibvirtConnections
) -> None:
    await LibvirtGuests(connections).status(up)
    for rounds in range(5):
        opening = asyncio.create_task(consoles.open(up))
        for _ in range(rounds):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled():
            await opening.result().close()
    await (await opened(up, consoles)).close()


async def test_an_unknown_guest_is_told(libvirtd: Libvirtd, tiny_domain: Domain, consoles: LibvirtConsoles) -> None:
    with pytest.raises(GuestError) as caught:
        await consoles.open(
            Environment(name="x", host="", kind=libvirtd.environment(tiny_domain).kind, uri=libvirtd.uri, domain="x")
        )
    assert caught.value.code == "E-GUEST-UNKNOWN"
