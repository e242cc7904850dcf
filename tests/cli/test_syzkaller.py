"""`kdeploy syzkaller` on real SSH servers, with a program in the place of syz-manager."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdeploy_gui.model.abi import Abi
from tests.cli.program import Answer, Json, Lab, kdeploy, running
from tests.elves import core_of_notes
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import is_alive, wait_until

pytestmark = pytest.mark.sshd

MANAGER = """#!/bin/sh
[ "$1" = -config ] && [ "$3 $4" = "-mode smoke-test" ] && [ -r "$2" ] || exit 9
echo "coverage: enabled"
{rest}
"""
GUEST = """
[[environment]]
name = "vm"
kind = "qemu"
host = "127.0.0.1"
identity_file = "{key}"
[[environment.kernel]]
name = "kasan"
image = "{image}"
initrd = "/nowhere/initrd"
cmdline = "console=ttyS0 root=/dev/vda"
"""


@dataclass(frozen=True)
class Bench:
    """A folder for syzkaller, a kernel's build and a set-up."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "work" / "syzkaller.cfg"

    def manager(self, rest: str = "exit 0") -> None:
        for name in ("syz-manager", "linux_amd64/syz-execprog", "linux_amd64/syz-executor"):
            path = self.root / "syzkaller/bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(MANAGER.format(rest=rest))
            path.chmod(0o755)

    def build(self, *options: str) -> None:
        folder = self.root / "build"
        folder.mkdir()
        notes = Path("/sys/kernel/notes").read_bytes()
        (folder / "vmlinux").write_bytes(core_of_notes(Abi(62, 64, True), notes, debug_info=True))
        lines = [f"CONFIG_{each}=y" for each in options]
        (folder / ".config").write_text("\n".join([*lines, "# CONFIG_KASAN is not set", "CONFIG_X=n"]))

    def run(self, *words: str | Path) -> Answer:
        places = ("--workdir", self.root / "work", "--syzkaller", self.root / "syzkaller")
        return kdeploy("syzkaller", *words, *places, *(() if "--arch" in words else ("--arch", "x86_64")))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def answers(document: Json, environment: str = "") -> dict[str, bool | None]:
    return {each["subject"]: each["met"] for each in document["preconditions"] if each["environment"] == environment}


def silent_board(lab: Lab, make_sshd: MakeSshd) -> None:
    """A board that nothing is known to lack: its SSH server is off, so that all of it is unknown."""
    server = make_sshd()
    lab.add(server.environment("board-a"))
    server.stop()


def test_boards_make_one_set_up_together(lab: Lab, make_sshd: MakeSshd, bench: Bench) -> None:
    server = make_sshd(hosts=2)
    boards = server.environments()
    lab.add(*boards)
    bench.manager()
    bench.build()
    names = [each.name for each in boards]

    done = bench.run(*names, "--kernel-obj", bench.root / "build", "--reboot", "--json")

    content = json.loads(bench.config.read_text())
    assert content.pop("tag").startswith("kdeploy:")
    assert content == {
        "name": "-".join(names),
        "target": "linux/amd64",
        "http": "127.0.0.1:56741",
        "workdir": str(bench.root / "work"),
        "kernel_obj": str(bench.root / "build"),
        "sshkey": str(server.identity_file),
        "ssh_user": boards[0].user,
        "syzkaller": str(bench.root / "syzkaller"),
        "procs": 4,
        "sandbox": "none",
        "cover": True,
        "reproduce": True,
        "type": "isolated",
        "vm": {
            "targets": [f"{each.host}:{each.port}" for each in boards],
            "target_dir": "/root/syzkaller",
            "target_reboot": True,
        },
    }
    assert bench.config.stat().st_mode & 0o777 == 0o600
    here = answers(done.json)
    assert here == {
        "syz-manager": True,
        "syz-execprog": True,
        "syz-executor": True,
        "ssh key": True,
        "vmlinux": True,
    }
    for name in names:
        there = answers(done.json, name)
        assert there["reached"]
        assert there["root"] is (os.getuid() == 0)
        assert there["vmlinux is of that kernel"] is True
        assert there["memory"] is not None
    assert done.status == (1 if done.json["missing"] else 0)


def test_what_nobody_can_tell_is_unknown(lab: Lab, make_sshd: MakeSshd, bench: Bench) -> None:
    silent_board(lab, make_sshd)
    bench.manager()

    without = kdeploy("syzkaller", "board-a", "--workdir", bench.root / "work", "--syzkaller", bench.root / "syzkaller")
    assert without.status == 2
    assert "E-SYZ-ARCH" in without.stderr
    assert "nobody tells which architecture board-a is (board-a: " in without.stderr
    assert not (bench.root / "work").exists()

    done = bench.run("board-a", "--no-cover", "--sandbox", "namespace")
    assert done.status == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if " board-a " in line]
    assert rows
    assert {row[row.index("board-a") + 2] for row in rows} == {"unknown"}
    assert any("CONFIG_PID_NS" in row for row in rows)
    assert "0 missing, 1 advised, " in done.stdout
    assert f"written: {bench.config} (isolated)" in done.stdout
    assert json.loads(bench.config.read_text())["cover"] is False


