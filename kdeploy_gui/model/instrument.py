"""Kernel instruments: what the catalogue says of them, and how they were found on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """How an instrument was found in one boot. What no evidence shows is unknown, never absent."""

    ABSENT = "absent"
    OFF = "off"
    ACTIVE = "active"
    PROVEN = "proven"
    SPENT = "spent"
    UNKNOWN = "unknown"

    @property
    def is_on(self) -> bool:
        """Whether it works now, as far as is known."""
        return self in {State.ACTIVE, State.PROVEN}


class Where(StrEnum):
    """Where an instrument works."""

    TARGET = "target"
    WORKSTATION = "workstation"


@dataclass(frozen=True, slots=True)
class Reading:
    """One piece of evidence: what was read where, or why it could not be read."""

    path: str
    value: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is the matter, and what would help; `{name}` stands for a detail."""

    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What can be changed in a running kernel: `cures` names the cause that it takes away.

    With `mount` a file system of that type is mounted at `path`, else `on` is written to it. `undo` is what is written
    to take it back; empty: what was read before.
    """

    cures: str
    path: str
    on: str = ""
    undo: str = ""
    mount: str = ""


@dataclass(frozen=True, slots=True)
class Switched:
    """A switch that was thrown in one boot: what was read there before and after."""

    switch: Switch
    before: str
    after: str
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What detection reads for one instrument, in the words of `evidence.sh`."""

    files: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One catalogue entry.

    `config` are the options without CONFIG_ that a kernel needs for it, `options` those that say more, `symbols` what
    such a kernel has in /proc/kallsyms; of a `module` only while it is loaded. `since` is the first mainline release,
    `architectures` are `uname -m` words; empty: all. `excludes` maps instruments that no kernel can have as well to the
    reason. `parameters` are for the kernel's command line. `proof` is a script below `resources/remote/proofs/`;
    `restores` says what it leaves as it found it. `destructive` is how a full proof would be had that leaves traces;
    kdeploy never does that by itself.
    `packages` name what has its tools, by package manager or build system; `aliases` are old names that plans may use.
    """

    name: str
    title: str
    finds: str = ""
    where: Where = Where.TARGET
    aliases: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    module: bool = False
    options: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    since: str = ""
    architectures: tuple[str, ...] = ()
    excludes: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    look: Look = field(default_factory=Look)
    switches: tuple[Switch, ...] = ()
    proof: str = ""
    restores: str = ""
    destructive: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, Sentence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one instrument was found: its state with the evidence for it.

    `cause` names what keeps it from being on, `note` says it, or what else is worth knowing, and `remedy` what would
    bring it. `built_in`, `reachable`: None where that is not known.
    """

    instrument: str
    state: State = State.UNKNOWN
    built_in: bool | None = None
    reachable: bool | None = None
    cause: str = ""
    note: str = ""
    remedy: str = ""
    boot_id: str = ""
    evidence: tuple[Reading, ...] = ()

    @property
    def on(self) -> bool | None:
        """Whether it works now."""
        return None if self.state is State.UNKNOWN else self.state.is_on

    @property
    def proven(self) -> bool | None:
        """Whether it was seen working in this boot; None: nobody tried."""
        return {State.PROVEN: True, State.ACTIVE: None, State.UNKNOWN: None}.get(self.state, False)

    @property
    def shown(self) -> str:
        """The evidence in one line."""
        return "; ".join(f"{each.path}: {each.value}" for each in self.evidence)


def word(answer: bool | None) -> str:
    """An answer as it stands in the matrix."""
    return {True: "yes", False: "no", None: "unknown"}[answer]
