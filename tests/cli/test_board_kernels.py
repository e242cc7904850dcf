"""Other kernels of a board that has no kexec, on the command line: through its real boot loader, and back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.model.environment import Environment, Kernel
from tests.cli.program import Lab, kdeploy
from tests.lab.boot_loaders import CUSTOM_CFG, OWN_LINE, grub, no_grub
from tests.lab.client import output_of
from tests.lab.guest import BOOT_SECONDS, TinyGuest, tiny_guest

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

FILES = "cd /boot/grub && ls && sha256sum grub.cfg custom.cfg && grub-editenv grubenv list"
LINE = "cat /proc/cmdline"
MARKED = 'console=ttyS0 panic=1 kd.marked=1 kd.words="a b" kd.dollar=$prefix'


def board_of(lab: Lab, guest: TinyGuest, *kernels: Kernel, console: bool = True) -> Environment:
    """The guest in the lab file, as a board with these kernels."""
    environment = replace(guest.environment("board"), boot_timeout=BOOT_SECONDS, kernels=kernels)
    if not console:
        environment = replace(environment, console=Environment(name="", host="").console)
    assert add_environment(lab.home / "lab.toml", environment) == ()
    return environment


@pytest.mark.skipif(bool(no_grub()), reason=no_grub())
async def test_grub_boots_a_kernel_once_and_one_that_panics_leads_back_by_itself(lab: Lab, tmp_path: Path) -> None:
    marked = Kernel("marked", "/boot/vmlinuz", "/boot/initrd.gz", MARKED)
    dead = replace(marked, name="dead", cmdline="console=ttyS0 panic=1 kd.panic")
    with tiny_guest(tmp_path, booted_by=grub, memory=256) as guest:
        board = board_of(lab, guest, marked, dead)
        own = f"BOOT_IMAGE=/boot/vmlinuz {OWN_LINE}"
        assert await output_of(board, LINE) == own
        files = await output_of(board, FILES)

        said = kdeploy("power", "board", "boot", "marked", "--json")
        assert said.status == 0, said.stdout + said.stderr
        assert said.json["kernel"] == "marked"
        line = 'BOOT_IMAGE=/boot/vmlinuz console=ttyS0 panic=1 kd.marked=1 "kd.words=a b" kd.dollar=$prefix'
        assert await output_of(board, LINE) == line
        assert await output_of(board, FILES) == files

        await asyncio.to_thread(guest.reset)
        await asyncio.to_thread(guest.wait_for_ssh)
        assert await output_of(board, LINE) == own

        said = kdeploy("power", "board", "boot", "dead")
        assert said.status == 1
        assert "GRUB boots the kernel dead once" in said.stderr
        assert "its command line lacks panic=1 kd.panic" in said.stderr
        assert "It is back on the kernel before, " in said.stderr
        assert await output_of(board, LINE) == own
        assert await output_of(board, FILES) == files
        assert (await output_of(board, "cat /boot/grub/custom.cfg")).encode() == CUSTOM_CFG
