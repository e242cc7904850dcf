"""A board of nothing but busybox behind a real SSH server: everything that a machine with GNU tools gets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.model.facts import FactsQuery
from tests.cli.program import Json, Lab, kdeploy, running
from tests.contract.local_shell import LocalShell
from tests.lab.busybox import busybox_root
from tests.lab.chaos import Chaos, Direction
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.processes import wait_until
from tests.properties.peers import leftovers, write_files
from tests.rehearsal import MemoryContent

pytestmark = [pytest.mark.sshd, pytest.mark.skipif(os.getuid() != 0, reason="only root can chroot")]

PLAN = """\
name = "small"
environments = ["board"]

[[artifacts]]
source = "suite/*"
type = "script"
target = "~/suite/"
mode = "0750"
owner = "root:root"

[[dependencies]]
tool = "tar"

[instrumentation]
perf = "wanted"

[validation]
memory = "1MiB"
disk = { "~" = "1MiB", "/tmp" = "1MiB" }
tools = ["sha256sum"]
"""
OLD = {"run.sh": b"#!/bin/sh\necho old\n", "with space": b"#!/bin/sh\n", "kept": b"#!/bin/sh\n: same\n"}
NEW = {**OLD, "run.sh": b"#!/bin/sh\necho new\n", "large": b"#!/bin/sh\n#" + b"x" * 2_000_000}
STAGES = (
    *("preparing", "connecting", "installing_dependencies"),
    *("deploying_scripts", "configuring_instrumentation", "validating"),
)


async def test_a_root_that_is_no_mount_is_measured_all_the_same(tmp_path: Path) -> None:
    """busybox's df finds no mount point there."""
    with busybox_root() as root:
        shell = LocalShell((shutil.which("chroot") or "", str(root), "/bin/sh"), Path("/root"), path="/bin")
        facts = await ShellTarget(shell, MemoryContent()).facts(FactsQuery(paths=("/tmp/x",), folders=("~/t", "/proc")))
        real = os.statvfs(root)
    total, free = real.f_blocks * real.f_frsize, real.f_bavail * real.f_frsize
    for disk in (facts.disks["/tmp/x"], facts.folders["/root/t"].disk):
        assert disk is not None
        assert abs(disk.total_bytes - total) <= 1024
        assert abs(disk.free_bytes - free) < 1 << 30
        assert disk.free_inodes
    assert (facts.folders["/root/t"].mount, facts.folders["/proc"].mount) == ("/", "/proc")


@dataclass
class Board:
    """The board behind a proxy, and a lab that knows it."""

    root: Path
    home: Path
    lab: Lab
    chaos: Chaos

    def publish(self, files: dict[str, bytes]) -> None:
        """Make these the files of the plan."""
        write_files(self.lab.folder / "suite", files)
        self.lab.plan.write_text(PLAN)

    def deploy(self) -> Json:
        """The summary of a deployment that completes."""
        done = kdeploy("deploy", "--json", self.lab.plan)
        assert done.status == 0, done
        last = done.events[-1]
        assert [each["stage"] for each in last["environments"][0]["stages"]] == list(STAGES)
        summary: Json = last["environments"][0]
        return summary

    def found(self) -> dict[str, bytes]:
        """The files of the suite there."""
        return {each.name: each.read_bytes() for each in (self.home / "suite").iterdir() if each.is_file()}


@pytest.fixture
def board(kdeploy_home: Path, tmp_path: Path, make_sshd: MakeSshd, make_chaos: MakeChaos) -> Iterator[Board]:
    with busybox_root() as root:
        server = make_sshd(options={"ChrootDirectory": str(root)})
        home = root / str(server.home()).lstrip("/")
        home.mkdir(parents=True, mode=0o755)
        chaos = make_chaos(server.environment())
        lab = Lab(kdeploy_home, tmp_path / "plan")
        lab.add(chaos.environment(server.environment("board")))
        yield Board(root, home, lab, chaos)


def test_a_whole_life_on_busybox_alone(board: Board) -> None:
    board.publish(OLD)
    assert board.deploy()["files"] == {"sent": 3, "same": 0, "bytes": sum(map(len, OLD.values()))}
    assert board.found() == OLD
    suite = (board.home / "suite").relative_to(board.root)
    paths = [f"/{suite / name}" for name in OLD]
    stat = ("chroot", str(board.root), "/bin/stat", "-c", "%a %U:%G", *paths)
    seen = subprocess.run(stat, capture_output=True, text=True, check=True).stdout
    assert seen.split("\n")[:-1] == ["750 root:root"] * 3

    again = board.deploy()
    assert again["files"] == {"sent": 0, "same": 3, "bytes": 0}
    assert kdeploy("ready", "board").status == 0

    board.publish(NEW)
    board.chaos.rate = 200_000
    with running("deploy", "--json", board.lab.plan) as process:
        before = board.chaos.passed[Direction.TO_SERVER]
        wait_until(lambda: board.chaos.passed[Direction.TO_SERVER] > before + 200_000, "bytes move", 60)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    board.chaos.rate = 0
    assert board.found() == OLD
    wait_until(lambda: board.chaos.open_connections == 0, "the killed program's connection ends")

    assert board.deploy()["files"]["sent"] == 2
    assert board.found() == NEW
    assert leftovers(board.root) == []

    newest = kdeploy("history", "--json").json["runs"][0]["run"]
    done = kdeploy("rollback", "--json", str(newest))
    assert done.status == 0, done
    assert board.found() == OLD
    assert leftovers(board.root) == []
    assert kdeploy("ready", "board").status == 3
