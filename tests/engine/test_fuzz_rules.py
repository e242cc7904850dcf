"""What is said of the preconditions of fuzzing: yes, no, or that nobody can tell."""

from __future__ import annotations

import pytest

from kdeploy_gui.engine.fuzz_rules import Look, forwards, memory, of_build, root, same_build
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.fuzzing import KernelBuild

BOARD = Environment(name="board-a", host="192.0.2.1")
SILENT = Look(BOARD, why="no route to it")


def look(build_id: str = "", uid: int = -1, memory_total: int = 0, forwarding: str = "") -> Look:
    facts = Facts(
        kernel_release="6.12",
        kernel_build="#1",
        machine="x86_64",
        boot_id="b",
        kernel_build_id=build_id,
        uid=uid,
        memory_total=memory_total,
    )
    return Look(BOARD, facts, forwarding)


@pytest.mark.parametrize(
    ("there", "build", "met"),
    [
        ("aa", KernelBuild(build_id="aa"), True),
        ("aa", KernelBuild(build_id="bb"), False),
        ("", KernelBuild(build_id="bb"), None),
        ("aa", KernelBuild(), None),
        ("aa", None, None),
        ("", None, None),
    ],
)
def test_builds_are_the_same_only_where_both_say_so(there: str, build: KernelBuild | None, met: bool | None) -> None:
    found = same_build(look(build_id=there), build)
    assert found.met is met
    assert found.text
    assert bool(found.remedy) is (met is False)


@pytest.mark.parametrize(("uid", "met"), [(0, True), (1000, False), (-1, None)])
def test_only_root_will_do(uid: int, met: bool | None) -> None:
    assert root(look(uid=uid)).met is met


@pytest.mark.parametrize(
    ("said", "met"), [("yes", True), ("remote", True), ("all", True), ("no", False), ("local", False), ("odd", None)]
)
def test_ports_are_forwarded_where_the_server_says_so(said: str, met: bool | None) -> None:
    assert forwards(look(forwarding=f"allowtcpforwarding {said}")).met is met
    assert forwards(look()).met is None


@pytest.mark.parametrize(("mib", "met"), [(2048, True), (1900, True), (512, False), (0, None)])
def test_memory_is_that_of_usual_machines(mib: int, met: bool | None) -> None:
    found = memory(look(memory_total=mib << 20))
    assert (found.met, found.required) == (met, False)


def test_what_could_not_be_asked_says_why() -> None:
    for found in (same_build(SILENT, KernelBuild(build_id="a")), root(SILENT), forwards(SILENT), memory(SILENT)):
        assert (found.met, found.text, found.environment) == (None, SILENT.why, "board-a")


@pytest.mark.parametrize(
    ("build", "met"),
    [
        (None, False),
        (KernelBuild("cut off"), False),
        (KernelBuild(), False),
        (KernelBuild(debug_info=True), True),
    ],
)
def test_a_vmlinux_needs_debug_information(build: KernelBuild | None, met: bool) -> None:
    found = of_build(build)
    assert (found.met, bool(found.remedy)) == (met, not met)
