"""Property 18: kernel compatibility validation

For any kernel version string and any range, accept or reject equals what an independent oracle says: the packaging
library for generated ones, dpkg for examples, and the kernel that runs here. (The version part; configurations and
ELF files follow with their checks.)
"""

from __future__ import annotations

import operator
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import packaging.version
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kdeploy_gui.documents.field_types import version_range
from kdeploy_gui.model.version import Version, VersionRange

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


@settings(max_examples=500, deadline=None)
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
