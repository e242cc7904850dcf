"""The tiny guest boots, alone and under a libvirtd of the tests' own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.lab import guest_image
from tests.lab.client import client, offered_key, output_of
from tests.lab.guest import BOOT_SECONDS, GuestFiles, answers, kill, tiny_guest
from tests.lab.libvirtd import Domain, Libvirtd
from tests.lab.processes import wait_until

libvirt = pytest.importorskip("libvirt")
pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]


@pytest.mark.skipif(bool(guest_image.unfit()), reason=guest_image.unfit())
async def test_qemu_alone_boots_it(tmp_path: Path) -> None:
    with tiny_guest(tmp_path, memory=160) as guest:
        wait_until(lambda: "tiny guest is up: " in guest.console(), "it says so on its console", BOOT_SECONDS)
        environment = guest.environment()
        async with client(environment) as connection:
            assert offered_key(connection) in environment.host_keys
            done = await connection.run("uname -r; echo ~; grep ' /data ' /proc/mounts")
        release, home, mount = str(done.stdout).splitlines()
        assert (release, home) == (guest.files.image.release, "/data/root")
        assert mount.startswith("/dev/vda /data ext4 rw")
    assert not answers(guest.port)


async def test_libvirt_starts_it_and_acpi_ends_it(libvirtd: Libvirtd, tiny_domain: Domain) -> None:
    libvirtd.reset(tiny_domain)
    connection = libvirtd.connect()
    domain = connection.lookupByName(tiny_domain.name)
    domain.create()
    libvirtd.wait_for_ssh(tiny_domain)
    assert await output_of(libvirtd.environment(tiny_domain), "uname -s") == "Linux"
    domain.shutdown()
    wait_until(lambda: not domain.isActive(), "it is shut off", BOOT_SECONDS)
    assert domain.state()[1] == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN
    connection.close()


def test_a_guest_survives_its_libvirtd(libvirtd: Libvirtd, tiny_domain: Domain) -> None:
    libvirtd.reset(tiny_domain)
    connection = libvirtd.connect()
    connection.lookupByName(tiny_domain.name).create()
    qemu = libvirtd.qemu(tiny_domain)
    libvirtd.kill()
    assert libvirtd.qemu(tiny_domain) == qemu
    libvirtd.start()
    again = libvirtd.connect()
    domain = again.lookupByName(tiny_domain.name)
    assert domain.memoryStats()  # waits until the daemon has found its guests again
    kill(qemu, signal.SIGKILL)
    wait_until(lambda: not domain.isActive(), "it is shut off", 60)
    assert domain.state()[1] in {libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, libvirt.VIR_DOMAIN_SHUTOFF_DAEMON}
    again.close()


def test_the_files_of_a_guest_are_its_own(guest_files: GuestFiles) -> None:
    assert guest_files.disk != guest_files.image.disk
    assert os.access(guest_files.kernel, os.R_OK)
