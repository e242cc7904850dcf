"""What an ELF file is made for, and what a kernel can run."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

ELF = b"\x7fELF"
HEADER = 52
"""Bytes of an ELF file that an `Abi` is read from."""

I386, MIPS, PPC, PPC64, S390, ARM, X86_64, AARCH64, RISCV, LOONGARCH = 3, 8, 20, 21, 22, 40, 62, 183, 243, 258
_NAMES = {
    42: "SuperH",
    94: "Xtensa",
    247: "BPF",
    **dict(zip((I386, MIPS, PPC, PPC64, S390, ARM), ("i386", "MIPS", "ppc", "ppc64", "s390", "ARM"), strict=True)),
    **dict(zip((X86_64, AARCH64, RISCV, LOONGARCH), ("x86_64", "aarch64", "riscv", "loongarch"), strict=True)),
}
_USUAL = {I386: (32, True), PPC: (32, False), PPC64: (64, False), X86_64: (64, True), AARCH64: (64, True)}
_WITH_BITS = (RISCV, LOONGARCH)
_ARM_HARD, _ARM_SOFT = 0x400, 0x200

Shape = tuple[int, int, bool]
"""ELF machine number, bits of an address, whether it is little-endian."""


@dataclass(frozen=True, slots=True)
class Abi:
    """ELF machine number, bits (32 or 64), byte order and the machine's own flags."""

    machine: int
    bits: int
    little: bool
    flags: int = 0

    @classmethod
    def of(cls, header: bytes) -> Abi | None:
        """Read from the first HEADER bytes of a file; None: these are not of an ELF file."""
        if len(header) < HEADER or not header.startswith(ELF) or header[4] not in (1, 2) or header[5] not in (1, 2):
            return None
        bits, order = 32 * header[4], "<" if header[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{order}H", header, 18)
        (flags,) = struct.unpack_from(f"{order}I", header, 36 if bits == 32 else 48)
        return cls(machine, bits, order == "<", flags)

    @property
    def shape(self) -> Shape:
        """What decides whether a kernel can run it."""
        return self.machine, self.bits, self.little

    @property
    def hard_float(self) -> bool | None:
        """Whether floating point values travel in the registers of the FPU; None: ARM only, and not always told."""
        if self.machine != ARM or bool(self.flags & _ARM_HARD) == bool(self.flags & _ARM_SOFT):
            return None
        return bool(self.flags & _ARM_HARD)

    @property
    def title(self) -> str:
        """What people call it: x86_64, 32-bit ARM hard float, big-endian 64-bit MIPS."""
        name = _NAMES.get(self.machine, f"ELF machine {self.machine}")
        if self.machine in _WITH_BITS:
            return f"{name}{self.bits}"
        bits, little = _USUAL.get(self.machine, (0, True))
        order = "" if self.little == little and self.machine != MIPS else _order(self.little)
        width = "" if self.bits == bits else f"{self.bits}-bit "
        floats = {True: " hard float", False: " soft float", None: ""}[self.hard_float]
        return f"{order}{width}{name}{floats}"

    def differs(self, other: Abi) -> bool:
        """Whether programs of the two kinds cannot share libraries."""
        floats = {self.hard_float, other.hard_float}
        return self.shape != other.shape or floats == {True, False}


def _order(little: bool) -> str:
    return "little-endian " if little else "big-endian "


_RUNS: tuple[tuple[str, frozenset[Shape]], ...] = (
    ("x86_64|amd64", frozenset({(X86_64, 64, True), (X86_64, 32, True), (I386, 32, True)})),
    ("i[3-6]86", frozenset({(I386, 32, True)})),
    ("aarch64|arm64", frozenset({(AARCH64, 64, True), (AARCH64, 32, True), (ARM, 32, True)})),
    ("aarch64_be", frozenset({(AARCH64, 64, False), (AARCH64, 32, False), (ARM, 32, False)})),
    ("armv8l", frozenset({(ARM, 32, True), (AARCH64, 64, True)})),
    (r"arm\w*l", frozenset({(ARM, 32, True)})),
    (r"arm\w*b", frozenset({(ARM, 32, False)})),
    ("riscv64", frozenset({(RISCV, 64, True), (RISCV, 32, True)})),
    ("riscv32", frozenset({(RISCV, 32, True)})),
    ("mips", frozenset({(MIPS, 32, True), (MIPS, 32, False)})),
    ("mips64", frozenset({(MIPS, bits, little) for bits in (32, 64) for little in (True, False)})),
    ("ppc", frozenset({(PPC, 32, False)})),
    ("ppc64", frozenset({(PPC64, 64, False), (PPC, 32, False)})),
    ("ppc64le", frozenset({(PPC64, 64, True), (PPC, 32, True)})),
    ("s390x", frozenset({(S390, 64, False), (S390, 32, False)})),
    ("loongarch64", frozenset({(LOONGARCH, 64, True), (LOONGARCH, 32, True)})),
)
"""By the name of `uname -m`. armv8l is a 64-bit kernel that shows itself to 32-bit programs."""


def programs_of(machine: str) -> frozenset[Shape] | None:
    """Programs that a kernel with this `uname -m` may be able to run; None: it is not known."""
    return next((shapes for pattern, shapes in _RUNS if re.fullmatch(pattern, machine)), None)


def modules_of(machine: str) -> frozenset[Shape] | None:
    """Modules that it may be able to load: those of its own width."""
    shapes = programs_of(machine)
    if shapes is None or machine == "armv8l":
        return shapes
    widest = max(bits for _, bits, _ in shapes)
    return frozenset(each for each in shapes if each[1] == widest)
