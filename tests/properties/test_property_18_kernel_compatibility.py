"""Property 18: kernel compatibility validation

For any kernel version string and any range, accept or reject equals what an independent oracle says: the packaging
library for generated ones, dpkg for examples, and the kernel that runs here. For any module and any kernel the gate
answers as the kernel's own comparison does where its configuration can be read, and never refuses more where not; for
programs of this machine the oracle is the machine. (Required options of configurations follow with their check.)
"""

from __future__ import annotations

import operator
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import packaging.version
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kdeploy_gui.artifacts.inspection import inspect
from kdeploy_gui.documents.field_types import version_range
from kdeploy_gui.engine.gate import refusals
from kdeploy_gui.model.abi import HEADER, X86_64, Abi
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.requirement import Arrival, Requirement
from kdeploy_gui.model.version import Version, VersionRange
from tests.elves import module, program

OPERATORS: dict[str, Callable[[packaging.version.Version, packaging.version.Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
SUFFIXES = ["", "+", "-debug+", "-amd64", "-13-generic", "-rt14-v8+", "-rcu", "-g1234abcd", "-dirty", ".fc40.x86_64"]


@dataclass(frozen=True)
class Release:
    """A kernel's version by its parts."""

    numbers: tuple[int, ...]
    candidate: int | None

    def written(self, separator: str = "-", suffix: str = "") -> str:
        candidate = "" if self.candidate is None else f"{separator}rc{self.candidate}"
        return ".".join(map(str, self.numbers)) + candidate + suffix

    def understood(self) -> packaging.version.Version:
        return packaging.version.Version(self.written(separator=""))


small = st.integers(0, 3) | st.integers(0, 400)
releases = st.builds(
    Release,
    st.lists(small, min_size=1, max_size=4).map(tuple),
    st.none() | st.integers(0, 12),
)
separators = st.sampled_from(["-", "~", ".", ""])
clauses = st.tuples(st.sampled_from(sorted(OPERATORS)), releases, separators)


@settings(max_examples=500)
@given(releases, separators, st.sampled_from(SUFFIXES), st.lists(clauses, min_size=1, max_size=4))
@example(Release((6, 13), 3), "-", "+", [(">=", Release((6, 13), None), "-")])
@example(Release((6, 1, 0), None), "-", "-13-amd64", [("==", Release((6, 1), None), "-")])
@example(Release((6, 9), None), "-", "", [("<", Release((6, 10), None), "-")])
def test_verdict_equals_the_oracle(
    release: Release, separator: str, suffix: str, wanted: list[tuple[str, Release, str]]
) -> None:
    text = ", ".join(f"{sign}{limit.written(between)}" for sign, limit, between in wanted)
    assert version_range(text) == text, "a plan may hold this range"
    verdict = VersionRange.parse(text).contains(Version.parse(release.written(separator, suffix)))
    expected = all(OPERATORS[sign](release.understood(), limit.understood()) for sign, limit, _ in wanted)
    assert verdict == expected


EXAMPLES = [
    "5.10",
    "5.10.0",
    "5.10.209",
    "6.1-rc1",
    "6.1-rc8",
    "6.1",
    "6.1.9",
    "6.1.10",
    "6.9",
    "6.10",
    "6.13-rc3",
    "6.13-rc12",
    "6.13",
    "6.13.1",
    "7",
]


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg as a second oracle")
def test_order_equals_that_of_dpkg() -> None:
    for one in EXAMPLES:
        for sign, other in ((">=", "6.1"), ("<", "6.13"), ("==", "5.10"), (">", "6.1-rc8"), ("<=", "6.9")):
            command = ["dpkg", "--compare-versions", padded(one), sign.replace("==", "="), padded(other)]
            if sign in {"<", ">"}:
                command[3] = sign * 2
            expected = subprocess.run(command, check=False).returncode == 0
            assert VersionRange.parse(f"{sign}{other}").contains(Version.parse(one)) == expected, (one, sign, other)


def padded(version: str) -> str:
    """The version with three numbers, and a release candidate as Debian writes it."""
    numbers, _, candidate = version.partition("-")
    full = ".".join([*numbers.split("."), "0", "0"][:3])
    return f"{full}~{candidate}" if candidate else full


def test_kernel_that_runs_here() -> None:
    release = subprocess.run(["uname", "-r"], check=True, capture_output=True, text=True).stdout.strip()
    assert release == platform.release() == Path("/proc/sys/kernel/osrelease").read_text().strip()
    running = Version.parse(release)
    major, minor = (int(each) for each in release.split(".")[:2])
    for wanted in (f">={major}.{minor}", f">={major},<{major + 1}", f"!={major + 1}.0", f">={major}.{minor}-rc1"):
        assert VersionRange.parse(wanted).contains(running), wanted
    for unwanted in (f">={major + 1}", f"<{major}.{minor}", f">{major}.{minor + 1}", f"=={major + 1}.{minor}"):
        assert not VersionRange.parse(unwanted).contains(running), unwanted


@dataclass(frozen=True)
class Kernel:
    """What a kernel is built with, as far as its vermagic tells."""

    release: str
    smp: bool
    preempt: bool
    unload: bool
    modversions: bool

    @property
    def vermagic(self) -> str:
        """As include/linux/vermagic.h puts it together."""
        words = {"SMP": self.smp, "preempt": self.preempt, "mod_unload": self.unload, "modversions": self.modversions}
        return "".join(f"{word} " for word in (self.release, *(word for word, on in words.items() if on)))

    def takes(self, other: Kernel) -> bool:
        """Whether it loads a module of the other: same_magic of kernel/module/version.c."""
        ours, theirs = self.vermagic, other.vermagic
        if other.modversions and self.modversions:
            ours, theirs = ours.partition(" ")[2], theirs.partition(" ")[2]
        return ours == theirs

    def facts(self, *, configuration: bool) -> Facts:
        """What such a machine tells."""
        words = ["#1", *(["SMP"] if self.smp else []), *(["PREEMPT_DYNAMIC"] if self.preempt else []), "Debian 6.1"]
        options = {"MODULES": True, "SMP": self.smp, "PREEMPT_BUILD": self.preempt}
        options |= {"MODULE_UNLOAD": self.unload, "MODVERSIONS": self.modversions}
        return Facts(
            kernel_release=self.release,
            kernel_build=" ".join(words),
            machine="x86_64",
            boot_id="b",
            options=frozenset(name for name, on in options.items() if on) if configuration else None,
        )


kernels = st.builds(
    Kernel, st.sampled_from(["6.1.0-50-amd64", "6.1.0-49-amd64", "6.12.0"]), *[st.booleans() for _ in range(4)]
)


def verdict_of(needs: Requirement, facts: Facts) -> list[str]:
    return [
        each.code for each in refusals([Arrival(ManifestEntry("/t/x", "", 0o755), ArtifactType.BINARY, needs)], facts)
    ]


@settings(max_examples=400)
@given(kernels, kernels)
def test_modules_are_taken_as_the_kernel_takes_them(running: Kernel, built_for: Kernel) -> None:
    needs = inspect(BytesIO(module(Abi(X86_64, 64, True), built_for.vermagic, checksums=built_for.modversions)))
    expected = [] if running.takes(built_for) else ["E-VERMAGIC"]
    assert verdict_of(needs, running.facts(configuration=True)) == expected
    guessed = verdict_of(needs, running.facts(configuration=False))
    assert guessed in ([], expected), "refuses only what is certain"
    if built_for.release != running.release and not built_for.modversions:
        assert guessed == expected


def test_programs_of_this_machine_run_and_foreign_ones_do_not(tmp_path: Path) -> None:
    facts = Facts(kernel_release="", kernel_build="", machine=platform.machine(), boot_id="")
    for name in ("/bin/sh", "/bin/true", shutil.which("busybox") or "/bin/sh"):
        data = Path(name).read_bytes()
        assert verdict_of(inspect(BytesIO(data)), facts) == []
        abi = Abi.of(data[:HEADER])
        assert abi
        other = tmp_path / "other"
        for wrong in (replace(abi, little=not abi.little), replace(abi, machine=abi.machine ^ 1)):
            other.write_bytes(program(wrong))
            other.chmod(0o755)
            with pytest.raises(OSError, match="Exec format error"):
                subprocess.run([other], check=False)
            assert verdict_of(inspect(BytesIO(other.read_bytes())), facts) == ["E-ARCH"]
