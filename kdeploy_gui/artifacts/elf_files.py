"""What an ELF file needs of a machine: its headers, its loader, or the kernel that it is a module for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from kdeploy_gui.model.abi import HEADER, Abi
from kdeploy_gui.model.requirement import Broken, Module, Program, Requirement

SEGMENTS = 4096
SECTIONS = 65536
"""Entries of an ELF table that are looked at; kernels load no file with more."""
NAME = 4096
"""Bytes of a loader's path at most."""
MODINFO = 1 << 20
"""Bytes of a module's own description at most."""


def inspect_elf(stream: IO[bytes], start: bytes) -> Requirement:
    """The requirement of an open ELF file, which is left anywhere; `start` are its first bytes. Raises OSError."""
    abi = Abi.of(start[:HEADER])
    if abi is None:
        return Broken("its ELF header is cut off or makes no sense")
    try:
        elf = ELFFile(stream)
        match elf["e_type"]:
            case "ET_EXEC" | "ET_DYN":
                return _program(elf, abi)
            case "ET_REL":
                return _module(elf, abi)
            case _:
                return None
    except (ELFError, ValueError, OverflowError) as error:
        return Broken(f"it is no sound ELF file: {error}")


def _program(elf: ELFFile, abi: Abi) -> Program | Broken:
    loader = ""
    for segment in _table(elf, "e_phoff", "e_phentsize", min(elf["e_phnum"], SEGMENTS), elf.structs.Elf_Phdr):
        end = segment["p_offset"] + segment["p_filesz"]
        if segment["p_type"] in {"PT_LOAD", "PT_INTERP"} and end > elf.stream_len:
            return Broken(f"it is cut off: it has {elf.stream_len} bytes and needs {end}")
        if segment["p_type"] == "PT_INTERP":
            loader = (
                _bytes(elf, segment["p_offset"], min(segment["p_filesz"], NAME))
                .partition(b"\0")[0]
                .decode("utf-8", "surrogateescape")
            )
    return Program(abi, loader)


def _module(elf: ELFFile, abi: Abi) -> Module | None:
    """The module in a relocatable file; None: it is another object file, which no kernel loads."""
    sections = list(_table(elf, "e_shoff", "e_shentsize", min(elf["e_shnum"], SECTIONS), elf.structs.Elf_Shdr))
    if elf["e_shstrndx"] >= len(sections):
        return None
    names = _section(elf, sections[elf["e_shstrndx"]])
    found = {names[each["sh_name"] :].partition(b"\0")[0]: each for each in sections}
    if b".modinfo" not in found:
        return None
    for entry in _section(elf, found[b".modinfo"]).split(b"\0"):
        if entry.startswith(b"vermagic="):
            vermagic = entry.removeprefix(b"vermagic=").decode("utf-8", "surrogateescape").strip()
            return Module(abi, vermagic, b"__versions" in found)
    return None


def _table(elf: ELFFile, offset: str, size: str, count: int, layout: Any) -> Iterator[Any]:
    for index in range(count):
        yield struct_parse(layout, elf.stream, _inside(elf, elf[offset] + index * elf[size]))


def _section(elf: ELFFile, header: Any) -> bytes:
    there = header["sh_type"] != "SHT_NOBITS"
    return _bytes(elf, header["sh_offset"], min(header["sh_size"], MODINFO)) if there else b""


def _bytes(elf: ELFFile, offset: int, size: int) -> bytes:
    elf.stream.seek(_inside(elf, offset))
    return elf.stream.read(size)


def _inside(elf: ELFFile, offset: int) -> int:
    if offset > elf.stream_len:
        raise ELFError(f"something it needs lies at {offset}, behind its end at {elf.stream_len}")
    return offset
