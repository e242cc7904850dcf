"""What `coverage.sh` says, under every shell; and what is made of answers that no kernel gives."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui import resources
from kdeploy_gui.errors import KdeployError, LocalError
from kdeploy_gui.instruments import coverage_stream
from kdeploy_gui.instruments.coverage_stream import Incoming
from kdeploy_gui.instruments.gcov_reports import GcovReports
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.coverage import CoverageData, CoverageOrigin, CoverageProgress, CoverageRequest
from tests.instruments.test_scripts import every_shell, target
from tests.lab.gcov_tree import GcovTree, needs_lcov

ORIGIN = CoverageOrigin(
    environment="vm",
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    boot_id="0a1b2c3d-0000-0000-0000-000000000000",
    kernel_release="6.1.0",
    kernel_build="#1",
    kernel_build_id="",
)
END = b"status\t0\nrestored\tyes\nend\t\n"


def member(name: str, data: bytes = b"counters", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    body = data + bytes(-len(data) % 512) if info.size else b""
    return info.tobuf(tarfile.GNU_FORMAT) + body


def stream(*members: bytes, files: int | None = None) -> bytes:
    count = len(members) if files is None else files
    return f"files\t{count}\ncopied\t{count}\ntar\t\n".encode() + b"".join(members) + bytes(1024) + END


def received(out: Path, *blocks: bytes, told: list[CoverageProgress] | None = None) -> CoverageData:
    heard = told if told is not None else []
    with GcovReports().receive(CoverageRequest(out=out), "vm", heard.append) as receiving:
        for each in blocks:
            receiving.take(each)
        return receiving.keep(Completed(0), ORIGIN)


def refusal(out: Path, *blocks: bytes) -> KdeployError:
    with pytest.raises(KdeployError) as caught:
        received(out, *blocks)
    assert list(out.iterdir()) == [], "something was left"
    return caught.value


@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_it_makes_no_difference_in_which_pieces_it_comes(
    tmp_path_factory: pytest.TempPathFactory, cuts: Sequence[int]
) -> None:
    whole = stream(member("gcda/linux/fs/open.gcda", b"a"), member("gcda/linux/fs/read_write.gcda", b"b" * 700))
    edges = [0, *sorted(cuts), len(whole)]
    out = tmp_path_factory.mktemp("pieces")
    data = received(out, *(whole[a:b] for a, b in pairwise(edges)))
    assert (data.files, data.bytes, data.unread) == (2, 701, 0)
    assert data.folder.name == "vm-20260102T030405Z-0a1b2c3d"
    assert (data.folder / "gcda/linux/fs/open.gcda").read_bytes() == b"a"
    assert list(out.iterdir()) == [data.folder]


def test_the_second_of_one_moment_gets_a_name_of_its_own(tmp_path: Path) -> None:
    first, second = (received(tmp_path, stream(member("gcda/a.gcda"))) for _ in range(2))
    assert second.folder.name == f"{first.folder.name}-2"


@pytest.mark.parametrize(
    "members",
    [
        [member("../../a.gcda")],
        [member("gcda/../../a.gcda")],
        [member("/etc/a.gcda")],
        [member("a.gcda")],
        [member("gcda/./a.gcda")],
        [member("gcda/a\x1b[2J.gcda")],
        [member("gcda/$(id).gcda")],
        [member("gcda/a.gcno")],
        [member("gcda/a.gcda", kind=tarfile.SYMTYPE, link="/etc/passwd")],
        [member("gcda/a", kind=tarfile.SYMTYPE, link="/etc"), member("gcda/a/b.gcda")],
        [member("gcda/a.gcda", kind=tarfile.LNKTYPE, link="archive")],
        [member("gcda/a.gcda", kind=tarfile.CHRTYPE)],
        [member("gcda/a.gcda", kind=tarfile.FIFOTYPE)],
        [member("gcda/a.gcda"), member("gcda/a.gcda")],
        [member("gcda/a.gcda"), member("gcda/a.gcda/b.gcda")],
        [member("gcda/" + "a" * 300 + ".gcda")],
        [b"no archive" * 100],
    ],
)
def test_what_leaves_the_folder_or_is_no_plain_file_is_refused(tmp_path: Path, members: Sequence[bytes]) -> None:
    error = refusal(tmp_path, stream(*members))
    assert error.code == "E-COVERAGE-HOSTILE", error
    assert "\x1b" not in error.message


@given(noise=st.binary(max_size=3000))
def test_noise_is_an_error_that_is_explained(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    out = tmp_path_factory.mktemp("noise")
    assert refusal(out, noise).code.startswith("E-COVERAGE-")
    assert refusal(out, b"files\t1\ncopied\t1\ntar\t\n", noise, END).code.startswith("E-COVERAGE-")


@pytest.mark.parametrize("cut", [6, 20, len(END) + 1024, len(END) + 1500])
def test_what_is_cut_off_is_not_kept(tmp_path: Path, cut: int) -> None:
    whole = stream(member("gcda/a.gcda"), member("gcda/b.gcda"))
    assert refusal(tmp_path, whole[:-cut]).code == "E-COVERAGE-CUT"


def test_files_that_went_missing_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, stream(member("gcda/a.gcda"), files=2)).code == "E-COVERAGE-CUT"
    answer = stream(member("gcda/a.gcda")).replace(b"files\t1", b"files\t3")
    assert received(tmp_path, answer).unread == 2


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("refused\troot", "E-COVERAGE-ROOT"),
        ("refused\tabsent", "E-COVERAGE-ABSENT"),
        ("refused\tempty", "E-COVERAGE-EMPTY"),
        ("refused\tfull", "E-COVERAGE-ROOM"),
        ("refused\tclosed none [integrity] confidentiality", "E-COVERAGE-LOCKDOWN"),
        ("refused\tclosed [none] integrity confidentiality", "E-COVERAGE-READ"),
        ("refused\tclosed ", "E-COVERAGE-READ"),
        ("because\tdebugfs cannot be mounted at /sys/kernel/debug", "E-COVERAGE-DEBUGFS"),
    ],
)
def test_each_refusal_has_its_code(tmp_path: Path, said: str, code: str) -> None:
    assert refusal(tmp_path, f"{said}\nrestored\tyes\nend\t\n".encode()).code == code


def test_a_mount_that_stays_is_told(tmp_path: Path) -> None:
    answer = stream(member("gcda/a.gcda")).replace(b"restored\tyes", b"restored\tumount /sys/kernel/debug; ")
    assert refusal(tmp_path, answer).code == "E-NOT-RESTORED"


def test_more_than_any_kernel_has_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_stream, "LARGEST", 4096)
    assert refusal(tmp_path, stream(member("gcda/a.gcda", bytes(8192)))).code == "E-COVERAGE-HOSTILE"
    assert refusal(tmp_path, b"x" * 100_000).code == "E-COVERAGE-HOSTILE"


def test_a_disk_that_is_full_ends_it_once(tmp_path: Path) -> None:
    stopped: list[str] = []
    with open("/dev/full", "wb", buffering=0) as full:
        incoming = Incoming(full, tmp_path, lambda step, done, total: None)
        incoming.stop = lambda: stopped.append("stopped")
        for _ in range(2):
            incoming.take(stream(member("gcda/a.gcda")))
    assert isinstance(incoming.fault, LocalError)
    assert (incoming.fault.code, stopped) == ("E-COVERAGE-SPACE", ["stopped"])


@every_shell
async def test_the_script_hands_out_copies_of_what_tells_no_size(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "gcov" / "linux"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.gcda").write_bytes(bytes([number]) * (number * 600))
    (folder / "0.gcno").symlink_to("/nowhere/0.gcno")
    told: list[CoverageProgress] = []
    script = resources.text("remote/proofs/common.sh") + resources.text("remote/coverage.sh")

    with GcovReports().receive(CoverageRequest(out=tmp_path / "out"), "vm", told.append) as receiving:
        command = Command(script, (str(tmp_path / "gcov"),))
        done = await target(words, tmp_path).execute(command, receiving.take)
        data = receiving.keep(done, ORIGIN)

    assert done.stderr == b""
    assert (data.files, data.bytes) == (3, 1800)
    assert (data.folder / "gcda/linux/2.gcda").read_bytes() == b"\2" * 1200
    assert {each.step for each in told} == {"reading the counters there", "receiving"}


@every_shell
async def test_the_script_resets_and_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = resources.text("remote/proofs/common.sh") + resources.text("remote/coverage_reset.sh")
    (tmp_path / "reset").touch()
    done = await target(words, tmp_path).execute(Command(script, (str(tmp_path),)))
    assert (tmp_path / "reset").read_text() == "1\n"
    assert "reset\tyes\n" in done.text


@needs_lcov
async def test_a_gcov_of_another_compiler_is_told(tmp_path: Path) -> None:
    tree = GcovTree.made(tmp_path)
    other = tmp_path / "gcov-other"
    other.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec gcov "$@"\n'
        "echo \"a.gcno:version 'B22*', prefer 'A92*'\" >&2\nexit 3\n"
    )
    other.chmod(0o755)
    request = CoverageRequest(out=tmp_path / "out", build_tree=tree.tree, gcov=str(other))
    name = f"gcda/{tree.notes.relative_to(tree.debug / 'gcov')}"
    data = received(tmp_path / "out", stream(member(name, tree.notes.read_bytes())))

    with pytest.raises(LocalError) as caught:
        await GcovReports().report(data, request, lambda told: None)

    assert caught.value.code == "E-COVERAGE-GCOV", caught.value.evidence
    assert sorted(each.name for each in data.folder.iterdir()) == ["about.json", "gcda"]


def test_a_folder_without_a_build_is_no_build_tree(tmp_path: Path) -> None:
    request = CoverageRequest(out=tmp_path / "out", build_tree=tmp_path, gcov="true")
    if not all(os.access(f"/usr/bin/{each}", os.X_OK) for each in ("lcov", "genhtml")):
        pytest.skip("lcov is not installed")
    with pytest.raises(KdeployError, match="E-COVERAGE-TREE"):
        GcovReports().check(request, "6.1.0", "")
