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
    (I386, 32, True): "i386",
    (X86_64, 64, True): "x86_64",
    (X86_64, 32, True): "x32",
    (ARM, 32, True): "ARM",
    (AARCH64, 64, True): "aarch64",
    (AARCH64, 64, False): "aarch64_be",
    (RISCV, 32, True): "riscv32",
    (RISCV, 64, True): "riscv64",
    (PPC, 32, False): "ppc",
    (PPC64, 64, False): "ppc64",
    (PPC64, 64, True): "ppc64le",
    (S390, 64, False): "s390x",
    (LOONGARCH, 64, True): "loongarch64",
}
_FAMILIES = {MIPS: "MIPS", ARM: "ARM", PPC: "PowerPC", S390: "s390", 42: "SuperH", 94: "Xtensa"}
_FLOATS = {True: " hard float (armhf)", False: " soft float (armel)", None: ""}
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
        """What people call it: x86_64, ARM hard float (armhf), big-endian 32-bit MIPS."""
        family = _FAMILIES.get(self.machine, f"ELF machine {self.machine}")
        order = "little" if self.little else "big"
        return _NAMES.get(self.shape, f"{order}-endian {self.bits}-bit {family}") + _FLOATS[self.hard_float]

    def differs(self, other: Abi) -> bool:
        """Whether programs of the two kinds cannot share libraries."""
        floats = {self.hard_float, other.hard_float}
        return self.shape != other.shape or floats == {True, False}


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
