"""`kdeploy scan` on a real SSH server, with programs in the place of scanners that write what those write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.instruments.scanning import audited
from kdeploy_gui.model.scan import Scan, ScanFinding, compared
from tests.cli.program import Answer, Lab, kdeploy
from tests.lab.fixtures import MakeSshd
from tests.strategies import START

pytestmark = pytest.mark.sshd

LYNIS = """#!/bin/sh
[ "$1 $2" = "audit system" ] || exit 1
while [ $# -gt 0 ]; do
    case $1 in --report-file) report=$2 ;; esac
    shift
done
cat "{report}" > "$report"
echo "noise of the audit"
exit {status}
"""
CHECKER = """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in -c) config=$2 ;; -v) version=$2 ;; -l) cmdline=$2 ;; esac
    shift
done
grep -q "^CONFIG_" "$config" && grep -q "^Linux version " "$version" && [ -s "$cmdline" ] || exit 1
cat "{answer}"
"""
REPORT = """# Lynis Report
report_version_major=1
warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|AllowTcpForwarding (set YES to NO)|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|LogLevel (set INFO to VERBOSE)|-|
warning[]=broken
"""


def option(name: str, found: str, good: bool) -> Mapping[str, object]:
    return {
        "option_name": name,
        "type": "kconfig",
        "reason": "self_protection",
        "decision": "kspp",
        "desired_val": "y",
        "check_result": found,
        "check_result_bool": good,
    }


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that the machine and this workstation find."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@pytest.fixture
def machine(lab: Lab, make_sshd: MakeSshd, tools: Path) -> Lab:
    lab.add(make_sshd(variables={"PATH": f"{tools}:/usr/bin:/bin"}).environment("board-a"))
    return lab


def program(path: Path, text: str, **values: object) -> None:
    path.write_text(text.format(**values))
    path.chmod(0o755)


def scan(tools: Path, *words: str) -> Answer:
    return kdeploy("scan", "board-a", *words, PATH=f"{tools}:/usr/bin:/bin")


def test_an_audit_is_compared_with_the_one_before(machine: Lab, tools: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text(REPORT)
    program(tools / "lynis", LYNIS, report=report, status=0)

    first = scan(tools, "--with", "lynis")
    report.write_text(REPORT.replace("SSH-7408", "SSH-7000", 1))
    second = scan(tools, "--with", "lynis", "--json")

    assert first.status == 0, first.stderr
    assert first.stdout.splitlines() == [
        "lynis: 3 findings",
        "    PKGS-7392: Found one or more vulnerable packages.",
        "    SSH-7408: Consider hardening SSH configuration (AllowTcpForwarding (set YES to NO))",
        "    SSH-7408: Consider hardening SSH configuration (LogLevel (set INFO to VERBOSE))",
    ]
    (found,) = second.json["scans"]
    assert [each["title"][:8] for each in found["new"]] == ["SSH-7000"]
    assert [each["title"][:8] for each in found["gone"]] == ["SSH-7408"]
    again = scan(tools, "--with", "lynis")
    assert ", 0 new, 0 gone since " in again.stdout
    assert not list(Path("/tmp").glob("kdeploy-lynis.*"))


@pytest.mark.skipif(
    not Path("/proc/config.gz").exists() and not list(Path("/boot").glob("config-*")), reason="no config"
)
def test_the_configuration_is_judged_on_this_workstation(machine: Lab, tools: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps([option("CONFIG_BUG", "OK", True), option("CONFIG_KFENCE", "FAIL: not found", False)]))
    program(tools / "kernel-hardening-checker", CHECKER, answer=answer)

    done = scan(tools, "--with", "hardening")
    assert done.status == 0, done.stdout
    assert done.stdout.splitlines() == [
        "hardening: 1 finding",
        "    CONFIG_KFENCE: FAIL: not found, wanted y (self_protection)",
    ]
    answer.write_text("no JSON")
    broken = scan(tools, "--with", "hardening")
    assert broken.status == 1
    assert "said nothing that can be read" in broken.stdout


def test_what_is_not_there_is_told_and_fails_only_where_it_was_named(machine: Lab, tools: Path) -> None:
    if shutil.which("lynis") or shutil.which("kernel-hardening-checker"):
        pytest.skip("the scanners are installed here")
    every = scan(tools)
    named = scan(tools, "--with", "lynis")

    assert every.status == 0, every.stdout
    assert "lynis: lynis is not installed there" in every.stdout
    assert "hardening: kernel-hardening-checker is not installed on this workstation" in every.stdout
    assert named.status == 1
    assert "Install it: lynis (apt" in named.stdout


def test_an_audit_without_a_report_fails_with_what_it_said(machine: Lab, tools: Path, tmp_path: Path) -> None:
    empty = tmp_path / "report"
    empty.touch()
    program(tools / "lynis", LYNIS, report=empty, status=3)

    done = scan(tools, "--with", "lynis", "--json")

    assert done.status == 1
    assert done.json["scans"][0]["failure"]["code"] == "E-SCAN-OUTPUT"
    assert "noise of the audit" in done.json["scans"][0]["failure"]["evidence"]["stderr"]


def test_the_holes_of_this_processor_are_those_that_the_kernel_names(machine: Lab, tools: Path) -> None:
    holes = Path("/sys/devices/system/cpu/vulnerabilities")
    if not holes.is_dir():
        pytest.skip("this kernel has no list of them")
    done = scan(tools, "--with", "vulnerabilities", "--json")

    assert done.status == 0
    found = {each["title"].partition(":")[0] for each in done.json["scans"][0]["scan"]["findings"]}
    texts = {each.name: each.read_text() for each in holes.iterdir()}
    assert {name for name, text in texts.items() if text.startswith("Vulnerable")} <= found
    assert not found & {name for name, text in texts.items() if text.startswith("Not affected")}


def test_an_unknown_scanner_is_refused_before_anything_is_sent(machine: Lab, tools: Path) -> None:
    done = scan(tools, "--with", "linis")
    assert done.status == 2
    assert "no scanner is called 'linis'" in done.stderr
    assert "did you mean 'lynis'" in done.stderr


FINDINGS = st.lists(st.sampled_from("abcdef"), unique=True).map(
    lambda names: tuple(ScanFinding(name, name.upper()) for name in names)
)


@given(FINDINGS, st.none() | FINDINGS)
def test_new_and_gone_are_the_differences(now: tuple[ScanFinding, ...], before: tuple[ScanFinding, ...] | None) -> None:
    def of(findings: tuple[ScanFinding, ...]) -> Scan:
        return Scan(environment="a", scanner="lynis", time=START, kernel="6.12", findings=findings)

    report = compared(of(now), of(before) if before is not None else None)

    assert set(report.new) == (set(now) - set(before) if before is not None else set())
    assert set(report.gone) == (set(before) - set(now) if before is not None else set())


def test_a_report_of_noise_has_no_findings() -> None:
    assert audited("warning[]\nsuggestion[]=\n=|\nwarning=a|b\n\0") == ()
