"""Kernels with instruments, built from Debian's source and kept below ~/.cache/kdeploy-lab by the hash of their recipe.

    python -m tests.lab.kernels [NAME]...

builds them beforehand, about five minutes each on an idle machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.debian import CACHE

SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
CONFIGS = Path(__file__).parent
RECIPE = """
tar -xf "$source" --strip-components=1
mkdir build
cp "$config" build/.config
make -s O=build olddefconfig
make -s O=build -j"$jobs" bzImage
"""
CHANGES = {"kasan": "echo 'GCOV_PROFILE_open.o := y' >> fs/Makefile\n"}
"""Changes to the source that come first: gcov instruments the files that Makefiles name."""
NEEDED = ("make", "gcc", "bc", "bison", "flex", "cpio", "xz")


def names() -> tuple[str, ...]:
    """The kernels that there are recipes for."""
    return tuple(sorted(each.stem for each in CONFIGS.glob("*.defconfig")))


def unfit() -> str:
    """Why kernels cannot be built here; empty: they can."""
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if not SOURCE.exists():
        missing.append("linux-source-6.1")
    return f"{', '.join(missing)} is not installed" if missing else ""


def kernel(name: str) -> Path:
    """The folder with `bzImage` and `config` of a kernel; built where it is not there."""
    config = CONFIGS / f"{name}.defconfig"
    key = hashlib.sha256((_recipe(name) + config.read_text() + _source_version()).encode()).hexdigest()[:16]
    place = CACHE / f"kernel-{name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"kernel-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".kernel-{name}.", dir=CACHE) as work:
                _build(Path(work), config, _recipe(name))
                result = Path(work) / "result"
                _collect(Path(work) / "build", config, result)
                result.rename(place)
    return place


def _recipe(name: str) -> str:
    unpack, _, rest = RECIPE.strip().partition("\n")
    changes = CHANGES.get(name, "")
    return RECIPE if not changes else f"\n{unpack}\n{changes}{rest}\n"


def _source_version() -> str:
    said = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Version}", "linux-source-6.1"],
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout


def _build(work: Path, config: Path, recipe: str) -> None:
    variables = {"source": str(SOURCE), "config": str(config), "jobs": str(os.cpu_count() or 1)}
    environment = {**os.environ, **variables, "KBUILD_BUILD_USER": "kdeploy", "KBUILD_BUILD_HOST": "lab", "LC_ALL": "C"}
    with (work / "log").open("w+") as log:
        done = subprocess.run(
            ["nice", "sh", "-euc", recipe],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, Path(log.name).read_text()[-4000:]


def _collect(build: Path, config: Path, result: Path) -> None:
    """Keep what a machine is booted with. A symbol whose dependencies are missing vanishes without a word: that is an
    error here."""
    made = set((build / ".config").read_text().splitlines())
    lost = [each for each in config.read_text().splitlines() if each.startswith("CONFIG_") and each not in made]
    assert not lost, f"{config.name} asks for what this source does not have: {', '.join(lost)}"
    result.mkdir()
    shutil.copy(build / "arch/x86/boot/bzImage", result / "bzImage")
    shutil.copy(build / ".config", result / "config")


if __name__ == "__main__":
    for each in sys.argv[1:] or names():
        print(kernel(each))  # noqa: T201 - what this program is for
