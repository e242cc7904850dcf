"""Readiness checks: each limit at its edge, and all of them told, whatever else fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from kdeploy_gui.engine.checks import readiness_checks, with_remedy
from kdeploy_gui.engine.probes import Probed, probe_checks
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Disk, Facts
from kdeploy_gui.model.files import FileKind, FileState, ManifestEntry
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.packages import Found, Presence
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.remedies import bundled, placeholders

MIB = 1 << 20
FACTS = Facts(
    kernel_release="6.1.0-13-amd64",
    kernel_build="#1 SMP",
    machine="x86_64",
    boot_id="boot-1",
    memory_available=256 * MIB,
    load=2.0,
    clock_skew=-3.0,
    health=Health(60.5),
    tools={"sh": "/bin/sh", "perf": ""},
    disks={"/opt": Disk(64 * MIB, 100 * MIB)},
)
ENTRY = ManifestEntry("/opt/t/one", "ab", 0o755, "root:root", 4)
STATE = FileState("/opt/t/one", FileKind.FILE, "ab", 0o755, "root:root", 4)


def checked(limits: Validation, facts: Facts = FACTS, state: FileState = STATE) -> dict[str, CheckDone]:
    checks = readiness_checks(limits, FACTS.boot_id, replace(facts, files={ENTRY.path: state}), [ENTRY])
    return {each.check: each for each in checks}


def plain(check: CheckDone) -> CheckDone:
    """A check without its reason."""
    return replace(check, code="", evidence="")


def test_without_limits_everything_is_looked_at_and_nothing_refused() -> None:
    found = checked(Validation())
    assert list(found) == ["files", "boot", "kernel", "arch", "memory", "load", "clock_skew"]
    assert all(each.ok for each in found.values())
    assert found["memory"] == CheckDone("memory", True, "256 MiB", "no limit set")
    assert found["load"].value == "2.00"
    assert found["clock_skew"].value == "-3.0 s"


@pytest.mark.parametrize(
    ("limits", "check", "ok", "value", "limit"),
    [
        (Validation(memory=256 * MIB), "memory", True, "256 MiB", "at least 256 MiB"),
        (Validation(memory=256 * MIB + 1), "memory", False, "256 MiB", "at least 256 MiB"),
        (Validation(load=2.0), "load", True, "2.00", "at most 2.00"),
        (Validation(load=1.99), "load", False, "2.00", "at most 1.99"),
        (Validation(clock_skew=3.0), "clock_skew", True, "-3.0 s", "at most 3 s"),
        (Validation(temperature=60.5), "temperature", True, "60.5 °C", "at most 60.5 °C"),
        (Validation(temperature=60.0), "temperature", False, "60.5 °C", "at most 60 °C"),
        (Validation(clock_skew=2.9), "clock_skew", False, "-3.0 s", "at most 2.9 s"),
        (Validation(disk={"/opt": 64 * MIB}), "disk /opt", True, "64 MiB", "at least 64 MiB"),
        (Validation(disk={"/opt": 64 * MIB + 1}), "disk /opt", False, "64 MiB", "at least 64 MiB"),
        (Validation(disk={"/not/measured": 1}), "disk /not/measured", False, "0 MiB", "at least 0 MiB"),
        (Validation(arch=("aarch64", "x86_64")), "arch", True, "x86_64", "aarch64, x86_64"),
        (Validation(arch=("aarch64",)), "arch", False, "x86_64", "aarch64"),
        (Validation(kernel=">=6.1,<6.2"), "kernel", True, "6.1.0-13-amd64", ">=6.1,<6.2"),
        (Validation(kernel=">6.1"), "kernel", False, "6.1.0-13-amd64", ">6.1"),
    ],
)
def test_each_limit_at_its_edge(limits: Validation, check: str, ok: bool, value: str, limit: str) -> None:
    found = checked(limits)[check]
    assert plain(found) == CheckDone(check, ok, value, limit)
    assert (bool(found.code), bool(found.evidence)) == (not ok, not ok)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(STATE, sha256="cd"), "has other content"),
        (replace(STATE, mode=0o644), "has mode 0644, declared 0755"),
        (replace(STATE, owner="me:root"), "belongs to me:root, declared root:root"),
        (FileState("/opt/t/one", FileKind.MISSING), "is missing"),
        (FileState("/opt/t/one", FileKind.SYMLINK), "is symlink"),
        (FileState("/opt/t/one", FileKind.FOLDER), "is folder"),
    ],
)
def test_a_file_that_is_not_as_declared_is_named(state: FileState, words: str) -> None:
    check = checked(Validation(), state=state)["files"]
    assert not check.ok
    assert "/opt/t/one" in check.value
    assert words in check.value


def test_a_reboot_since_the_connection_is_found() -> None:
    check = checked(Validation(), replace(FACTS, boot_id="boot-2"))["boot"]
    assert plain(check) == CheckDone("boot", False, "boot-2", "boot-1")


def test_a_machine_that_cannot_tell_its_boot_is_not_ready() -> None:
    """READY is bound to a boot: without one nothing would ever drop the mark."""
    unknown = replace(FACTS, boot_id="")
    checks = readiness_checks(Validation(), "", unknown, [])
    boot = next(each for each in checks if each.check == "boot")
    assert plain(boot) == CheckDone("boot", False, "no boot id", "any boot id")


@pytest.mark.parametrize("release", ["", "unknown", "weird kernel"])
def test_a_kernel_release_that_is_no_version_fits_no_range(release: str) -> None:
    assert not checked(Validation(kernel=">=1"), replace(FACTS, kernel_release=release))["kernel"].ok


def test_many_wrong_files_are_named_up_to_ten() -> None:
    manifest = [replace(ENTRY, path=f"/opt/t/{number}") for number in range(50)]
    states = {each.path: FileState(each.path, FileKind.MISSING) for each in manifest}
    files = readiness_checks(Validation(), FACTS.boot_id, replace(FACTS, files=states), manifest)[0]
    assert files.value.count("is missing") == 10


IMPOSSIBLE = Validation(
    kernel="<1",
    arch=("vax",),
    kernel_config=("CONFIG_NO_SUCH_OPTION=y",),
    network=("tcp://192.0.2.1:1", "dns:no-such.invalid", "icmp:192.0.2.1"),
    memory=1 << 60,
    disk={"/opt": 1 << 60},
    load=0.0,
    tools=("no-such-tool", "broken-tool"),
    clock_skew=0.0,
    temperature=0.0,
)
"""Every limit that a plan can set, and none of them kept by any machine."""
REACHED = {
    "tcp 192.0.2.1 1": ("failed", "refused"),
    "dns no-such.invalid": ("failed", ""),
    "icmp 192.0.2.1": ("failed", ""),
}


GAP = re.compile("<[a-z]+>")


def failing() -> Iterator[CheckDone]:
    """Every check there is, each in every way in which it can fail."""
    wrong = {ENTRY.path: FileState(ENTRY.path, FileKind.MISSING)}
    yield from readiness_checks(IMPOSSIBLE, "another boot", replace(FACTS, files=wrong), [ENTRY])
    yield from readiness_checks(IMPOSSIBLE, "", replace(FACTS, health=None, disks={}, files=wrong), [ENTRY])
    broken = {"broken-tool": Found(Presence.BROKEN, "cannot execute")}
    yield from probe_checks(IMPOSSIBLE, Probed({"MODULES": "y"}, "/proc/config.gz", REACHED, broken))
    yield from probe_checks(IMPOSSIBLE, Probed())


def test_every_limit_of_a_plan_has_a_check_with_a_code_evidence_and_a_remedy() -> None:
    found = list(failing())
    kinds = {each.check.partition(" ")[0] for each in found}
    assert kinds == {"files", "boot", *(each.name for each in fields(Validation))} - {"tools"} | {"tool"}
    for each in found:
        assert not each.ok, each
        assert each.evidence, each
        remedy = with_remedy(each, bundled(), "board-a").remedy
        assert remedy.endswith("."), each
        assert not GAP.search(remedy), remedy


def test_no_remedy_of_a_check_is_for_none_of_them() -> None:
    codes = {each for each in bundled().templates if each.startswith("E-CHECK-")} - {"E-CHECK-AGAIN"}
    assert {each.code for each in failing()} == codes - {"E-CHECK-INSTRUMENT"}
    for code in codes:
        assert placeholders(bundled().templates[code]) <= {"environment", "lab", "subject", "value", "limit"}
