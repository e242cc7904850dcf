"""The small program that reads a KCOV counter, built by this workstation's compiler at need."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from kdeploy_gui.resources import ROOT

COMPILERS = {
    "x86_64": ("x86_64-linux-gnu-gcc",),
    "aarch64": ("aarch64-linux-gnu-gcc",),
    "riscv64": ("riscv64-linux-gnu-gcc",),
    "armv6l": ("arm-linux-gnueabi-gcc",),
    "armv7l": ("arm-linux-gnueabihf-gcc", "arm-linux-gnueabi-gcc"),
    "armv8l": ("arm-linux-gnueabihf-gcc", "arm-linux-gnueabi-gcc"),
}
"""Compilers by the machine that they build for; the workstation's own builds for its own."""
OPTIONS = (
    *("-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
    *("-fomit-frame-pointer", "-Wl,--build-id=none", "-Wl,-z,norelro", "-Wl,-z,noseparate-code", "-s"),
)
TIMEOUT = 30.0
"""Seconds for one small file."""


def compiler(machine: str) -> str:
    """A compiler for this machine; empty: there is none here. No program is known for other machines."""
    if machine not in COMPILERS:
        return ""
    names = COMPILERS[machine] if machine != platform.machine() else ("cc", "gcc", *COMPILERS[machine])
    return next((found for each in names if (found := shutil.which(each))), "")


@cache
def kcov_helper(machine: str) -> str:
    """The program in octal escapes for printf; empty: it cannot be built here. Blocks."""
    program = compiler(machine)
    if not program:
        return ""
    with tempfile.TemporaryDirectory(prefix="kdeploy-") as folder:
        result = Path(folder) / "kcov"
        words = [program, *OPTIONS, "-o", str(result), str(ROOT / "remote/proofs/kcov.c"), "-lgcc"]
        try:
            done = subprocess.run(words, capture_output=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return ""
        if done.returncode != 0:
            return ""
        return "".join(f"\\{byte:03o}" for byte in result.read_bytes())
