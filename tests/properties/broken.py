"""Machines of which some facts are broken, and a plan's limits for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.plan import Policy, Rollback, Validation

MIB = 1 << 20
PATH, DATA = "/opt/t/one", b"one"
"""The file of the plan."""
KEEP = Policy(rollback=Rollback.NONE)
LIMITS = Validation(
    kernel=">=6.1,<6.2",
    arch=("x86_64",),
    kernel_config=("CONFIG_BPF_SYSCALL=y", "CONFIG_MODULES!=n"),
    network=("tcp://192.0.2.1:80", "dns:example.org", "icmp:workstation"),
    memory=256 * MIB,
    disk={"/": 512 * MIB},
    load=8.0,
    tools=("sh", "perf"),
    clock_skew=5.0,
    temperature=85.0,
)
PROBES = {
    "network tcp://192.0.2.1:80": "tcp 192.0.2.1 80",
    "network dns:example.org": "dns example.org",
    "network icmp:workstation": "icmp workstation",
}
OPTIONS = {"kernel_config CONFIG_BPF_SYSCALL": "BPF_SYSCALL", "kernel_config CONFIG_MODULES": "MODULES"}


@dataclass(frozen=True)
class Break:
    """How one fact is broken, and what its check must show of it."""

    value: str
    facts: Callable[[Facts], Facts] = lambda facts: facts
    machine: Callable[[MemoryMachine], None] = lambda machine: None


def no_space(machine: MemoryMachine) -> None:
    machine.free_bytes = 511 * MIB


def no_perf(machine: MemoryMachine) -> None:
    del machine.tools["perf"]


BREAKS: dict[str, Break] = {
    "kernel": Break("6.0.9", lambda facts: replace(facts, kernel_release="6.0.9")),
    "arch": Break("aarch64", lambda facts: replace(facts, machine="aarch64")),
    "memory": Break("255 MiB", lambda facts: replace(facts, memory_available=255 * MIB)),
    "load": Break("8.01", lambda facts: replace(facts, load=8.01)),
    "clock_skew": Break("-5.1 s", lambda facts: replace(facts, clock_skew=-5.1)),
    "temperature": Break("85.5 °C", lambda facts: replace(facts, health=Health(85.5))),
    "disk /": Break("511 MiB", machine=no_space),
    "tool perf": Break("missing", machine=no_perf),
    "files": Break("has other content"),
    **{name: Break("not reached: no route to host") for name in PROBES},
    **{name: Break("not set") for name in OPTIONS},
}
WHOLE = {"boot", "tool sh"}
"""Checks that nothing here breaks."""


def probes(broken: set[str]) -> Completed:
    """What the machine says of its network and its configuration."""
    lines = ["config_source\t/proc/config.gz", "config\tCONFIG_IKCONFIG=y"]
    lines += [f"config\tCONFIG_{option}=y" for name, option in OPTIONS.items() if name not in broken]
    for name, words in PROBES.items():
        outcome = "failed\tno route to host" if name in broken else "ok\t"
        lines.append(f"probe\t{words}\t{outcome}")
    return Completed(0, "\n".join([*lines, "end\t", ""]).encode())


def become(board: MemoryMachine, broken: set[str]) -> None:
    """Let a machine be one on which these facts are broken, and no others."""
    whole = MemoryMachine()
    board.tools = {"sh": "/bin/sh", "perf": "/usr/bin/perf"}
    board.facts = replace(whole.facts, load=1.0, health=Health(40.0))
    board.free_bytes = whole.free_bytes
    for name in broken:
        board.facts = BREAKS[name].facts(board.facts)
        BREAKS[name].machine(board)
    board.replies["readiness probes"] = probes(broken)


def meddle(board: MemoryMachine, broken: set[str]) -> None:
    """Somebody changes the file that was deployed, where that is to be broken, or it is as it was."""
    data = b"somebody was here" if "files" in broken else DATA
    board.files[PATH] = StoredFile(data, 0o644, "root:root")
