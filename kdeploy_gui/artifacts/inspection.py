"""What a local file needs of a machine: read from the file itself, a few kilobytes of it however large it is."""

from __future__ import annotations

import lzma
import zlib
from io import BufferedReader, BytesIO, RawIOBase
from posixpath import basename
from typing import IO

from kdeploy_gui.model.abi import ELF
from kdeploy_gui.model.requirement import Module, Requirement, Script

FIRST_LINE = 256
"""Bytes of a `#!` line that kernels read."""
GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ"
PEEK = 65536
MODULE = 1 << 26
"""Bytes of a compressed module that are looked at, before and after, and of memory for that."""


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
    """Of an ELF file; the library for these is loaded only when there is one."""
    from kdeploy_gui.artifacts.elf_files import inspect_elf

    return inspect_elf(stream, start)
