"""Other kernels of a board that has no kexec, on the command line: through its real boot loader, and back."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kdeploy_gui import defaults
from kdeploy_gui.cli.main import kdeploy as program
from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.model.environment import Environment, Kernel
from tests.cli.program import Lab
from tests.lab.boot_loaders import CUSTOM_CFG, OWN_LINE, SYSLINUX_CFG, grub, no_grub, no_syslinux, syslinux
from tests.lab.client import output_of
from tests.lab.guest import ADDRESS, BOOT_SECONDS, TinyGuest, tiny_guest
from tests.lab.processes import wait_until

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

GRUB_FILES = "cd /boot/grub && ls && sha256sum grub.cfg custom.cfg && grub-editenv grubenv list"
LINE = "cat /proc/cmdline"
ASKS, UP = "\nboot: ", "tiny guest is up"
MARKED = Kernel("marked", "/boot/vmlinuz", "/boot/initrd.gz", 'console=ttyS0 panic=1 kd.words="a b"')
DEAD = replace(MARKED, name="dead", cmdline="console=ttyS0 panic=1 kd.panic")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU takes connections for a guest that is down, and leaves them without an answer."""
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 10.0)
    monkeypatch.setattr(defaults, "LOGINS_PER_BOOT", 18)
    monkeypatch.setattr(defaults, "KEEPALIVE_INTERVAL", 5.0)
    monkeypatch.setattr(defaults, "BOOT_POLL", 3.0)


def kdeploy(*arguments: str) -> Result:
    """The command in this process, with what is set above."""
    return CliRunner().invoke(program, arguments)


def on(board: Environment, command: str) -> str:
    return asyncio.run(output_of(board, command))


def board_of(lab: Lab, guest: TinyGuest, seconds: float = BOOT_SECONDS) -> Environment:
    """The guest in the lab file, as a board with a console."""
    board = replace(guest.environment("board"), boot_timeout=seconds, kernels=(MARKED, DEAD))
    assert add_environment(lab.home / "lab.toml", board) == ()
    return board


@pytest.mark.skipif(bool(no_grub()), reason=no_grub())
def test_grub_boots_a_kernel_once_and_one_that_panics_leads_back_by_itself(lab: Lab, tmp_path: Path) -> None:
    with tiny_guest(tmp_path, booted_by=grub, memory=256) as guest:
        board = board_of(lab, guest)
        own = f"BOOT_IMAGE=/boot/vmlinuz {OWN_LINE}"
        assert on(board, LINE) == own
        files = on(board, GRUB_FILES)

        said = kdeploy("power", "board", "boot", "dead")
        assert said.exit_code == 1
        assert "GRUB boots the kernel dead once" in said.stderr
        assert "its command line lacks panic=1 kd.panic" in said.stderr
        assert "It is back on the kernel before, " in said.stderr
        assert on(board, LINE) == own
        assert on(board, GRUB_FILES) == files
        assert on(board, "cat /boot/grub/custom.cfg").encode() == CUSTOM_CFG

        said = kdeploy("power", "board", "boot", "marked", "--json")
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout)["kernel"] == "marked"
        marked = 'BOOT_IMAGE=/boot/vmlinuz console=ttyS0 panic=1 "kd.words=a b"'
        assert on(board, LINE) == marked
        assert on(board, GRUB_FILES) == files

        guest.reset()
        guest.wait_for_ssh()
        assert on(board, LINE) == own


@pytest.mark.skipif(bool(no_syslinux()), reason=no_syslinux())
def test_another_default_of_syslinux_is_put_back_and_at_the_console_the_old_one_is_chosen(
    lab: Lab, tmp_path: Path
) -> None:
    config, kept = "/boot/syslinux/syslinux.cfg", "/boot/syslinux/syslinux.cfg.kdeploy-original"
    files, own = "cd /boot/syslinux && ls && cat syslinux.cfg", f"BOOT_IMAGE=/boot/vmlinuz {OWN_LINE} initrd="
    with tiny_guest(tmp_path, booted_by=syslinux, memory=256) as guest:
        board = board_of(lab, guest, seconds=15)
        assert on(board, LINE).startswith(own)
        before = on(board, files)
        assert before.encode().endswith(SYSLINUX_CFG.strip())

        said = kdeploy("power", "board", "boot", "dead")
        assert said.exit_code == 1
        assert "extlinux.conf has the kernel dead as its default until the board is up" in said.stderr
        assert "no other boot within 15 s" in said.stderr
        assert "until somebody chooses own in the menu of its boot loader, at its console" in said.stderr
        assert f"`mv {kept} {config}`" in said.stderr

        with socket.create_connection((ADDRESS, guest.serial)) as console:
            answered = guest.console().count(ASKS)

            def is_up() -> bool:
                nonlocal answered
                asked = guest.console().count(ASKS)
                if asked > answered:
                    console.sendall(b"own\r")
                answered = asked
                return UP in guest.console().rpartition(ASKS)[2]

            wait_until(is_up, "somebody who types in time is heard", 2 * BOOT_SECONDS)
            guest.wait_for_ssh()
        assert on(board, LINE).startswith(own)
        assert kept in on(board, f"ls {kept}")

        (lab.home / "lab.toml").write_text((lab.home / "lab.toml").read_text().replace("15s", "180s"))
        said = kdeploy("power", "board", "boot", "marked")
        assert said.exit_code == 0, said.output
        assert f"put back {config}, which a switch of kernels that was interrupted had left" in said.stderr
        assert on(board, LINE).startswith('BOOT_IMAGE=/boot/vmlinuz console=ttyS0 panic=1 kd.words="a b" initrd=')
        assert on(board, files) == before

        guest.reset()
        guest.wait_for_ssh()
        assert on(board, LINE).startswith(own)
