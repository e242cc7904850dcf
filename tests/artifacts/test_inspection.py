"""What files need is read from their bytes; whatever they hold, nothing breaks."""

from __future__ import annotations

import gzip
import lzma
import struct
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.inspection import inspect
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.abi import AARCH64, ARM, I386, MIPS, RISCV, X86_64, Abi
from kdeploy_gui.model.plan import SourceFile
from kdeploy_gui.model.requirement import Broken, Module, Program, Script
from tests.elves import CORE, DYN, REL, module, program

X86, ARM64, ARMHF = Abi(X86_64, 64, True), Abi(AARCH64, 64, True), Abi(ARM, 32, True, 0x5000400)
ABIS = (X86, ARM64, ARMHF, Abi(I386, 32, True), Abi(MIPS, 32, False, 0x70001005), Abi(RISCV, 64, True, 5))
VERMAGIC = "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions"


@pytest.mark.parametrize("abi", ABIS, ids=lambda abi: abi.title)
def test_programs_and_modules_of_every_kind_are_read(abi: Abi) -> None:
    assert inspect(BytesIO(program(abi))) == Program(abi)
    assert inspect(BytesIO(program(abi, "/lib/ld.so.1", kind=DYN, load=40))) == Program(abi, "/lib/ld.so.1")
    assert inspect(BytesIO(module(abi, VERMAGIC))) == Module(abi, VERMAGIC)
    assert inspect(BytesIO(module(abi, VERMAGIC, checksums=True))) == Module(abi, VERMAGIC, checksums=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#",
        b"\x7fEL",
        b"MZ\x90\x00" * 50,
        b"echo no first line\n",
        b"#!\n",
        b"#!   \n",
        b"#!python3\n",
        program(X86, kind=CORE),
        program(X86, kind=REL),
        module(X86, ""),
        module(X86, VERMAGIC).replace(b".modinfo", b".modinf_"),
    ],
)
def test_what_needs_nothing_that_could_be_told_is_data(data: bytes) -> None:
    assert inspect(BytesIO(data)) is None


@pytest.mark.parametrize(
    ("line", "script"),
    [
        (b"#!/bin/sh\n", Script("/bin/sh")),
        (b"#! \t/bin/sh -e\nexit\n", Script("/bin/sh")),
        (b"#!/bin/sh", Script("/bin/sh")),
        (b"#!/bin/sh\r\nexit\r\n", Script("/bin/sh", "", carriage_return=True)),
        (b"#!/bin/sh -e\r\n", Script("/bin/sh", "", carriage_return=True)),
        (b"#!/usr/bin/env python3\n", Script("/usr/bin/env", "python3")),
        (b"#!/usr/bin/env python3\r\n", Script("/usr/bin/env", "python3", carriage_return=True)),
        (b"#!/usr/bin/env -S LANG=C python3 -u\n", Script("/usr/bin/env", "python3")),
        (b"#!/usr/bin/env -i sh\n", Script("/usr/bin/env")),
        (b"#!/usr/bin/env\n", Script("/usr/bin/env")),
        (b"#!/usr/bin/env /opt/x\n", Script("/usr/bin/env")),
        (b"#!/opt/\xff\n", Script("/opt/\udcff")),
    ],
)
def test_first_lines_are_read_as_kernels_do(line: bytes, script: Script) -> None:
    assert inspect(BytesIO(line)) == script


def test_compressed_modules_are_read_and_compressed_programs_are_data() -> None:
    whole, other = module(X86, VERMAGIC, checksums=True), program(X86)
    for pack in (gzip.compress, lzma.compress):
        assert inspect(BytesIO(pack(whole))) == Module(X86, VERMAGIC, checksums=True)
        assert inspect(BytesIO(pack(other))) is None
        assert inspect(BytesIO(pack(b"any text"))) is None
        assert inspect(BytesIO(pack(b""))) is None
        for size in range(len(pack(whole)) - 20):
            assert not isinstance(inspect(BytesIO(pack(whole)[:size])), Broken)
    assert inspect(BytesIO(b"\x1f\x8b" + bytes(99))) is None
    assert inspect(BytesIO(b"\xfd7zXZ" + bytes(99))) is None


WHOLE = program(X86, "/lib64/ld-linux-x86-64.so.2", load=100)


@pytest.mark.parametrize("size", [4, 20, 51, 52, 63, 64, 100, 130, len(WHOLE) - 1])
def test_a_program_that_is_cut_off_is_broken(size: int) -> None:
    assert isinstance(inspect(BytesIO(WHOLE[:size])), Broken)


def test_a_module_that_is_cut_off_is_broken_or_data() -> None:
    whole = module(ARM64, VERMAGIC)
    found = [inspect(BytesIO(whole[:size])) for size in range(4, len(whole))]
    assert not any(isinstance(each, Module) for each in found)
    assert any(isinstance(each, Broken) for each in found)


def test_section_headers_of_programs_do_not_matter() -> None:
    """As in packed or stripped programs, which run all the same."""
    data = bytearray(program(X86, "/lib/ld.so.1"))
    struct.pack_into("<Q", data, 40, 1 << 62)
    struct.pack_into("<HHH", data, 58, 7, 60000, 59999)
    assert inspect(BytesIO(bytes(data))) == Program(X86, "/lib/ld.so.1")


whole_files = st.sampled_from(
    [program(each, "/lib/ld.so.1", load=9) for each in ABIS] + [module(each, VERMAGIC) for each in ABIS]
)
numbers = st.sampled_from([0, 1, 0x7F, 0xFF])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An ELF file with some bytes changed, and perhaps cut off."""
    data = bytearray(draw(whole_files))
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, len(data) - 1))
        data[start : start + draw(st.integers(1, 8))] = bytes([draw(numbers | st.integers(0, 255))])
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@settings(max_examples=1500)
@given(damaged() | st.binary(max_size=200).map(lambda tail: b"\x7fELF" + tail) | st.binary(max_size=300))
@example(b"\x7fELF" + b"\xff" * 200)
@example(b"\x7fELF\x02\x01" + b"\xff" * 200)
@example(b"\x7fELF\x01\x02" + b"\x00" * 200)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    stream = BytesIO(data)
    found = inspect(stream)
    assert found is None or isinstance(found, Program | Module | Script | Broken)
    assert not stream.closed


def test_a_real_program_and_a_script_of_this_machine() -> None:
    content = LocalContent()
    shell = content.requirement(SourceFile("/bin/sh", "sh", 0))
    assert isinstance(shell, Program)
    assert not shell.loader or Path(shell.loader).exists()
    ldd = content.requirement(SourceFile("/usr/bin/ldd", "ldd", 0))
    assert isinstance(ldd, Script)


def test_a_file_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        LocalContent().requirement(SourceFile(str(tmp_path / "gone"), "gone", 1))
    assert caught.value.code == "E-SOURCE-MISSING"


def test_a_huge_sparse_file_is_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    data = bytearray(program(X86, "/lib/ld.so.1"))
    struct.pack_into("<Q", data, 64 + 32, 1 << 33)
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate((1 << 33) + 4096)
    assert LocalContent().requirement(SourceFile(str(path), "huge", 0)) == Program(X86, "/lib/ld.so.1")
