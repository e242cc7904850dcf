"""The sample suite: its plan is sound, its scripts run, its binary is what its recipe says."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.sources import list_sources
from kdeploy_gui.documents.plan_file import read_plan
from kdeploy_gui.engine.planner import plan
from kdeploy_gui.environments.demo_lab import DROP_AFTER
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.plan import ArtifactType, Plan
from kdeploy_gui.resources import ROOT

SUITE = ROOT / "demo"
TESTS = ("cpu-hotplug", "dmesg", "filesystem", "ftrace", "memory", "net-loopback", "smoke")
SHELLS = (("dash",), ("busybox", "sh"))


def sample_plan() -> Plan:
    file = read_plan(SUITE / "plan.toml", Catalogue())
    assert not file.problems
    assert file.draft is not None
    listed = list_sources(file.draft.artifacts, file.folder)
    assert not listed.problems
    planned = plan(file.draft, Lab((Environment(name="board-1", host="127.0.0.1"),)), listed.listings)
    assert not planned.problems
    assert planned.plan is not None
    return planned.plan


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """The suite as the plan puts it on a target."""
    for file in sample_plan().files:
        target = tmp_path / file.target.removeprefix("~/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source.path, target)
        target.chmod(file.mode)
    return tmp_path / "kdeploy-demo"


def run(shell: tuple[str, ...], suite: Path, *names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    interpreter = shutil.which(shell[0])
    if interpreter is None:
        pytest.skip(f"{shell[0]} is not installed")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(suite.parent), **variables}
    return subprocess.run(
        [interpreter, *shell[1:], suite / "run.sh", *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_plan_places_the_whole_suite_below_home() -> None:
    files = sample_plan().files
    sources = {Path(file.source.path) for file in files}
    assert sources == {path for path in SUITE.rglob("*") if path.is_file() and path.name != "plan.toml"}
    assert all(file.target.startswith("~/kdeploy-demo/") for file in files)
    assert {file.type for file in files} == set(ArtifactType)
    assert len(files) >= 12


def test_files_come_after_those_they_depend_on() -> None:
    order = [file.source.relative for file in sample_plan().files]
    assert order.index("conf/suite.conf") < order.index("lib/verdict.sh") < order.index("tests/smoke.sh")
    assert order[-1] == "run.sh"


def test_the_suite_is_small_and_still_larger_than_the_flaky_boards_patience() -> None:
    total = sum(file.source.size for file in sample_plan().files)
    assert 2 * DROP_AFTER < total < 300_000


def test_the_binary_is_reproducible() -> None:
    blocks = (hashlib.sha256(b"kdeploy reference pattern %d" % number).digest() for number in range(6144))
    assert (SUITE / "bin/pattern.bin").read_bytes() == b"".join(blocks)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_test_gives_a_verdict_and_leaves_nothing(deployed: Path, shell: tuple[str, ...]) -> None:
    before = sorted(deployed.parent.rglob("*"))
    done = run(shell, deployed)
    plan_line, *lines = [line for line in done.stdout.splitlines() if not line.startswith(("#", "TAP"))]
    assert plan_line == f"1..{len(TESTS)}"
    # A splat in this machine's own log is none of ours; everything else must hold anywhere.
    verdicts = dict(zip(TESTS, lines, strict=True))
    for number, (name, verdict) in enumerate(verdicts.items(), start=1):
        assert verdict.startswith(f"ok {number} {name}") or name == "dmesg", done.stdout
    assert not done.stderr
    assert sorted(deployed.parent.rglob("*")) == before


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_damaged_file_fails_its_test(deployed: Path, shell: tuple[str, ...]) -> None:
    pattern = deployed / "bin/pattern.bin"
    pattern.chmod(0o644)
    pattern.write_bytes(pattern.read_bytes()[:-1] + b"\0")
    done = run(shell, deployed, "filesystem", "smoke")
    assert done.returncode == 1
    assert "not ok 1 filesystem" in done.stdout
    assert "ok 2 smoke" in done.stdout


def test_an_unknown_test_is_refused(deployed: Path) -> None:
    done = run(("dash",), deployed, "no-such-test")
    assert done.returncode == 2
    assert "there is no test 'no-such-test'" in done.stderr


def test_a_missing_tool_skips_its_test(deployed: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = run(("dash",), deployed, "memory", PATH=str(tools))
    assert "# SKIP: awk is not installed" in done.stdout
    assert "ok 1 memory # SKIP" in done.stdout
