"""The kernel's log of a machine, followed from now on: in memory, by three shells, and over a real SSH server."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.environments import kernel_log
from kdeploy_gui.environments.kernel_log import NewLines
from kdeploy_gui.environments.memory_target import MemoryMachine, MemoryTarget
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.ports import Target
from tests.contract.local_shell import LocalShell
from tests.contract.peers import FolderContent, NoSecrets, busybox_path
from tests.engine.steps import until
from tests.lab.sshd import Sshd

SHELLS = ("dash", "bash", "busybox")
FOLLOWING = """#!/bin/sh
case "$*" in
*--help*) echo ' -W, --follow-new   wait and print only new messages' ;;
*--follow-new*) exec tail -n +1 -f {log} ;;
*) echo '[    1.000000] long ago' ;;
esac
"""
PLAIN = """#!/bin/sh
case "$*" in *-*) exit 1 ;; esac
echo look >>{log}.looks
cat {log}
"""
REFUSING = """#!/bin/sh
echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2
exit 1
"""


def dmesg(folder: Path, text: str) -> Path:
    """A folder with a dmesg that prints or follows the file `log` there."""
    folder.mkdir(exist_ok=True)
    program = folder / "dmesg"
    program.unlink(missing_ok=True)
    program.write_text(text.format(log=folder / "log"))
    program.chmod(0o755)
    (folder / "log").touch()
    return folder


def log_line(folder: Path, line: str) -> None:
    """The kernel logs a line."""
    with (folder / "log").open("a") as log:
        log.write(f"{line}\n")


def readers_of(folder: Path) -> list[str]:
    """Processes that have the log open or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder / "log").encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


@asynccontextmanager
async def following(target: Target) -> AsyncIterator[list[bytes]]:
    """Lines as they come; the reader is told to end and its end waited for."""
    lines: list[bytes] = []
    task = asyncio.create_task(target.follow_kernel_log(lambda data: lines.extend(data.splitlines())))
    try:
        yield lines
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> LocalShell:
    """Each shell, with `tmp_path/bin` before everything else."""
    home = tmp_path / "home"
    home.mkdir()
    path = os.defpath
    words: tuple[str, ...] = (f"/bin/{request.param}",)
    if request.param == "busybox":
        path = busybox_path(tmp_path / "busybox")
        words = (str(shutil.which("busybox")), "sh")
    return LocalShell(words, home, f"{tmp_path / 'bin'}:{path}")


async def test_memory() -> None:
    machine = MemoryMachine()
    async with following(MemoryTarget(machine, FolderContent())) as lines:
        await until(lambda: bool(machine.log_readers), "the reader")
        machine.printk(b"[    2.000000] now\n")
        assert lines == [b"[    2.000000] now"]
    assert machine.log_readers == []


@asynccontextmanager
async def reading(shell: LocalShell, device: str) -> AsyncIterator[list[bytes]]:
    """As `following`, by a shell on this machine."""
    lines: list[bytes] = []
    task = asyncio.create_task(kernel_log.follow(shell, lambda data: lines.extend(data.splitlines()), device))
    try:
        yield lines
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_dmesg_that_follows(shell: LocalShell, tmp_path: Path) -> None:
    folder = dmesg(tmp_path / "bin", FOLLOWING)
    async with reading(shell, "/nowhere") as lines:
        log_line(folder, "[    2.000000] first")
        await until(lambda: lines == [b"[    2.000000] first"], "the first line")
        log_line(folder, "[    2.000000] same time")
        log_line(folder, "no time")
        await until(lambda: len(lines) == 3, "the lines")
    await until(lambda: readers_of(folder) == [], "the end of the reader")


async def test_records_of_a_device(shell: LocalShell, tmp_path: Path) -> None:
    """A file ends where the device waits: as after an overrun, all is read again, and the old not told twice."""
    folder = dmesg(tmp_path / "bin", PLAIN)
    log_line(folder, "[    1.000000] long ago")
    device = tmp_path / "kmsg"
    device.write_text("6,1,1000000,-;long ago\n SUBSYSTEM=x\n6,2,2000000,-;new\n")
    async with reading(shell, str(device)) as lines:
        await until(lambda: lines == [b"6,2,2000000,-;new"], "the record")
        with device.open("a") as more:
            more.write("4,3,3000000,-;newer\n")
        await until(lambda: lines[1:] == [b"4,3,3000000,-;newer"], "the next record")