def test_a_guest_has_the_kernel_of_the_lab_file(lab: Lab, bench: Bench) -> None:
    key = bench.root / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    image = bench.root / "disk.img"
    image.touch()
    lab.home.joinpath("lab.toml").write_text(GUEST.format(key=key, image=image))
    lab.home.joinpath("lab.toml").chmod(0o600)
    bench.manager()
    bench.build("KCOV", "DEBUG_FS")
    given = ("--image", image, "--kernel", "kasan", "--memory", "512", "--count", "2")

    done = bench.run("vm", *given, "--kernel-obj", bench.root / "build", "--arch", "aarch64", "--json")

    content = json.loads(bench.config.read_text())
    assert (content["type"], content["target"], content["image"]) == ("qemu", "linux/arm64", str(image))
    assert content["vm"] == {
        "count": 2,
        "cpu": 2,
        "mem": 512,
        "kernel": str(image),
        "initrd": "/nowhere/initrd",
        "cmdline": "console=ttyS0 root=/dev/vda",
    }
    assert done.status == 1
    here, there = answers(done.json), answers(done.json, "vm")
    assert (here["disk image"], here["kernel"], here["initrd"], here["memory"]) == (True, True, False, True)
    assert here["KVM"] is False
    assert here["syz-executor"] is False, "those for another architecture do not count"
    assert (there["CONFIG_KCOV"], there["CONFIG_KCOV_INSTRUMENT_ALL"], there["CONFIG_KASAN"]) == (True, False, False)
    assert there["vmlinux is of that kernel"] is None
    assert "vmlinux is of that kernel" in done.json["unknown"]
    unsaid = bench.run("vm", *given, "--json")
    assert set(answers(unsaid.json, "vm").values()) == {None}


def test_files_of_others_are_not_written_over(lab: Lab, make_sshd: MakeSshd, bench: Bench) -> None:
    silent_board(lab, make_sshd)
    bench.manager()
    bench.config.parent.mkdir()
    bench.config.write_text("{}")

    refused = bench.run("board-a")
    assert (refused.status, bench.config.read_text()) == (2, "{}")
    assert "E-SYZ-FILE" in refused.stderr
    bench.run("board-a", "--force")
    bench.run("board-a", "--procs", "7")
    written = bench.config.read_text()
    assert json.loads(written)["procs"] == 7
    bench.config.write_text(written.replace('"procs": 7', '"procs": 8'))
    assert "changed since" in bench.run("board-a").stderr


@pytest.mark.parametrize(
    ("rest", "status", "words"),
    [
        ("exit 0", 0, "smoke test: passed after "),
        ("echo 'no coverage'; exit 3", 1, "smoke test: failed with status 3 after "),
        ("trap '' INT; sleep 600", 1, "smoke test: unknown, it did not end within "),
    ],
)
def test_syz_manager_tests_the_set_up(
    lab: Lab, make_sshd: MakeSshd, bench: Bench, rest: str, status: int, words: str
) -> None:
    silent_board(lab, make_sshd)
    bench.manager(rest)
    done = bench.run("board-a", "--smoke", "5" if "sleep" in rest else "60", "-v")
    assert done.status == status, done.stdout
    assert words in done.stdout
    assert "coverage: enabled" in done.stdout
    assert "coverage: enabled" in done.stderr


def test_a_smoke_test_of_what_is_not_there_is_not_begun(lab: Lab, make_sshd: MakeSshd, bench: Bench) -> None:
    silent_board(lab, make_sshd)
    done = bench.run("board-a", "--smoke", "5")
    assert done.status == 1
    assert "smoke test: not run, because something that is required is missing" in done.stdout
    assert "syz-manager, syz-execprog, syz-executor: build it" in done.stdout


def test_ctrl_c_ends_the_smoke_test(lab: Lab, make_sshd: MakeSshd, bench: Bench) -> None:
    silent_board(lab, make_sshd)
    mark = bench.root / "pid"
    bench.manager(f"echo $$ > {mark}\nexec sleep 600")
    words = ("--workdir", bench.root / "work", "--syzkaller", bench.root / "syzkaller", "--arch", "x86_64")
    with running("syzkaller", "board-a", *words, "--smoke", "60", start_new_session=True) as program:
        wait_until(lambda: mark.exists() and mark.read_text().strip() != "", "syz-manager runs", 60)
        os.kill(program.pid, signal.SIGINT)
        program.communicate(timeout=60)
    assert program.returncode == 5
    assert not is_alive(int(mark.read_text()))
