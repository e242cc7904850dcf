"""Configurations of syz-manager, and what this workstation has for it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.instruments.syz_config import EMULATED, architecture, check_way, configuration, is_ours
from kdeploy_gui.instruments.syzkaller import Syzkaller
from kdeploy_gui.instruments.vmlinux import read_build
from kdeploy_gui.model.abi import Abi
from kdeploy_gui.model.environment import Environment, Kernel, Kind
from kdeploy_gui.model.fuzzing import FuzzRequest, Precondition
from tests.elves import core_of_notes

X86 = Abi(62, 64, True)
FIELDS = {
    *("name", "target", "http", "workdir", "kernel_obj", "image", "sshkey", "ssh_user", "syzkaller", "procs"),
    *("sandbox", "cover", "reproduce", "tag", "type", "vm"),
}
"""Those of syz-manager that a set-up may have; it refuses a file with any that it does not know."""
GUEST_FIELDS = {"count", "qemu", "qemu_args", "kernel", "cmdline", "initrd", "cpu", "mem"}
BOARD_FIELDS = {"targets", "target_dir", "target_reboot"}
BOARD = Environment(name="board-a", host="192.0.2.1", identity_file="~/.ssh/lab")
GUEST = Environment(name="vm", host="", kind=Kind.QEMU, domain="vm", kernels=(Kernel("kasan", "/srv/bz"),))


@pytest.fixture
def request_(tmp_path: Path) -> FuzzRequest:
    return FuzzRequest(workdir=tmp_path / "work", file=tmp_path / "x.cfg", syzkaller=tmp_path / "syzkaller")


def text(environments: tuple[Environment, ...], request: FuzzRequest, kvm: bool = True) -> str:
    kind = check_way(environments, request)
    return configuration(kind, environments, request, "x86_64", Path("/srv/syzkaller"), kvm)


def test_only_fields_that_syz_manager_knows_are_written(request_: FuzzRequest) -> None:
    guest = replace(request_, image=Path("disk.img"), kernel="kasan", kernel_obj=Path("build"))
    for written, fields in ((text((BOARD,), request_), BOARD_FIELDS), (text((GUEST,), guest, kvm=False), GUEST_FIELDS)):
        content = json.loads(written)
        assert set(content) <= FIELDS
        assert set(content["vm"]) <= fields
        assert is_ours(written)
        assert all(Path(content[each]).is_absolute() for each in ("workdir", "image", "kernel_obj") if each in content)
        assert not content.get("sshkey", "/").startswith("~")
    assert json.loads(text((GUEST,), guest, kvm=False))["vm"]["qemu_args"] == EMULATED
    assert "qemu_args" not in json.loads(text((GUEST,), guest))["vm"]


@pytest.mark.parametrize("other", ["", "[]", "{}", '{"tag": "kdeploy:"}', "# a comment\n{}"])
def test_what_others_wrote_is_not_ours(other: str) -> None:
    assert not is_ours(other)


@pytest.mark.parametrize(
    ("environments", "changes", "code"),
    [
        ((BOARD, replace(BOARD, user="lab")), {}, "E-SYZ-MIX"),
        ((BOARD, replace(BOARD, identity_file="other")), {}, "E-SYZ-MIX"),
        ((BOARD, GUEST), {}, "E-SYZ-MIX"),
        ((GUEST,), {}, "E-SYZ-IMAGE"),
        ((GUEST,), {"image": Path("x"), "kernel": "kasam"}, "E-SYZ-KERNEL"),
        ((replace(BOARD, jump="gate"),), {}, "E-SYZ-WAY"),
        ((replace(BOARD, host="2001:db8::1"),), {}, "E-SYZ-WAY"),
        ((BOARD,), {"target_dir": "/root/'; reboot '"}, "E-SYZ-WAY"),
        ((BOARD,), {"target_dir": "/"}, "E-SYZ-WAY"),
        ((BOARD,), {"target_dir": "here"}, "E-SYZ-WAY"),
    ],
)
def test_what_syz_manager_cannot_take_is_refused(
    request_: FuzzRequest, environments: tuple[Environment, ...], changes: dict[str, object], code: str
) -> None:
    request = replace(request_, **changes)  # type: ignore[arg-type]
    with pytest.raises(PlanError) as caught:
        Syzkaller().way(environments, request)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("x86_64", ("amd64", "x86_64")),
        ("i686", ("386", "i386")),
        ("aarch64", ("arm64", "aarch64")),
        ("armv7l", ("arm", "arm")),
        ("ppc64le", ("ppc64le", "ppc64")),
        ("riscv64", ("riscv64", "riscv64")),
        ("s390x", ("s390x", "s390x")),
    ],
)
def test_architectures_have_other_names_there(machine: str, words: tuple[str, str]) -> None:
    assert architecture(machine) == words


def test_an_architecture_that_nobody_fuzzes_is_refused() -> None:
    with pytest.raises(PlanError, match="E-SYZ-ARCH"):
        architecture("sparc64")


def test_syzkaller_is_found_by_its_manager(
    request_: FuzzRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "syz/bin"))
    with pytest.raises(PlanError, match="E-SYZ-PROGRAM"):
        Syzkaller().place(replace(request_, syzkaller=None))
    manager = tmp_path / "syz/bin/syz-manager"
    manager.parent.mkdir(parents=True)
    manager.touch(mode=0o755)
    assert Syzkaller().place(replace(request_, syzkaller=None)) == tmp_path / "syz"


async def key(path: str, request: FuzzRequest) -> Precondition:
    found = await Syzkaller().here((replace(BOARD, identity_file=path),), request, "x86_64")
    return next(each for each in found if each.subject == "ssh key")


async def test_a_key_must_open_by_itself(
    request_: FuzzRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, locked = tmp_path / "plain", tmp_path / "locked"
    for path, passphrase in ((plain, ""), (locked, "secret")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    assert (await key(str(plain), request_)).met is True
    assert (await key(str(locked), request_)).met is False
    assert (await key(str(tmp_path / "none"), request_)).met is False
    assert (await key("", request_)).met is False
    monkeypatch.setenv("PATH", "/nowhere")
    assert (await key(str(plain), request_)).met is None
    plain.chmod(0o640)
    open_to_others = await key(str(plain), request_)
    assert (open_to_others.met, open_to_others.remedy) == (False, f"chmod 600 {plain}")


async def test_memory_that_is_not_there_is_told(request_: FuzzRequest) -> None:
    request = replace(request_, image=Path("x"), count=128, memory=1048576)
    found = {each.subject: each for each in await Syzkaller().here((GUEST,), request, "x86_64")}
    assert found["memory"].met is False
    assert found["memory"].text.startswith("128 TiB for guests, ")
    assert found["disk image"].met is False
    assert "kernel" not in found


def test_a_build_says_what_it_is(tmp_path: Path) -> None:
    note = b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0\xde\xad\xbe\xef"
    (tmp_path / "vmlinux").write_bytes(core_of_notes(X86, note, debug_info=True))
    (tmp_path / ".config").write_text("CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=n\n# CONFIG_D is not set\nCONFIG_E=12\n")
    build = read_build(tmp_path)
    assert (build.fault, build.build_id, build.debug_info) == ("", "deadbeef", True)
    assert build.options == frozenset({"A", "B", "E"})
    (tmp_path / "vmlinux").write_bytes(core_of_notes(X86, b""))
    assert read_build(tmp_path).build_id == ""
    assert not read_build(tmp_path).debug_info


@pytest.mark.parametrize("content", [b"", b"\x7fELF", core_of_notes(X86, bytes(40))[:90], b"no ELF at all" * 99])
def test_a_broken_vmlinux_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vmlinux").write_bytes(content)
    assert read_build(tmp_path).fault
    assert read_build(tmp_path / "none").fault.endswith("No such file or directory")


async def test_a_manager_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="E-SYZ-SMOKE"):
        await Syzkaller().smoke(tmp_path / "x.cfg", tmp_path, 1.0, lambda data: None)
