"""Kernel images and command lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kdeploy_gui.model.kernel_params import name_of, split, with_params, words

ROOT_OPTIONS = ("root", "rootfstype", "rootflags", "rootdelay", "rootwait", "ro", "rw")
"""What names the root file system: a command line without it takes over that of the system it is for."""
BOOTED_BY = ("BOOT_IMAGE", "initrd")
"""What boot loaders add of their own."""
HEAD_BYTES = 64 * 1024
"""As much of an image as `image_of` looks at."""
_SETUP, _MAGIC, _VERSION_POINTER, _FLAGS = 0x200, 0x202, 0x20E, 0x236
_PROTOCOL_WITH_FLAGS = 0x20C
_ELF_MACHINES = {3: "i686", 62: "x86_64", 183: "aarch64", 243: "riscv64", 40: "armv7l"}
_VERSION = re.compile(r"(?P<release>\S+) (?:\([^)]*\) )?(?P<build>#.*)")


@dataclass(frozen=True, slots=True)
class KernelImage:
    """What an image says of itself: its machine, `uname -r` and `uname -v`; empty where its format does not tell."""

    arch: str
    release: str = ""
    build: str = ""

    def fits(self, arch: str) -> bool:
        """Whether a machine of that architecture can boot it; one that is not known might."""
        same = {arch, "i686"} if arch == "x86_64" else {arch}
        return not arch or not self.arch or self.arch in same


@dataclass(frozen=True, slots=True)
class KernelBooted:
    """A kernel that was booted and is the one that was meant; `seconds` from the order to the proof."""

    environment: str
    kernel: str
    release: str
    build: str
    cmdline: str
    seconds: float
    before: str = ""


def image_of(head: bytes) -> KernelImage | None:
    """What the first `HEAD_BYTES` of a file tell; None: that is no kernel image of a kind that is known."""
    if head[_MAGIC : _MAGIC + 4] == b"HdrS":
        return _bzimage(head)
    if head[56:60] == b"ARM\x64":
        return KernelImage("aarch64")
    if head[56:60] == b"RSC\x05" or head[48:56] == b"RISCV\0\0\0":
        return KernelImage("riscv64")
    if head[:4] == b"\x7fELF":
        number = int.from_bytes(head[18:20], "little" if head[5:6] == b"\1" else "big")
        return KernelImage(_ELF_MACHINES.get(number, ""))
    if head[36:40] == b"\x18\x28\x6f\x01":
        return KernelImage("armv7l")
    if head[:2] in {b"\x1f\x8b", b"MZ"}:
        return KernelImage("")
    return None


def _bzimage(head: bytes) -> KernelImage:
    """Documentation/arch/x86/boot.rst of the kernel."""
    protocol = int.from_bytes(head[0x206:0x208], "little")
    wide = protocol >= _PROTOCOL_WITH_FLAGS and head[_FLAGS] & 1
    pointer = int.from_bytes(head[_VERSION_POINTER : _VERSION_POINTER + 2], "little")
    text = head[pointer + _SETUP :].split(b"\0", 1)[0].decode("ascii", "replace") if pointer else ""
    found = _VERSION.fullmatch(text.strip())
    arch = "x86_64" if wide else "i686"
    return KernelImage(arch, found["release"], found["build"]) if found else KernelImage(arch, text.partition(" ")[0])


def merged(base: str, params: Sequence[str], known: str = "") -> str:
    """A command line with further parameters: each replaces those of its name, but for `REPEATABLE` ones.

    Where `base` names no root file system, that of `known`, the line of a system that booted, is taken over.
    """
    line, for_init = split(words(base))
    line = [each for each in line if name_of(each) not in BOOTED_BY]
    names = {name_of(each) for each in line}
    if "root" not in names:
        line += [each for each in words(known) if name_of(each) in ROOT_OPTIONS and name_of(each) not in names]
    return " ".join([*with_params(line, params), *for_init])


def missing_words(wanted: str, running: str) -> tuple[str, ...]:
    """Parameters that were asked for and are not on the command line of what runs, wherever that has its quotes.

    GRUB puts them around the whole word: `a="b c"` comes as `"a=b c"`, which is the same for the kernel.
    """
    has = {each.replace('"', "") for each in words(running)}
    return tuple(each for each in words(wanted) if each.replace('"', "") not in has)


def same_boot_image(path: str, running: str) -> bool:
    """Whether a command line names that image as the one that was booted, or none: not all boot loaders do.

    GRUB puts a device before the path where the image was not searched for.
    """
    named = [each.replace('"', "").partition("=")[2] for each in words(running) if name_of(each) == "BOOT_IMAGE"]
    return not path or not named or named[0].rpartition(")")[2] == path


def differences(image: KernelImage, release: str, build: str, missing: Sequence[str]) -> tuple[str, ...]:
    """What a running kernel has other than the image and the command line that were ordered."""
    found = []
    if image.release and image.release != release:
        found.append(f"it runs {release}, the image is {image.release}")
    if image.build and image.build != build:
        found.append(f"its build is '{build}', that of the image '{image.build}'")
    if missing:
        found.append(f"its command line lacks {' '.join(missing)}")
    return tuple(found)
