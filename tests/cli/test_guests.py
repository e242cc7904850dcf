"""A real guest on the command line: from shut off to READY, its kernels, its snapshot, its power."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.model.environment import Environment, Kernel
from tests.cli.program import Lab, kdeploy
from tests.lab.client import output_of
from tests.lab.guest import BOOT_SECONDS, CMDLINE, GuestFiles, answers
from tests.lab.libvirtd import Domain, Libvirtd
from tests.lab.ports import free_port
from tests.lab.processes import wait_until

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

PACED = '[policy]\nstage_timeout = "400s"\n'


@pytest.fixture
def vm(lab: Lab, libvirtd: Libvirtd, tiny_domain: Domain, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The guest of this session, shut off, in a lab of its own that lets runs start it."""
    pytest.importorskip("libvirt")
    monkeypatch.setattr("tests.cli.program.DEADLINE", 600)
    plain = libvirtd.environment(tiny_domain)
    marked = Kernel("marked", str(tiny_domain.files.kernel), str(tiny_domain.files.initrd), "console=ttyS0 kd.marked=1")
    environment = replace(plain, name="vm", autostart=True, boot_timeout=400.0, kernels=(marked,))
    assert add_environment(lab.home / "lab.toml", environment) == ()
    libvirtd.reset(tiny_domain)
    assert kdeploy("power", "vm", "off").status == 0
    return environment


async def test_from_shut_off_to_ready_and_back(lab: Lab, vm: Environment) -> None:
    plan = lab.write_plan(extra=PACED)
    said = kdeploy("deploy", plan)
    assert said.status == 0, said.stdout + said.stderr
    assert "guest:         running" in kdeploy("env", "show", "vm").stdout
    await output_of(vm, "cat ~/suite/one.sh; echo mine >/data/mine; sync")
    again = kdeploy("deploy", plan, "--json")
    assert again.status == 0
    finished = again.events[-1]["environments"][0]
    assert (finished["files"]["sent"], finished["files"]["bytes"], finished["ready"]) == (0, 0, True)
    assert kdeploy("env", "check", "vm").stdout.startswith("vm: guest: running\nvm: reached: ")
    (lab.folder / "one.sh").write_text("#!/bin/sh\necho changed\n")
    third = kdeploy("deploy", plan, "--json")
    assert third.status == 0
    await output_of(vm, "grep changed ~/suite/one.sh; echo other >/data/mine; sync")
    back = kdeploy("rollback", str(third.events[0]["run"]))
    assert back.status == 0, back.stdout + back.stderr
    assert await output_of(vm, "cat /data/mine; grep -c one.sh ~/suite/one.sh") == "mine\n1"
    booted = kdeploy("power", "vm", "boot", "marked")
    assert booted.status == 0, booted.stderr
    assert "vm: marked: " in booted.stdout
    assert "shutting down" in booted.stderr
    assert "kd.marked=1" in await output_of(vm, "cat /proc/cmdline")
    assert kdeploy("ready", "vm").status == 3
    reset = kdeploy("power", "vm", "reset")
    assert reset.stdout.startswith("vm: reset: libvirt: kd-tiny: reset ("), reset.stderr
    off = kdeploy("power", "vm", "off", "--json").json
    assert off["steps"][0]["action"] == "off"
    assert "guest:         shut off" in kdeploy("env", "show", "vm").stdout


def test_doctor_tells_its_guests(lab: Lab, vm: Environment) -> None:
    said = kdeploy("doctor")
    assert f"guests at {vm.uri}" in said.stdout
    assert "kd-tiny shut off" in said.stdout
    file = lab.home / "lab.toml"
    file.write_text(file.read_text().replace('domain = "kd-tiny"', 'domain = "kd-tinny"'))
    assert "it has no guest kd-tinny" in kdeploy("doctor").stdout


def test_what_is_not_there_is_told(lab: Lab, vm: Environment, tmp_path: Path) -> None:
    said = kdeploy("power", "vm", "boot", "kasan")
    assert (said.status, "E-KERNEL-UNKNOWN" in said.stderr) == (1, True)
    file = lab.home / "lab.toml"
    file.write_text(file.read_text().replace(vm.uri, f"qemu:///session?socket={tmp_path}/nobody"))
    said = kdeploy("power", "vm", "on")
    assert (said.status, "E-LIBVIRT (VM): libvirt at qemu:///session" in said.stderr) == (1, True)
    assert "virsh -c" in said.stderr


def test_guests_of_libvirt_are_added_once(lab: Lab) -> None:
    pytest.importorskip("libvirt")
    lab.add(Environment(name="test", host="h"))
    said = kdeploy("env", "add", "--from-libvirt", "test:///default", "--user", "lab", "--tag", "vm", "--json")
    assert said.status == 0, said.stderr
    (added,) = said.json["added"]
    assert (added["name"], added["domain"], added["uri"], added["user"]) == ("test-2", "test", "test:///default", "lab")
    assert "test-2  qemu" in kdeploy("env", "list").stdout
    again = kdeploy("env", "add", "--from-libvirt", "test:///default")
    assert again.stdout == f"All guests at test:///default are in {lab.home / 'lab.toml'} already\n"
    said = kdeploy("env", "add", "--from-libvirt", "test:///default", "tset")
    assert (said.status, "has no guest 'tset' - did you mean 'test'?" in said.stderr) == (1, True)


@pytest.mark.parametrize(
    "words", [["a"], ["a", "b", "--host", "h"], ["--host", "h", "--from-libvirt", "test:///default"]]
)
def test_what_to_add_must_be_clear(lab: Lab, words: list[str]) -> None:
    assert kdeploy("env", "add", *words).status == 2


async def test_a_guest_is_defined_out_of_a_disk(lab: Lab, libvirtd: Libvirtd, guest_files: GuestFiles) -> None:
    disk = guest_files.folder / "defined.qcow2"
    shutil.copy(guest_files.image.disk, disk)
    disk.chmod(0o666)
    port = free_port()
    words: list[str | Path] = [
        "env",
        "define",
        "vm-new",
        libvirtd.uri,
        "--disk",
        disk,
        "--memory",
        "192",
        "--port",
        str(port),
    ]
    boot: list[str | Path] = ["--kernel", guest_files.kernel, "--initrd", guest_files.initrd, "--cmdline", CMDLINE]
    said = kdeploy(*words, *boot, "--identity-file", guest_files.image.identity_file)
    assert said.status == 0, said.stderr
    assert "Then pin its host key: kdeploy env trust vm-new" in said.stdout
    connection = libvirtd.connect()
    domain = connection.lookupByName("vm-new")
    try:
        assert "E-GUEST-DEFINE" in kdeploy("env", "define", *words[2:], "--lab", lab.home / "other.toml").stderr
        assert kdeploy("power", "vm-new", "on").status == 0
        wait_until(lambda: answers(port), "it answers", BOOT_SECONDS)
        assert kdeploy("env", "trust", "vm-new", "--fingerprint", guest_files.image.fingerprint).status == 0
        assert kdeploy("env", "check", "vm-new").stdout.startswith("vm-new: guest: running\nvm-new: reached: ")
    finally:
        if domain.isActive():
            domain.destroy()
        domain.undefine()
        connection.close()


@pytest.mark.parametrize(
    "words",
    [
        ["qemu:///session", "--disk", "/d"],
        ["qemu:///system", "--disk", "d"],
        ["qemu+ssh://h/system", "--disk", "/d", "--port", "2222"],
    ],
)
def test_what_cannot_be_defined_is_refused(lab: Lab, words: list[str]) -> None:
    assert kdeploy("env", "define", "vm", *words).status == 2
