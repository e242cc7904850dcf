"""What looks at machines and builds say of the preconditions of fuzzing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.fuzzing import KernelBuild, Precondition

MEMORY = 2 * 2**30
"""Bytes below which a fuzzed machine runs out of memory soon; kernels keep some for themselves."""
SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Look:
    """What a machine said; without `facts` it said nothing, and `why` says why. `forwarding` as sshd tells it."""

    environment: Environment
    facts: Facts | None = None
    forwarding: str = ""
    why: str = ""


def of_build(build: KernelBuild | None) -> Precondition:
    """Whether reports can name lines of the source."""
    name = "name the folder that the kernel was built in: --kernel-obj DIR"
    if build is None:
        met, text, remedy = False, "none is named: reports have no line numbers, coverage no sources", name
    elif build.fault:
        met, text, remedy = False, build.fault, name
    elif build.debug_info:
        met, text, remedy = True, "it has debug information", ""
    else:
        met, text = False, "it has no debug information"
        remedy = "build it with CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y"
    return Precondition(subject="vmlinux", met=met, text=text, remedy=remedy, required=False)


def same_build(look: Look, build: KernelBuild | None) -> Precondition:
    """Whether vmlinux is that of the kernel that runs: of another one all lines are wrong."""
    here = build.build_id if build is not None else ""
    there = look.facts.kernel_build_id if look.facts is not None else ""
    met: bool | None = here == there
    remedy = ""
    if look.facts is None:
        met, text = None, look.why
    elif not here or not there:
        met, text = None, "no vmlinux tells a build id" if there else "the kernel does not tell its build id"
    elif met:
        text = f"build id {here}"
    else:
        text = f"its build id is {here}, that of the kernel {there}"
        remedy = "name the folder that this kernel was built in: --kernel-obj DIR"
    return _of(look, "vmlinux is of that kernel", met, text, remedy, required=False)


def root(look: Look) -> Precondition:
    """Whether the login is root's."""
    facts = look.facts
    if facts is None or facts.uid < 0:
        return _of(look, "root", None, look.why or "it does not say who is logged in")
    met = facts.uid == 0
    remedy = "" if met else 'set `user = "root"` in the lab file: syz-manager uses no sudo'
    return _of(look, "root", met, f"logged in as {facts.user or facts.uid}", remedy)


def forwards(look: Look) -> Precondition:
    """Whether the SSH server lets the programs there reach syz-manager here."""
    word = look.forwarding.partition(" ")[2]
    met = {"yes": True, "all": True, "remote": True, "no": False, "local": False}.get(word)
    text = look.forwarding or look.why or "its SSH server does not tell; OpenSSH forwards unless told otherwise"
    remedy = "set `AllowTcpForwarding yes` in its sshd_config" if met is False else ""
    return _of(look, "ssh forwards ports", met, text, remedy)


def memory(look: Look) -> Precondition:
    """Whether it has the memory that fuzzing usually needs."""
    facts = look.facts
    if facts is None or not facts.memory_total:
        return _of(look, "memory", None, look.why or "it does not tell", required=False)
    met = facts.memory_total >= SHARE * MEMORY
    text = f"{size(facts.memory_total)}, {size(facts.memory_available)} of it available"
    remedy = "" if met else f"expect reports of memory that ran out: {size(MEMORY)} are usual"
    return _of(look, "memory", met, text, remedy, required=False)


def _of(
    look: Look, subject: str, met: bool | None, text: str, remedy: str = "", *, required: bool = True
) -> Precondition:
    name = look.environment.name
    return Precondition(environment=name, subject=subject, met=met, text=text, remedy=remedy, required=required)
