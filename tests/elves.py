"""Tiny ELF files, made of bytes: enough of them for what reads headers, nothing that could run."""

from __future__ import annotations

import struct

from kdeploy_gui.model.abi import Abi

EXEC, DYN, REL, CORE = 2, 3, 1, 4


def program(abi: Abi, loader: str = "", *, kind: int = EXEC, load: int = 0) -> bytes:
    """A program with one PT_INTERP if there is a `loader`, and one PT_LOAD of `load` bytes."""
    text = loader.encode() + b"\0" if loader else b""
    head, entry = _sizes(abi)
    segments = [(1, 0, load)] if load else []
    where = head + entry * (len(segments) + bool(loader))
    segments += [(3, where, len(text))] if loader else []
    table = b"".join(_segment(abi, *each) for each in segments)
    return _header(abi, kind, segments=len(segments)) + table + text


def core_of_notes(abi: Abi, notes: bytes, *, debug_info: bool = False) -> bytes:
    """What a vmlinux has for those who compare builds: one PT_NOTE, and an empty `.debug_info` if that is wanted."""
    head, entry = _sizes(abi)
    where = head + entry
    names = b"\0.debug_info\0.shstrtab\0"
    sections = [(0, 0, 0, 0), *([(1, 1, where, 0)] if debug_info else []), (13, 3, where + len(notes), len(names))]
    table = b"".join(_section(abi, *each) for each in sections)
    end = where + len(notes) + len(names)
    start = _header(abi, EXEC, segments=1, table=end, sections=len(sections))
    return start + _segment(abi, 4, where, len(notes)) + notes + names + table


def module(abi: Abi, vermagic: str, *, checksums: bool = False, info: bytes = b"license=GPL\0") -> bytes:
    """A kernel module with a `.modinfo` section, and one for checksums of symbols."""
    names = b"\0.modinfo\0__versions\0.shstrtab\0"
    modinfo = info + (f"vermagic={vermagic} ".encode() + b"\0" if vermagic else b"")
    start = _sizes(abi)[0]
    sections = [(0, 0, 0, 0), (1, 1, start, len(modinfo))]
    sections += [(10, 1, start, 4)] if checksums else []
    sections.append((21, 3, start + len(modinfo), len(names)))
    table = b"".join(_section(abi, *each) for each in sections)
    end = start + len(modinfo) + len(names)
    return _header(abi, REL, table=end, sections=len(sections)) + modinfo + names + table


def _sizes(abi: Abi) -> tuple[int, int]:
    return (64, 56) if abi.bits == 64 else (52, 32)


def _order(abi: Abi) -> str:
    return "<" if abi.little else ">"


def _header(abi: Abi, kind: int, *, segments: int = 0, table: int = 0, sections: int = 0) -> bytes:
    head, entry = _sizes(abi)
    word = "Q" if abi.bits == 64 else "I"
    identity = b"\x7fELF" + bytes([abi.bits // 32, 1 if abi.little else 2, 1]) + bytes(9)
    numbers = (kind, abi.machine, 1, 0, head, table, abi.flags, head, entry, segments)
    rest = (64 if abi.bits == 64 else 40, sections, max(0, sections - 1))
    return identity + struct.pack(f"{_order(abi)}HHI3{word}IHHHHHH", *numbers, *rest)


def _segment(abi: Abi, kind: int, offset: int, size: int) -> bytes:
    if abi.bits == 64:
        return struct.pack(f"{_order(abi)}II6Q", kind, 4, offset, 0, 0, size, size, 1)
    return struct.pack(f"{_order(abi)}8I", kind, offset, 0, 0, size, size, 4, 1)


def _section(abi: Abi, name: int, kind: int, offset: int, size: int) -> bytes:
    word = "Q" if abi.bits == 64 else "I"
    return struct.pack(f"{_order(abi)}II4{word}II2{word}", name, kind, 0, 0, offset, size, 0, 0, 1, 0)
