"""Readiness checks: each limit at its edge, and all of them told, whatever else fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdeploy_gui.engine.checks import readiness_checks
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Disk, Facts
from kdeploy_gui.model.files import FileKind, FileState, ManifestEntry
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.plan import Validation

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
    checks = readiness_checks(limits, FACTS.boot_id, facts, [ENTRY], {ENTRY.path: state})
    return {each.check: each for each in checks}


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
        (Validation(tools=("sh",)), "tool sh", True, "/bin/sh", "present"),
        (Validation(tools=("perf",)), "tool perf", False, "missing", "present"),
        (Validation(tools=("never-asked",)), "tool never-asked", False, "missing", "present"),
    ],
)
def test_each_limit_at_its_edge(limits: Validation, check: str, ok: bool, value: str, limit: str) -> None:
    assert checked(limits)[check] == CheckDone(check, ok, value, limit)


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
    assert check == CheckDone("boot", False, "boot-2", "boot-1")


def test_a_machine_that_cannot_tell_its_boot_is_not_ready() -> None:
    """READY is bound to a boot: without one nothing would ever drop the mark."""
    unknown = replace(FACTS, boot_id="")
    checks = readiness_checks(Validation(), "", unknown, [], {})
    boot = next(each for each in checks if each.check == "boot")
    assert boot == CheckDone("boot", False, "no boot id", "any boot id")


@pytest.mark.parametrize("release", ["", "unknown", "weird kernel"])
def test_a_kernel_release_that_is_no_version_fits_no_range(release: str) -> None:
    assert not checked(Validation(kernel=">=1"), replace(FACTS, kernel_release=release))["kernel"].ok


def test_many_wrong_files_are_named_up_to_ten() -> None:
    manifest = [replace(ENTRY, path=f"/opt/t/{number}") for number in range(50)]
    states = {each.path: FileState(each.path, FileKind.MISSING) for each in manifest}
    files = readiness_checks(Validation(), FACTS.boot_id, FACTS, manifest, states)[0]
    assert files.value.count("is missing") == 10
