"""A "kernel" whose counters are real: a C program built with gcov, its data where a kernel would show them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdeploy_gui.model.abi import Abi
from tests.elves import core_of_notes

SOURCE = """int main(int count, char **words)
{
    (void)words;
    if (count > 1)
        return 3;
    return 0;
}
"""
LINES, LINES_RUN = 4, 3
TOOLS = ("gcc", "gcov", "lcov", "genhtml")
needs_lcov = pytest.mark.skipif(
    any(shutil.which(each) is None for each in TOOLS), reason=f"needs {', '.join(TOOLS)}: see packaging/setup.sh"
)


@dataclass(frozen=True)
class GcovTree:
    """`debug` stands for debugfs; `tree` is the build as it lies here, built when it lay at `built`."""

    debug: Path
    tree: Path
    built: Path

    @classmethod
    def made(cls, root: Path) -> GcovTree:
        """Build the program in one folder, run it once, and move the build elsewhere."""
        made = cls(root / "debug", root / "here" / "linux", root / "built")
        (made.built / "fs").mkdir(parents=True)
        (made.built / "fs" / "open.c").write_text(SOURCE)
        build = ["gcc", "--coverage", "-O0", "-c", "fs/open.c", "-o", "fs/open.o"]
        subprocess.run(build, cwd=made.built, check=True)
        subprocess.run(["gcc", "--coverage", "fs/open.o", "-o", "vm"], cwd=made.built, check=True)
        folder = made.debug / "gcov"
        folder.mkdir(parents=True)
        subprocess.run([made.built / "vm"], env={**os.environ, "GCOV_PREFIX": str(folder)}, check=True)
        (folder / "reset").touch()
        (made.notes.with_suffix(".gcno")).symlink_to(made.built / "fs" / "open.gcno")
        (made.built / "include" / "config").mkdir(parents=True)
        made.tree.parent.mkdir()
        made.built.rename(made.tree)
        made.build()
        return made

    @property
    def notes(self) -> Path:
        """The counters of fs/open.c."""
        return self.debug / "gcov" / self.built.relative_to("/") / "fs" / "open.gcda"

    def build(self, *, release: str = "", notes: bytes = b"") -> None:
        """Say what was built there: the kernel that runs here, unless told otherwise."""
        core = core_of_notes(Abi(62, 64, True), notes or Path("/sys/kernel/notes").read_bytes(), debug_info=False)
        (self.tree / "vmlinux").write_bytes(core)
        name = self.tree / "include" / "config" / "kernel.release"
        name.write_text(f"{release or os.uname().release}\n")
