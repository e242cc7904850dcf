"""What a local file needs of a machine: read from the file itself, a few kilobytes of it however large it is."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO, RawIOBase
from posixpath import basename
from typing import IO, Any

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from kdeploy_gui.model.abi import ELF, HEADER, Abi
from kdeploy_gui.model.requirement import Broken, Module, Program, Requirement, Script

FIRST_LINE = 256
"""Bytes of a `#!` line that kernels read."""
SEGMENTS = 4096
SECTIONS = 65536
"""Entries of an ELF table that are looked at; kernels load no file with more."""
GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ"
PEEK = 65536
MODULE = 1 << 26
"""Bytes of a compressed module that are looked at, before and after, and of memory for that."""
NAME = 4096
"""Bytes of a loader's path at most."""
MODINFO = 1 << 20
"""Bytes of a module's own description at most."""


def inspect(file: RawIOBase | BytesIO) -> Requirement:
    """The requirement of an open file, which is left anywhere. Raises OSError."""
    stream = BufferedReader(file)
    try:
        start = stream.read(FIRST_LINE)
        if start.startswith(b"#!"):
            return _script(start)
        if start.startswith((GZIP, XZ)):
            return _compressed(stream, start)
        return _elf(stream, start) if start.startswith(ELF) else None
    finally:
        stream.detach()


def _compressed(stream: IO[bytes], start: bytes) -> Module | None:
    """The module in a compressed file, which kernels load as it is; they run no compressed program."""
    try:
        if _unpacked(start + stream.read(PEEK), len(ELF)) != ELF:
            return None
        stream.seek(0)
        data = _unpacked(stream.read(MODULE), MODULE)
    except (zlib.error, lzma.LZMAError):
        return None
    found = _elf(BytesIO(data), data)
    return found if isinstance(found, Module) else None


def _unpacked(data: bytes, most: int) -> bytes:
    if data.startswith(GZIP):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(data, most)
    return lzma.LZMADecompressor(memlimit=MODULE).decompress(data, most)


def _script(start: bytes) -> Script | None:
    line = start[2:].partition(b"\n")[0].strip(b" \t")
    words = line.rstrip(b"\r").decode("utf-8", "surrogateescape").split()
    if not words or not words[0].startswith("/"):
        return None
    tool = _looked_up(words[1:]) if basename(words[0]) == "env" else ""
    return Script(words[0], tool, line.endswith(b"\r"))


def _looked_up(arguments: list[str]) -> str:
    """The command that `env` starts; empty where options make it uncertain."""
    if arguments[:1] == ["-S"]:
        arguments = arguments[1:]
    commands = (each for each in arguments if "=" not in each)
    command = next(commands, "")
    return "" if command.startswith("-") or "/" in command else command


def _elf(stream: IO[bytes], start: bytes) -> Requirement:
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
