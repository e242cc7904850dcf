"""Names of ELF machines, and what kernels run."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.abi import (
    AARCH64,
    ARM,
    I386,
    LOONGARCH,
    MIPS,
    PPC64,
    RISCV,
    S390,
    X86_64,
    Abi,
    modules_of,
    programs_of,
)
from tests.elves import program

ARMHF, ARMEL = Abi(ARM, 32, True, 0x5000400), Abi(ARM, 32, True, 0x5000200)
MIPS_BE, MIPS_LE = Abi(MIPS, 32, False), Abi(MIPS, 32, True)


@pytest.mark.parametrize(
    ("abi", "title"),
    [
        (Abi(X86_64, 64, True), "x86_64"),
        (Abi(X86_64, 32, True), "x32"),
        (Abi(I386, 32, True), "i386"),
        (Abi(AARCH64, 64, True), "aarch64"),
        (Abi(AARCH64, 64, False), "aarch64_be"),
        (ARMHF, "ARM hard float (armhf)"),
        (ARMEL, "ARM soft float (armel)"),
        (Abi(ARM, 32, True, 0x5000000), "ARM"),
        (MIPS_BE, "big-endian 32-bit MIPS"),
        (Abi(MIPS, 64, True), "little-endian 64-bit MIPS"),
        (Abi(PPC64, 64, True), "ppc64le"),
        (Abi(S390, 64, False), "s390x"),
        (Abi(RISCV, 64, True, 5), "riscv64"),
        (Abi(LOONGARCH, 64, True), "loongarch64"),
        (Abi(4711, 64, True), "little-endian 64-bit ELF machine 4711"),
    ],
)
def test_people_know_what_it_is_and_bytes_say_the_same(abi: Abi, title: str) -> None:
    assert abi.title == title
    assert Abi.of(program(abi)) == abi


@pytest.mark.parametrize(
    ("machine", "runs", "not_these"),
    [
        ("x86_64", [Abi(X86_64, 64, True), Abi(I386, 32, True)], [Abi(AARCH64, 64, True), ARMHF]),
        ("i686", [Abi(I386, 32, True)], [Abi(X86_64, 64, True)]),
        ("aarch64", [Abi(AARCH64, 64, True), ARMHF, ARMEL], [Abi(X86_64, 64, True), Abi(AARCH64, 64, False)]),
        ("armv7l", [ARMHF, ARMEL], [Abi(AARCH64, 64, True), Abi(ARM, 32, False)]),
        ("armv5tejl", [ARMEL], [Abi(I386, 32, True)]),
        ("armv8l", [ARMHF, Abi(AARCH64, 64, True)], [Abi(X86_64, 64, True)]),
        ("armv7b", [Abi(ARM, 32, False)], [ARMHF]),
        ("riscv64", [Abi(RISCV, 64, True)], [Abi(AARCH64, 64, True)]),
        ("mips", [MIPS_BE, MIPS_LE], [Abi(MIPS, 64, False)]),
        ("ppc64le", [Abi(PPC64, 64, True)], [Abi(PPC64, 64, False)]),
        ("s390x", [Abi(S390, 64, False)], [Abi(X86_64, 64, True)]),
    ],
)
def test_kernels_run_their_own_and_their_small_sisters(machine: str, runs: list[Abi], not_these: list[Abi]) -> None:
    shapes = programs_of(machine)
    assert shapes is not None
    assert {each.shape for each in runs} <= shapes
    assert not {each.shape for each in not_these} & shapes


def test_modules_are_as_wide_as_the_kernel() -> None:
    assert modules_of("x86_64") == frozenset({(X86_64, 64, True)})
    assert modules_of("aarch64") == frozenset({(AARCH64, 64, True)})
    assert modules_of("armv7l") == frozenset({(ARM, 32, True)})
    assert modules_of("armv8l") == frozenset({(ARM, 32, True), (AARCH64, 64, True)})


def test_nothing_is_claimed_of_unknown_machines() -> None:
    assert programs_of("e2k") is None
    assert modules_of("e2k") is None


def test_who_can_share_libraries() -> None:
    assert ARMHF.differs(ARMEL)
    assert not ARMHF.differs(Abi(ARM, 32, True))
    assert MIPS_BE.differs(MIPS_LE)
    assert not MIPS_BE.differs(Abi(MIPS, 32, False, 7))


@pytest.mark.parametrize("header", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\x01\x03" + bytes(60)])
def test_no_header_no_abi(header: bytes) -> None:
    assert Abi.of(header) is None