async def test_a_dmesg_that_only_prints(shell: LocalShell, tmp_path: Path) -> None:
    folder = dmesg(tmp_path / "bin", PLAIN)
    looks = folder / "log.looks"
    log_line(folder, "[    1.000000] long ago")
    async with reading(shell, "/nowhere") as lines:
        await until(lambda: looks.exists() and looks.read_text().count("look") > 2, "the first look at what is new")
        log_line(folder, "[    2.000000] new")
        await until(lambda: lines == [b"[    2.000000] new"], "the line")
        log_line(folder, "[    3.000000] newer")
        await until(lambda: lines[1:] == [b"[    3.000000] newer"], "the next line")


async def test_a_log_that_nobody_may_read(shell: LocalShell, tmp_path: Path) -> None:
    dmesg(tmp_path / "bin", REFUSING)
    why = await kernel_log.follow(shell, print, "/nowhere")
    assert why == "dmesg: read kernel buffer failed: Operation not permitted"


@pytest.mark.sshd
async def test_over_ssh_from_now_on_and_nothing_is_left(tmp_path: Path) -> None:
    folder = dmesg(tmp_path / "bin", FOLLOWING)
    variables = {"PATH": f"{folder}:{os.defpath}"}
    with Sshd(tmp_path / "sshd", variables=variables) as sshd:
        target = await SshConnector(FolderContent(), NoSecrets(), lambda name: None).connect(sshd.environment())
        async with following(target) as lines:
            await until(lambda: bool(readers_of(folder)), "the reader")
            log_line(folder, "[    2.000000] now")
            await until(lambda: lines == [b"[    2.000000] now"], "the line")
        await until(lambda: readers_of(folder) == [], "the end of the reader")
        await target.close()


@pytest.mark.sshd
async def test_over_ssh_a_reader_ends_with_its_connection(tmp_path: Path) -> None:
    folder = dmesg(tmp_path / "bin", FOLLOWING)
    with Sshd(tmp_path / "sshd", variables={"PATH": f"{folder}:{os.defpath}"}) as sshd:
        target = await SshConnector(FolderContent(), NoSecrets(), lambda name: None).connect(sshd.environment())
        task = asyncio.create_task(target.follow_kernel_log(lambda data: None))
        await until(lambda: bool(readers_of(folder)), "the reader")
        await target.close()
        await until(lambda: readers_of(folder) == [], "the end of the reader")
        task.cancel()
        await asyncio.wait({task})


def new_lines(*pieces: bytes) -> tuple[bytes, str]:
    out: list[bytes] = []
    lines = NewLines(out.append, lambda: None)
    for piece in pieces:
        lines.feed(piece)
    return b"".join(out), lines.refusal


def test_what_was_there_before_is_not_told() -> None:
    text = b"[    5.000000] old\n\x1e\n[    4.0] older\n cont\n[    5.000000] old\n[    5.000001] new\n cont\n"
    assert new_lines(text) == (b"[    5.000001] new\n cont\n", "")


def test_dmesg_and_records_tell_the_same_time() -> None:
    assert new_lines(b"[    5.000000] old\n\x1e\n6,1,5000000,-;old\n6,2,5000001,-;new\n")[0] == b"6,2,5000001,-;new\n"


def test_a_log_without_times_is_told_from_the_first_mark_on() -> None:
    assert new_lines(b"\x1e\nno time\n")[0] == b"no time\n"


def test_a_refusal_is_kept() -> None:
    assert new_lines(b"\x1edmesg is missing there\n") == (b"", "dmesg is missing there")


@given(st.lists(st.integers(0, 60), max_size=6))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    text = b"[    5.000000] old\n\x1e\n[    5.000000] old\n[    6.000000] new\n"
    places = sorted({0, len(text), *cuts})
    assert new_lines(*(text[a:b] for a, b in pairwise(places))) == new_lines(text)
