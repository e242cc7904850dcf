"""Packages: which files are for which machine, and versions in everybody's words."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.abi import ARM, Abi
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.packages import is_for, manager_of, number_of


def facts(manager: str, machine: str = "x86_64", userland: Abi | None = None) -> Facts:
    return Facts(
        kernel_release="6.1", kernel_build="#1", machine=machine, boot_id="", package_manager=manager, userland=userland
    )


@pytest.mark.parametrize(
    ("file", "manager", "machine", "fits"),
    [
        ("pool/iperf3_3.12-1_amd64.deb", "apt-get", "x86_64", True),
        ("pool/iperf3_3.12-1_arm64.deb", "apt-get", "x86_64", False),
        ("pool/iperf3_3.12-1_all.deb", "apt-get", "x86_64", True),
        ("pool/iperf3_3.12-1_amd64.deb", "dpkg", "x86_64", True),
        ("pool/iperf3_3.12-1_amd64.deb", "dnf", "x86_64", False),
        ("iperf3-3.9-1.el9.x86_64.rpm", "dnf", "x86_64", True),
        ("iperf3-3.9-1.el9.aarch64.rpm", "zypper", "x86_64", False),
        ("iperf3-3.9-1.el9.noarch.rpm", "rpm", "aarch64", True),
        ("iperf3-3.9-r0.apk", "apk", "armv7l", True),
        ("iperf3_3.9_aarch64_cortex-a53.ipk", "opkg", "aarch64", True),
        ("iperf3_3.9_mips_24kc.ipk", "opkg", "mips", True),
        ("iperf3-3.9-1-x86_64.pkg.tar.zst", "pacman", "x86_64", True),
        ("iperf3-3.9-1-any.pkg.tar.zst", "pacman", "x86_64", True),
        ("iperf3-3.9-1-x86_64.pkg.tar.zst.sig", "pacman", "x86_64", False),
        ("iperf3_3.12-1_amd64.deb", "", "x86_64", False),
    ],
)
def test_files_are_for_the_manager_and_the_machine(file: str, manager: str, machine: str, fits: bool) -> None:
    assert is_for(file, facts(manager, machine)) is fits


def test_what_programs_are_made_for_counts_and_not_the_kernel() -> None:
    board = facts("apt-get", "aarch64", Abi(ARM, 32, True))
    assert is_for("x_1_armhf.deb", board)
    assert not is_for("x_1_arm64.deb", board)


def test_managers_have_the_names_that_plans_use() -> None:
    assert [manager_of(facts(each)) for each in ("apt-get", "dnf", "", "emerge")] == ["apt", "dnf", "", ""]


@pytest.mark.parametrize(
    ("said", "number"), [("1:2.4.1-3ubuntu2", "2.4.1"), ("iperf 3.12 (cJSON 1.7)", "3.12"), ("none", ""), ("", "")]
)
def test_versions_are_found_in_what_is_said(said: str, number: str) -> None:
    assert number_of(said) == number
