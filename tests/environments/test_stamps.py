"""Files that have not changed since they were looked at are not read again, and every change is seen."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from kdeploy_gui.environments.shell_answers import STAMP_SETTLES, parse_survey
from kdeploy_gui.environments.shell_target import ShellTarget
from tests.contract.local_shell import LocalShell
from tests.contract.test_target import busybox_path
from tests.lab.processes import wait_until
from tests.rehearsal import MemoryContent

NOTING = """#!/bin/sh
printf '%s\\n' "$@" >> {log}
exec {real} "$@"
"""


@pytest.mark.parametrize("shell", ["dash", "busybox"])
async def test_only_what_changed_is_read_again(tmp_path: Path, shell: str) -> None:
    names = ("same", "changed", "with space", "*")
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    commands, log = tmp_path / "bin", tmp_path / "log"
    path = os.defpath
    if shell == "busybox":
        path = busybox_path(commands)
        (commands / "sha256sum").unlink()
    else:
        commands.mkdir()
    (commands / "sha256sum").write_text(NOTING.format(log=log, real=shutil.which("sha256sum")))
    (commands / "sha256sum").chmod(0o755)
    interpreter = (shutil.which("busybox") or "", "sh") if shell == "busybox" else ("/bin/dash",)
    target = ShellTarget(LocalShell(interpreter, tmp_path, f"{commands}:{path}"), MemoryContent())
    paths = [str(tmp_path / name) for name in names]
    last = max(Path(each).stat().st_ctime for each in paths)
    wait_until(lambda: time.time() > last + STAMP_SETTLES + 1.5, "the files' times are settled", 20)
    before = await target.survey(paths)
    log.unlink()

    times = (tmp_path / "changed").stat()
    (tmp_path / "changed").write_bytes(b"new")
    os.utime(tmp_path / "changed", ns=(times.st_atime_ns, times.st_mtime_ns))
    after = await target.survey(paths)

    assert after[paths[1]].sha256 == hashlib.sha256(b"new").hexdigest()
    assert {path: state for path, state in after.items() if path != paths[1]} == {
        path: state for path, state in before.items() if path != paths[1]
    }
    assert [line for line in log.read_text().splitlines() if line != "--"] == [paths[1]]


def test_a_stamp_counts_only_once_its_second_is_over() -> None:
    said = "c\t1000\nk\tfile\t/a\ns\t644\t3\troot:root\t/a\nt\t7.{mtime}.{ctime}\t/a\n"
    settled = 1000 - STAMP_SETTLES - 1
    assert parse_survey(said.format(mtime=settled, ctime=settled))["/a"].stamp == f"7.{settled}.{settled}"
    assert parse_survey(said.format(mtime=settled + 1, ctime=settled))["/a"].stamp == ""
    assert parse_survey(said.format(mtime=settled, ctime=settled + 1))["/a"].stamp == ""


def test_unchanged_is_believed_only_of_what_is_known() -> None:
    said = "k\tfile\t/a\nu\t/a\n"
    assert parse_survey(said)["/a"].sha256 == ""
