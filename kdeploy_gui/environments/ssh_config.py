"""The hosts that the user's OpenSSH configuration names, and the keys that OpenSSH has seen of them.

Reads files only: commands that a configuration asks for (`Match exec`, `ProxyCommand`) are never run.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from kdeploy_gui.environments.known_hosts import KnownHost, KnownHosts
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.ssh_host import SshHost

DEPTH = 16
"""Files that may include one another, as in OpenSSH."""
LIMIT = 4 * 1024 * 1024
"""Bytes of a file that are read."""

_LINE = re.compile(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class _Block:
    """A `Host` or `Match`; no pattern selects nothing. `resolved`: the host name counts, not what the user typed."""

    patterns: tuple[str, ...] = ()
    resolved: bool = False

    def selects(self, alias: str, host: str) -> bool:
        """OpenSSH's rule: one pattern selects, and no negated one does."""
        name = host if self.resolved else alias
        if any(each.startswith("!") and fnmatchcase(name, each[1:]) for each in self.patterns):
            return False
        return any(fnmatchcase(name, each) for each in self.patterns if not each.startswith("!"))


@dataclass(frozen=True, slots=True)
class _Setting:
    """One line: the blocks around it, its keyword and words."""

    blocks: tuple[_Block, ...]
    keyword: str
    words: tuple[str, ...]

    def applies(self, alias: str, host: str) -> bool:
        return all(each.selects(alias, host) for each in self.blocks)


def hosts(config: Path) -> tuple[SshHost, ...]:
    """Every name on a `Host` line that is no pattern, in order. Raises LocalError where `config` cannot be read."""
    if not config.exists():
        return ()
    settings = list(_settings(config, config.parent, (), 0))
    aliases = dict.fromkeys(
        word
        for each in settings
        if each.keyword == "host"
        for word in each.words
        if not set(word) & set("*?!") and each.applies(word, word)
    )
    names = _names(list(aliases))
    known = KnownHosts.read(config.parent / "known_hosts", config.parent / "known_hosts2")
    found = tuple(_host(alias, settings, names, known) for alias in aliases)
    return tuple(each for each in found if each.environment.host)


def _settings(path: Path, folder: Path, around: tuple[_Block, ...], depth: int) -> Iterator[_Setting]:
    blocks = around
    for keyword, words in _lines(path):
        if keyword == "host":
            yield _Setting(around, keyword, tuple(words))
            blocks = (*around, _Block(tuple(words)))
        elif keyword == "match":
            blocks = (*around, _match(words))
        elif keyword == "include" and depth < DEPTH:
            for included in [path for word in words for path in sorted(_included(word, folder))]:
                yield from _settings(included, folder, blocks, depth + 1)
        else:
            yield _Setting(blocks, keyword, tuple(words))


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        with path.open("rb") as file:
            text = file.read(LIMIT).decode(errors="replace")
    except OSError as error:
        raise LocalError("E-SSH-CONFIG", f"{path} cannot be read: {error.strerror}", path=str(path)) from error
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is not None and not line.lstrip().startswith("#"):
            yield found.group(1).lower(), _words(found.group(2))


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape, lexer.quotes = True, "#", "", '"'
    try:
        return list(lexer)
    except ValueError:
        return []


def _included(word: str, folder: Path) -> Iterator[Path]:
    path = Path(word).expanduser()
    base, pattern = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (folder, word)
    return (each for each in base.glob(pattern) if each.is_file())


def _match(words: Sequence[str]) -> _Block:
    """`Match all`, `host` and `originalhost`; any other condition is taken as not met."""
    match [each.lower() for each in words[:1]], words[1:]:
        case ["all"], []:
            return _Block(("*",))
        case ["host" | "originalhost" as what], [patterns]:
            return _Block(tuple(patterns.split(",")), what == "host")
        case _:
            return _Block()


def _names(aliases: Sequence[str]) -> Mapping[str, str]:
    """A name for each alias that a lab file takes; several do not become one."""
    names: dict[str, str] = {}
    for alias in aliases:
        name = _NOT_IN_A_NAME.sub("-", alias.lower()).strip("-._")[:60] or "host"
        taken = set(names.values())
        names[alias] = next(
            each for n in range(1, len(aliases) + 2) if (each := name if n == 1 else f"{name}-{n}") not in taken
        )
    return names


def _host(alias: str, settings: Sequence[_Setting], names: Mapping[str, str], known: KnownHosts) -> SshHost:
    first: dict[str, tuple[str, ...]] = {}
    for each in settings:
        host = _host_name(first, alias)
        if each.keyword != "host" and each.words and each.applies(alias, host):
            first.setdefault(each.keyword, each.words)
    left_out: list[str] = []
    host = _host_name(first, alias)
    port = _word(first, "port") or "22"
    user = _word(first, "user") or getpass.getuser()
    jump = _jump(_word(first, "proxyjump"), names, left_out)
    if _word(first, "proxycommand") not in {"", "none"}:
        left_out.append("ProxyCommand: name a jump host instead")
    if not port.isdecimal():
        left_out.append(f"Port {port}: no number")
        port = "22"
    environment = Environment(
        name=names[alias], host=host, port=int(port), user=user, identity_file=_identity(first), jump=jump
    )
    seen = known.about(_word(first, "hostkeyalias") or host, environment.port)
    return SshHost(alias, trusting(environment, seen), tuple(left_out))


def trusting(environment: Environment, seen: KnownHost) -> Environment:
    """An environment that is pinned by what known_hosts files say of it; of what they do not speak stays as it was.

    What was revoked stays so.
    """
    return replace(
        environment,
        host_keys=seen.pins or environment.host_keys,
        host_key_type=seen.types if seen.pins else environment.host_key_type,
        host_ca=seen.authorities or environment.host_ca,
        revoked_host_key=tuple(dict.fromkeys([*environment.revoked_host_key, *seen.revoked])),
    )


def _host_name(settings: Mapping[str, tuple[str, ...]], alias: str) -> str:
    return _word(settings, "hostname").replace("%h", alias).replace("%%", "%") or alias


def _word(settings: Mapping[str, tuple[str, ...]], keyword: str) -> str:
    return settings.get(keyword, ("",))[0]


def _identity(settings: Mapping[str, tuple[str, ...]]) -> str:
    name = _word(settings, "identityfile")
    if name.lower() == "none" or "%" in name.replace("%d", ""):
        return ""
    return name.replace("%d", "~")


def _jump(value: str, names: Mapping[str, str], left_out: list[str]) -> str:
    """The name of the jump host, if it is one of these hosts itself."""
    if value.lower() in {"", "none"}:
        return ""
    if value in names:
        return names[value]
    left_out.append(f"ProxyJump {value}: the jump host must be an environment, too")
    return ""
