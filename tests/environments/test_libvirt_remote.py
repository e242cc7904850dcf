"""Guests of another host: the same verbs through libvirt's own way over SSH."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui.environments.libvirt_connection import LibvirtConnections, without_questions
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import GuestError, HypervisorLost
from kdeploy_gui.model.guest import GuestState
from tests.lab.libvirtd import Domain, Libvirtd
from tests.lab.sshd import Sshd

pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]


def _ssh(server: Sshd) -> Path:
    """ssh with the key and the pinned host key of this server, and nothing of this user's own."""
    host, known = server.environment(), server.folder / "known_hosts"
    keys = [asyncssh.read_private_key(server.folder / f"host_{kind}") for kind in server.host_key_types]
    lines = [key.export_public_key().decode().strip() for key in keys]
    known.write_text("".join(f"[{host.host}]:{host.port} {line}\n" for line in lines))
    options = f"-F none -i {host.identity_file} -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes"
    return _script(server.folder / "ssh", f'#!/bin/sh\nexec ssh {options} "$@"\n')


def _netcat(folder: Path) -> Path:
    """As much of netcat as libvirt's client uses, which is `nc -U SOCKET`."""
    return _script(
        folder / "nc", f"#!{sys.executable}\n{inspect.getsource(bridge)}\nimport sys\nbridge(sys.argv[-1])\n"
    )


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def bridge(path: str) -> None:
    """stdin and stdout of a program of its own, with a socket."""
    import os
    import select
    import socket

    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        while True:
            for ready in select.select([0, peer.fileno()], [], [])[0]:
                data = os.read(ready, 65536)
                if not data:
                    return
                if ready == 0:
                    peer.sendall(data)
                else:
                    os.write(1, data)


def test_ssh_is_told_to_ask_nothing() -> None:
    assert without_questions("qemu+ssh://lab@hv/system") == "qemu+ssh://lab@hv/system?no_tty=1"
    assert without_questions("qemu+ssh://hv/system?keyfile=/k") == "qemu+ssh://hv/system?keyfile=/k&no_tty=1"
    for same in ("qemu+ssh://hv/system?no_tty=0", "qemu:///session", "test:///default"):
        assert without_questions(same) == same


def _uri(libvirtd: Libvirtd, sshd: Sshd) -> str:
    host = sshd.environment()
    options = f"socket={libvirtd.socket}&mode=direct&command={_ssh(sshd)}&netcat={_netcat(sshd.folder)}"
    return f"qemu+ssh://{host.user}@{host.host}:{host.port}/session?{options}"


async def test_what_becomes_of_a_guest_behind_ssh_is_told_also_after_a_lost_way(
    libvirtd: Libvirtd, tiny_domain: Domain, sshd: Sshd
) -> None:
    libvirtd.reset(tiny_domain)
    domain = libvirtd.connect().lookupByName(tiny_domain.name)
    connections = LibvirtConnections()
    changes = LibvirtGuests(connections).watch(_uri(libvirtd, sshd))
    assert isinstance(changes, AsyncGenerator)

    async def until(state: GuestState) -> None:
        async for name, status in changes:
            if (name, status.state) == (tiny_domain.name, state):
                return

    async with aclosing(changes), asyncio.timeout(240):
        await until(GuestState.OFF)
        domain.create()
        await until(GuestState.RUNNING)
        sshd.restart()
        domain.destroy()
        await until(GuestState.OFF)
        domain.create()
        await until(GuestState.RUNNING)
    domain.destroy()
    connections.close()


async def test_a_guest_behind_ssh_is_started_seen_and_switched_off(
    libvirtd: Libvirtd, tiny_domain: Domain, sshd: Sshd
) -> None:
    uri = _uri(libvirtd, sshd)
    connections = LibvirtConnections()
    guests = LibvirtGuests(connections)
    environment = replace(libvirtd.environment(tiny_domain), uri=uri)
    try:
        assert tiny_domain.name in [each.name for each in await guests.seen(uri)]
        await guests.force_off(environment)
        await guests.start(environment)
        assert (await guests.status(environment)).state is GuestState.RUNNING
        sshd.restart()
        assert (await guests.status(environment)).state is GuestState.RUNNING, "a lost way is gone again"
        await guests.force_off(environment)
        with pytest.raises(GuestError) as caught:
            await guests.figures(environment)
        assert caught.value.code == "E-GUEST-ACTION"
        sshd.stop()
        with pytest.raises(HypervisorLost) as lost:
            await guests.status(environment)
        assert lost.value.code == "E-LIBVIRT"
        assert "Connection refused" in lost.value.message
    finally:
        connections.close()
