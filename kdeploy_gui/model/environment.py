"""Machines under test: what lab.toml says about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

JUMP_ADDRESS = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})@"
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]{0,252}))(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
"""A jump host by its address; IPv6 in brackets."""
OWN_HYPERVISOR = "qemu:///session"
"""The libvirt of guests whose lab entry has no `uri`."""


class Kind(StrEnum):
    """What sort of machine an environment is."""

    BOARD = "board"
    QEMU = "qemu"


class Become(StrEnum):
    """How root is reached on the target."""

    NONE = "none"
    SUDO = "sudo"


class PowerAction(StrEnum):
    """What can be done to a board's supply."""

    ON = "on"
    OFF = "off"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Power:
    """Commands, run on the workstation, that switch a board's supply; empty: there is none."""

    on: str = ""
    off: str = ""
    reset: str = ""

    def command(self, action: PowerAction) -> str:
        """The command for an action; empty: there is none."""
        return {PowerAction.ON: self.on, PowerAction.OFF: self.off, PowerAction.RESET: self.reset}[action]

    def lacks(self, action: PowerAction) -> tuple[PowerAction, ...]:
        """The commands that are missing for an action; a reset can be made of off and on."""
        is_made_of_both = action is PowerAction.RESET and not self.reset
        needed = (PowerAction.OFF, PowerAction.ON) if is_made_of_both else (action,)
        return tuple(each for each in needed if not self.command(each))


class ConsoleProtocol(StrEnum):
    """What a console's TCP port speaks."""

    RAW = "raw"
    RFC2217 = "rfc2217"


@dataclass(frozen=True, slots=True)
class Console:
    """The way from the workstation to a machine's serial console; all empty: the lab file names none.

    `command` has the console on its stdin and stdout, `tcp` is host:port (IPv6 in brackets).
    """

    command: str = ""
    tcp: str = ""
    protocol: ConsoleProtocol = ConsoleProtocol.RAW

    @property
    def words(self) -> str:
        """The way, for messages; empty where there is none."""
        return self.command or (f"{self.tcp} ({self.protocol.value})" if self.tcp else "")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that a machine can be booted with: paths of the hypervisor's host, or of the board itself."""

    name: str
    image: str
    initrd: str = ""
    cmdline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One machine. `host_keys` are the pinned SHA256 fingerprints of its host keys, never tied to its address.

    `roots` are the folders on it that files may go to or below; empty: all but those that no test suite belongs to.
    `host_key_type` are their algorithms (`host_key.ALGORITHMS`), as far as they are known. `host_ca` are keys or
    fingerprints of authorities whose certificates for `host` count as pins, `revoked_host_key` public keys that never
    count. `jump_host_key` are the pins of a jump host that is named by its address. `legacy` allows algorithms that are
    no longer safe; `become_credential` names the keyring's entry with the password of sudo. `autostart` lets a run
    switch the machine on when it does not answer; `boot_timeout` are the seconds that a run then waits for it, 0 where
    the lab file says nothing: with a `boot_timeout` a run waits even where it cannot switch anything on. `monitor` are
    the seconds between two looks at it while it is READY, 0 where the lab file says nothing.
    """

    name: str
    host: str
    kind: Kind = Kind.BOARD
    group: str = ""
    tags: tuple[str, ...] = ()
    port: int = 22
    user: str = "root"
    identity_file: str = ""
    credential: str = ""
    jump: str = ""
    become: Become = Become.NONE
    become_credential: str = ""
    host_keys: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    host_key_type: tuple[str, ...] = ()
    host_ca: tuple[str, ...] = ()
    revoked_host_key: tuple[str, ...] = ()
    jump_host_key: tuple[str, ...] = ()
    legacy: bool = False
    power: Power = field(default_factory=Power)
    console: Console = field(default_factory=Console)
    uri: str = ""
    domain: str = ""
    autostart: bool = False
    boot_timeout: float = 0.0
    monitor: float = 0.0
    snapshot: str = "auto"
    kernels: tuple[Kernel, ...] = ()

    @property
    def address(self) -> str:
        """user@host:port, for messages; a guest whose address libvirt tells stands there by its name."""
        return f"{self.user}@{self.host or self.domain}:{self.port}"

    @property
    def has_console(self) -> bool:
        """Whether anything leads to its serial console: the lab file, or for a guest its domain."""
        return bool(self.console.words) or self.is_guest

    @property
    def jump_address(self) -> Environment | None:
        """The jump host where `jump` is its address, user@host:port: it is logged in at with the machine's own key.

        Never with its password, which is nothing for others to see.
        """
        found = JUMP_ADDRESS.fullmatch(self.jump)
        if found is None:
            return None
        return Environment(
            name=self.jump,
            user=found["user"],
            host=(found["address"] or found["host"]),
            port=int(found["port"] or 22),
            identity_file=self.identity_file,
            credential=self.credential if self.identity_file else "",
            host_keys=self.jump_host_key,
        )

    @property
    def is_guest(self) -> bool:
        """Whether libvirt has it: its state can be asked and changed there."""
        return self.kind is Kind.QEMU and bool(self.domain)

    @property
    def hypervisor(self) -> str:
        """The URI of its libvirt; empty where it is no guest."""
        return (self.uri or OWN_HYPERVISOR) if self.is_guest else ""

    @property
    def is_trusted(self) -> bool:
        """Whether anything says which machine is meant."""
        return bool(self.host_keys or self.host_ca)

    def matches(self, pattern: str) -> bool:
        """Whether `pattern` (a name, a glob, `tag:GLOB` or `group:GLOB`) selects this environment.

        A group pattern selects the folders below it, too.
        """
        if pattern.startswith("tag:"):
            return any(fnmatchcase(tag, pattern[4:]) for tag in self.tags)
        if pattern.startswith("group:"):
            wanted = pattern[6:].strip("/")
            return fnmatchcase(self.group, wanted) or fnmatchcase(self.group, f"{wanted}/*")
        return fnmatchcase(self.name, pattern)


def name_for(given: str, taken: Iterable[str]) -> str:
    """A name that the lab file allows, made of one that others gave; unlike all that are taken."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", given.lower()).lstrip("._-")[:60] or "guest"
    names = set(taken)
    numbered = (f"{plain}-{number}" for number in range(2, len(names) + 3))
    return next(each for each in (plain, *numbered) if each not in names)


def guests_of(domains: Iterable[str], base: Environment, lab: Iterable[Environment]) -> tuple[Environment, ...]:
    """Those of a hypervisor's domains that `lab` does not have yet, each under a name that is free there.

    The hypervisor (`uri`) and how they are logged in at are taken from `base`.
    """
    present = tuple(lab)
    uri = base.uri or OWN_HYPERVISOR
    known = {each.domain for each in present if each.hypervisor == uri}
    names = [each.name for each in present]
    found: list[Environment] = []
    for domain in sorted(set(domains) - known):
        names.append(name_for(domain, names))
        found.append(replace(base, name=names[-1], kind=Kind.QEMU, domain=domain))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Lab:
    """All environments of a lab file, in its order; `hook` is the command for changes of readiness."""

    environments: tuple[Environment, ...] = ()
    hook: str = ""

    def get(self, name: str) -> Environment | None:
        """The environment of that name."""
        return next((each for each in self.environments if each.name == name), None)

    def select(self, patterns: Iterable[str]) -> tuple[Environment, ...]:
        """Environments that at least one pattern selects, each once, in the lab's order."""
        wanted: Sequence[str] = tuple(patterns)
        return tuple(each for each in self.environments if any(each.matches(pattern) for pattern in wanted))
