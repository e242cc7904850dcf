"""Other kernels of a board that has no kexec, on the command line: through its real boot loader, and back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kdeploy_gui import defaults
from kdeploy_gui.cli.main import kdeploy as program
from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.model.environment import Environment, Kernel
from tests.cli.program import Lab
from tests.lab.boot_loaders import CUSTOM_CFG, OWN_LINE, grub, no_grub
from tests.lab.client import output_of
from tests.lab.guest import BOOT_SECONDS, TinyGuest, tiny_guest

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

FILES = "cd /boot/grub && ls && sha256sum grub.cfg custom.cfg && grub-editenv grubenv list"
LINE = "cat /proc/cmdline"
MARKED = Kernel("marked", "/boot/vmlinuz", "/boot/initrd.gz", 'console=ttyS0 panic=1 kd.words="a b" kd.dollar=$prefix')
DEAD = replace(MARKED, name="dead", cmdline="console=ttyS0 panic=1 kd.panic")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU takes connections for a guest that is down, and leaves them without an answer."""
    monkeypatch.setattr(defaults, "LOGIN_TIMEOUT", 3.0)
    monkeypatch.setattr(defaults, "LOGINS_PER_BOOT", 60)
    monkeypatch.setattr(defaults, "BOOT_POLL", 1.0)


def kdeploy(*arguments: str) -> Result:
    """The command in this process, with what is set above."""
    return CliRunner().invoke(program, arguments)


def on(board: Environment, command: str) -> str:
    return asyncio.run(output_of(board, command))


def board_of(lab: Lab, guest: TinyGuest) -> Environment:
    """The guest in the lab file, as a board."""
    board = replace(guest.environment("board"), boot_timeout=BOOT_SECONDS, kernels=(MARKED, DEAD))
    assert add_environment(lab.home / "lab.toml", board) == ()
    return board


@pytest.mark.skipif(bool(no_grub()), reason=no_grub())
def test_grub_boots_a_kernel_once_and_one_that_panics_leads_back_by_itself(lab: Lab, tmp_path: Path) -> None:
    with tiny_guest(tmp_path, booted_by=grub, memory=256) as guest:
        board = board_of(lab, guest)
        own = f"BOOT_IMAGE=/boot/vmlinuz {OWN_LINE}"
        assert on(board, LINE) == own
        files = on(board, FILES)

        said = kdeploy("power", "board", "boot", "dead")
        assert said.exit_code == 1
        assert "GRUB boots the kernel dead once" in said.stderr
        assert "its command line lacks panic=1 kd.panic" in said.stderr
        assert "It is back on the kernel before, " in said.stderr
        assert on(board, LINE) == own
        assert on(board, FILES) == files
        assert on(board, "cat /boot/grub/custom.cfg").encode() == CUSTOM_CFG

        said = kdeploy("power", "board", "boot", "marked", "--json")
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout)["kernel"] == "marked"
        marked = 'BOOT_IMAGE=/boot/vmlinuz console=ttyS0 panic=1 "kd.words=a b" kd.dollar=$prefix'
        assert on(board, LINE) == marked
        assert on(board, FILES) == files

        guest.reset()
        guest.wait_for_ssh()
        assert on(board, LINE) == own
