"""Lifecycle events of real guests: whoever does something, across restarts of libvirtd, in a process with Qt."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.environments.libvirt_watch import _Events
from kdeploy_gui.model.guest import GuestStatus
from tests.lab.guest import kill
from tests.lab.libvirtd import Domain, Libvirtd

libvirt = pytest.importorskip("libvirt")
SOON = 60.0

BESIDE_QT = """
import asyncio, sys
from PySide6.QtCore import QCoreApplication, QTimer
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections, module
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests

app = QCoreApplication([])
engine, guests = EngineThread(), LibvirtGuests(LibvirtConnections())
seen = []

async def watch():
    async for name, status in guests.watch("test:///default"):
        seen.append(status.state.value)

work = engine.start(watch())
connection = module().open("test:///default")
domain = connection.lookupByName("test")
turn = QTimer(interval=0)

def step():
    if len(seen) > 20:
        app.quit()
    elif seen:
        domain.destroy() if domain.isActive() else domain.create()

turn.timeout.connect(step)
turn.start()
app.exec()
work.cancel()
engine.close()
print("whole", set(seen) == {"running", "shut off"})
"""


def test_events_come_in_a_process_in_which_qt_runs_too() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE_QT], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "whole True\n"), done.stderr


async def test_many_events_take_no_more_room_than_the_guests_have() -> None:
    connections = LibvirtConnections()
    events = _Events("test:///default", ())
    connection = await connections.ask("test:///default", lambda each: each)
    domain = connection.lookupByName("test")
    for _ in range(5000):
        events._happened(connection, domain, 0, 0, None)
    assert events._names == {"test"}
    connections.close()


@pytest.fixture
async def changes(libvirtd: Libvirtd, tiny_domain: Domain) -> AsyncIterator[AsyncGenerator[tuple[str, GuestStatus]]]:
    libvirtd.reset(tiny_domain)
    connections = LibvirtConnections()
    watched = LibvirtGuests(connections).watch(libvirtd.uri)
    assert isinstance(watched, AsyncGenerator)
    async with aclosing(watched):
        await until(watched, "shut off (somebody switched it off)")
        yield watched
    connections.close()


async def until(changes: AsyncIterator[tuple[str, GuestStatus]], words: str) -> None:
    """Until the guest of the session is told as this."""
    async with asyncio.timeout(SOON):
        async for name, status in changes:
            if (name, status.text) == ("kd-tiny", words):
                return


@pytest.mark.guest
@pytest.mark.timeout(300)
async def test_what_others_do_and_what_dies_is_told(
    libvirtd: Libvirtd, tiny_domain: Domain, changes: AsyncGenerator[tuple[str, GuestStatus]]
) -> None:
    connection = libvirtd.connect()
    domain = connection.lookupByName(tiny_domain.name)
    domain.create()
    await until(changes, "running")
    domain.suspend()
    await until(changes, "paused (somebody paused it)")
    domain.resume()
    await until(changes, "running")
    domain.reset(0)
    kill(libvirtd.qemu(tiny_domain))
    await until(changes, "crashed (its QEMU died)")
    domain.create()
    await until(changes, "running")
    domain.destroy()
    await until(changes, "shut off (somebody switched it off)")
    connection.close()


@pytest.mark.guest
@pytest.mark.timeout(300)
async def test_after_a_restart_of_libvirtd_all_is_told_anew_and_events_come_again(
    libvirtd: Libvirtd, tiny_domain: Domain, changes: AsyncGenerator[tuple[str, GuestStatus]]
) -> None:
    connection = libvirtd.connect()
    connection.lookupByName(tiny_domain.name).create()
    await until(changes, "running")
    qemu = libvirtd.qemu(tiny_domain)
    libvirtd.kill()
    kill(qemu)
    libvirtd.start()
    await until(changes, "crashed (its QEMU died)")
    connection = libvirtd.connect()
    connection.lookupByName(tiny_domain.name).create()
    await until(changes, "running")
    connection.lookupByName(tiny_domain.name).destroy()
    await until(changes, "shut off (somebody switched it off)")
    connection.close()
