"""lab.toml as it is written: its tables and their keys."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from kdeploy_gui.documents.field_types import Seconds, Text, matching, one_of, shown, target, text
from kdeploy_gui.documents.tables import Table
from kdeploy_gui.model.environment import JUMP_ADDRESS, Become, ConsoleProtocol, Kind
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"

_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}", re.ASCII)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]{1,32})?", re.ASCII)


class Snapshot(StrEnum):
    """When a guest's snapshot is taken."""

    AUTO = "auto"
    NEVER = "never"


def host(value: str) -> str:
    """A host name, an IPv4 or an IPv6 address; never an option or a shell expression."""
    if _HOST_NAME.fullmatch(value):
        return value
    try:
        if _ADDRESS.fullmatch(value):
            ipaddress.ip_address(value)
            return value
    except ValueError:
        pass
    raise ValueError(f"must be a host name or an address (the port is a key of its own), not {shown(value)}")


def group(value: str) -> str:
    """A path of folders in the tree of environments."""
    text(value)
    parts = value.split("/")
    if any(part.strip() != part or part in {"", ".", ".."} for part in parts):
        raise ValueError(f'must be a path such as "rack-1/left", not {shown(value)}')
    return value


def jump(value: str) -> str:
    """The name of another environment, or an address."""
    if "@" not in value:
        return matching(NAME, "the name of another environment or user@host:port")(value)
    found = JUMP_ADDRESS.fullmatch(value)
    if found is None or not 1 <= int(found["port"] or 22) <= 65535:
        raise ValueError(f"must be user@host:port (IPv6 in brackets), not {shown(value)}")
    return value


def fingerprint(key: object) -> str:
    """What `ssh-keygen -l` prints of a key."""
    if not isinstance(key, str) or not re.fullmatch(FINGERPRINT, key):
        raise ValueError(f'must be "SHA256:" and 43 characters, as "ssh-keygen -l" prints it, not {shown(key)}')
    return key


def public_key(key: object) -> str:
    """A line of a `.pub` file."""
    try:
        if isinstance(key, str):
            HostKey.parse(key)
            return text(key)
    except ValueError:
        pass
    raise ValueError(f'must be a public key such as "ssh-ed25519 AAAA...", not {shown(key)}')


def authority(key: object) -> str:
    """A public key or its fingerprint."""
    return fingerprint(key) if isinstance(key, str) and key.startswith("SHA256:") else public_key(key)


def algorithm(name: object) -> str:
    """A type of host keys."""
    if name not in ALGORITHMS:
        raise ValueError(f"must be one of {', '.join(ALGORITHMS)}, not {shown(name)}")
    return str(name)


def one_or_several(check: Callable[[object], str], wanted: str) -> Callable[[object], list[str]]:
    """A string, or an array of them, each checked."""

    def read(value: object) -> list[str]:
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list) or not entries:
            raise ValueError(f"must be {wanted} or an array of them, not {shown(value)}")
        return [check(each) for each in entries]

    return read


def command(value: str) -> str:
    """A program of the workstation with its arguments, quoted as for a shell but run without one."""
    text(value)
    try:
        words = shlex.split(value)
    except ValueError as error:
        wrong = str(error)[:1].lower() + str(error)[1:]
        raise ValueError(f"must be a program with its arguments, but has {wrong}: {shown(value)}") from error
    if not words or not words[0]:
        raise ValueError(f"must name a program, not {shown(value)}")
    return value


def endpoint(value: str) -> str:
    """A host and a port; IPv6 in brackets."""
    name, _, number = value.rpartition(":")
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        sound = host(name[1:-1] if bracketed else name) and (bracketed or ":" not in name)
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[0-9]{1,5}", number) or not 1 <= int(number) <= 65535:
        raise ValueError(f'must be host:port such as "ser2net.lab:4001" (IPv6 in brackets), not {shown(value)}')
    return value


