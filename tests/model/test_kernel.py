"""Kernel images and command lines."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.kernel import KernelImage, differences, image_of, merged, missing_words


def bzimage(version: str, *, wide: bool = True, protocol: int = 0x20F) -> bytes:
    head = bytearray(0x4000)
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = protocol.to_bytes(2, "little")
    head[0x236] = int(wide)
    if version:
        head[0x20E:0x210] = (0x3000).to_bytes(2, "little")
        head[0x3200 : 0x3200 + len(version)] = version.encode()
    return bytes(head)


def elf(machine: int, *, little: bool = True) -> bytes:
    order = "little" if little else "big"
    return b"\x7fELF\x02" + (b"\1" if little else b"\2") + bytes(12) + machine.to_bytes(2, order)  # type: ignore[arg-type]


LONG = "6.1.0-50-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)"


@pytest.mark.parametrize(
    ("head", "image"),
    [
        (
            bzimage(LONG),
            KernelImage("x86_64", "6.1.0-50-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-01)"),
        ),
        (bzimage("6.1.0 (a@b)"), KernelImage("x86_64", "6.1.0")),
        (bzimage("", wide=False), KernelImage("i686")),
        (bzimage("", protocol=0x204), KernelImage("i686")),
        (bytes(56) + b"ARM\x64", KernelImage("aarch64")),
        (bytes(48) + b"RISCV\0\0\0RSC\x05", KernelImage("riscv64")),
        (elf(62), KernelImage("x86_64")),
        (elf(243, little=False), KernelImage("riscv64")),
        (bytes(36) + b"\x18\x28\x6f\x01", KernelImage("armv7l")),
        (b"\x1f\x8b rest", KernelImage("")),
        (b"#!/bin/sh\n", None),
        (b"", None),
    ],
)
def test_an_image_tells_what_it_is(head: bytes, image: KernelImage | None) -> None:
    assert image_of(head) == image


def test_an_image_fits_its_machine() -> None:
    assert KernelImage("i686").fits("x86_64")
    assert not KernelImage("x86_64").fits("i686")
    assert not KernelImage("aarch64").fits("x86_64")
    assert KernelImage("").fits("x86_64")
    assert KernelImage("riscv64").fits("")


@pytest.mark.parametrize(
    ("base", "params", "known", "line"),
    [
        ("console=ttyS0", [], "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet", "console=ttyS0 root=/dev/vda1 ro"),
        ("console=ttyS0 root=/dev/sda1", [], "root=/dev/vda1 ro", "console=ttyS0 root=/dev/sda1"),
        ("a=1 quiet a=2", ["a=3"], "", "quiet a=3"),
        ("console=tty0", ["console=ttyS0", "console=tty0"], "", "console=tty0 console=ttyS0"),
        ("BOOT_IMAGE=/x initrd=/y quiet", ["panic=-1"], "", "quiet panic=-1"),
        ("", ["quiet", "quiet"], "", "quiet"),
    ],
)
def test_command_lines_are_merged(base: str, params: list[str], known: str, line: str) -> None:
    assert merged(base, params, known) == line


def test_a_kernel_that_is_another_one_is_told() -> None:
    image = KernelImage("x86_64", "6.1", "#2 SMP")
    assert differences(image, "6.1", "#2 SMP", missing_words("a b=1", "b=1 a c")) == ()
    assert differences(image, "6.0", "#1 SMP", missing_words("a b=1", "b=2")) == (
        "it runs 6.0, the image is 6.1",
        "its build is '#1 SMP', that of the image '#2 SMP'",
        "its command line lacks a b=1",
    )