def root(value: str) -> str:
    """A folder on the machine that files may go to: absolute, `~` or below it."""
    return value if value in {"/", "~"} else target(value).rstrip("/")


NameField = Annotated[str, AfterValidator(matching(NAME, "1 to 64 of a-z, 0-9, dot, _ and -, not starting with . _ -"))]
Tag = Annotated[
    str, AfterValidator(matching(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}", "a word of letters, digits, . _ : + -"))
]
User = Annotated[str, AfterValidator(matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?", "a user's name"))]


Group = Annotated[str, AfterValidator(group)]
Host = Annotated[str, AfterValidator(host)]
Jump = Annotated[str, AfterValidator(jump)]
Root = Annotated[str, AfterValidator(root)]
CommandLine = Annotated[str, AfterValidator(command)]
Endpoint = Annotated[str, AfterValidator(endpoint)]
ProtocolField = Annotated[ConsoleProtocol, BeforeValidator(one_of(ConsoleProtocol))]
KindField = Annotated[Kind, BeforeValidator(one_of(Kind))]
BecomeField = Annotated[Become, BeforeValidator(one_of(Become))]
HostKeys = Annotated[list[str], BeforeValidator(one_or_several(fingerprint, 'a fingerprint such as "SHA256:..."'))]
HostKeyTypes = Annotated[list[str], BeforeValidator(one_or_several(algorithm, 'a type such as "ED25519"'))]
Authorities = Annotated[list[str], BeforeValidator(one_or_several(authority, 'a public key or its "SHA256:..."'))]
PublicKeys = Annotated[list[str], BeforeValidator(one_or_several(public_key, 'a public key ("ssh-ed25519 AAAA...")'))]
SnapshotField = Annotated[Snapshot, BeforeValidator(one_of(Snapshot))]


class PowerTable(Table):
    """`[environment.power]`."""

    on: CommandLine = ""
    off: CommandLine = ""
    reset: CommandLine = ""


class ConsoleTable(Table):
    """`[environment.console]`."""

    command: CommandLine = ""
    tcp: Endpoint = ""
    protocol: ProtocolField = ConsoleProtocol.RAW


class KernelTable(Table):
    """`[[environment.kernel]]`."""

    mandatory: ClassVar[tuple[str, ...]] = ("name", "image")

    name: Text = ""
    image: Text = ""
    initrd: Text = ""
    cmdline: Text = ""


class EnvironmentTable(Table):
    """`[[environment]]`."""

    mandatory: ClassVar[tuple[str, ...]] = ("name",)

    name: NameField = ""
    kind: KindField = Kind.BOARD
    group: Group = ""
    tags: list[Tag] = Field(default_factory=list)
    host: Host = ""
    port: int = Field(default=22, ge=1, le=65535)
    user: User = "root"
    identity_file: Text = ""
    credential: Text = ""
    jump: Jump = ""
    jump_host_key: HostKeys = Field(default_factory=list)
    become: BecomeField = Become.NONE
    become_credential: Text = ""
    host_key: HostKeys = Field(default_factory=list)
    roots: list[Root] = Field(default_factory=list)
    host_key_type: HostKeyTypes = Field(default_factory=list)
    host_ca: Authorities = Field(default_factory=list)
    revoked_host_key: PublicKeys = Field(default_factory=list)
    legacy: bool = False
    power: PowerTable = PowerTable()
    console: ConsoleTable = ConsoleTable()
    uri: Text = ""
    domain: Text = ""
    autostart: bool = False
    boot_timeout: Seconds = 0.0
    monitor: Seconds = 0.0
    snapshot: SnapshotField = Snapshot.AUTO
    kernel: list[KernelTable] = Field(default_factory=list)


class ReadinessTable(Table):
    """`[readiness]`."""

    hook: CommandLine = ""


class LabTable(Table):
    """The whole file."""

    readiness: ReadinessTable = ReadinessTable()
    environment: list[EnvironmentTable] = Field(default_factory=list)
