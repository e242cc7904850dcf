"""Evidence about a machine's instruments: what `evidence.sh` is asked, and what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import Instrument, Reading, Where

OWN_CONFIG = "/proc/config.gz"
"""The running kernel's own configuration; all other files may belong to another build."""
MISSING = "No such file or directory"
BOUND = 4 << 20
"""Bytes that an answer can have at most."""
SHOWN = 160
"""Characters of a value that evidence shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look at a machine found.

    `files` holds the text of files by path, `unread` why others could not be read. `config` is None where no
    configuration could be read, `symbols` where /proc/kallsyms was not needed or is empty. `log` are lines of the
    kernel's log that were asked for; None: it cannot be read. `here` are commands of this workstation.
    """

    uid: int = -1
    release: str = ""
    build: str = ""
    machine: str = ""
    boot_id: str = ""
    cmdline: str = ""
    compiler: str = ""
    filesystems: frozenset[str] = frozenset()
    mounts: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] | None = None
    config_source: str = ""
    symbols: frozenset[str] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    there: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    processes: frozenset[str] = frozenset()
    here: Mapping[str, str] = field(default_factory=dict)

    @property
    def lockdown(self) -> str:
        """`none`, `integrity`, `confidentiality`; empty: the kernel has no lockdown, or nobody can tell."""
        found = self.files.get("/sys/kernel/security/lockdown", "")
        return found[found.find("[") + 1 : found.find("]")] if "[" in found else ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The words of the kernel's command line."""
        return tuple(self.cmdline.split())

    @property
    def log_is_whole(self) -> bool:
        """Whether the log still begins with the boot."""
        return self.log is not None and any("Linux version " in line for line in self.log)

    def option(self, name: str) -> str | None:
        """A configuration option: y, m, a value, `n` where it is not set; None: no configuration could be read."""
        return None if self.config is None else self.config.get(name, "n")

    def has(self, pattern: str) -> bool | None:
        """Whether something matches a pattern that was asked for; None: nobody may tell."""
        return None if pattern in self.unread or pattern not in self.there else bool(self.there[pattern])

    def lacks(self, path: str) -> bool:
        """Whether a file is known not to be there."""
        return self.unread.get(path) == MISSING

    def reading(self, path: str) -> Reading:
        """What was found at a path, as evidence."""
        if path in self.files:
            return Reading(path, " ".join(self.files[path].replace("\n", " / ").split())[:SHOWN])
        if path in self.unread:
            return Reading(path, self.unread[path], failed=True)
        if path.endswith("/") and path not in self.there:
            count = sum(each.startswith(path) for each in self.files)
            return Reading(path, f"{count} files were read")
        found = self.there.get(path)
        return Reading(path, found or MISSING)

    def lines(self, *words: str) -> tuple[str, ...]:
        """Lines of the log with any of these words."""
        return tuple(line for line in self.log or () if any(word in line for word in words))


def question(instruments: Iterable[Instrument]) -> str:
    """What `evidence.sh` reads to answer for these instruments; each thing is asked once."""
    return "".join(f"{line}\n" for line in dict.fromkeys(line for each in instruments for line in _lines(each)))


def _lines(instrument: Instrument) -> Iterator[str]:
    look = instrument.look
    kinds: Mapping[str, Sequence[str]] = {
        "config": (*instrument.config, *instrument.options),
        "symbol": instrument.symbols,
        "file": ("/sys/kernel/security/lockdown", *look.files),
        "each": look.each,
        "there": look.there,
        "log": look.log,
        "tool": look.tools if instrument.where is Where.TARGET else (),
        "process": look.processes,
    }
    for kind, words in kinds.items():
        for each in words:
            yield f"{kind}\t{each}"


def seen_in(done: Completed, here: Mapping[str, str]) -> Seen | None:
    """What `evidence.sh` said; None where that is not a whole answer."""
    if done.status != 0 or len(done.stdout) > BOUND or "\nend\t" not in done.text:
        return None
    answer = _Answer()
    for line in done.text.split("\n"):
        key, _, value = line.partition("\t")
        answer.hear(key, value)
    return answer.seen(here)


@dataclass
class _Answer:
    """The lines of an answer, as they come."""

    words: dict[str, str] = field(default_factory=dict)
    frames: dict[str, dict[str, list[str]]] = field(
        default_factory=lambda: {key: {} for key in ("file", "line", "unread", "there", "tool", "mount")}
    )
    lists: dict[str, list[str]] = field(
        default_factory=lambda: {key: [] for key in ("filesystem", "config", "symbol", "log", "process")}
    )

    def hear(self, key: str, value: str) -> None:
        if key in self.frames:
            name, _, rest = value.partition("\t")
            self.frames[key].setdefault(name, []).append(rest)
        elif key in self.lists:
            self.lists[key].append(value)
        elif key:
            self.words[key] = value

    def seen(self, here: Mapping[str, str]) -> Seen:
        texts = {key: {name: "\n".join(rows) for name, rows in found.items()} for key, found in self.frames.items()}
        source = self.words.get("config_source", "")
        unread = texts["unread"]
        return Seen(
            uid=int(self.words["uid"]) if self.words.get("uid", "").isdecimal() else -1,
            **{
                key: self.words.get(key, "")
                for key in ("release", "build", "machine", "boot_id", "cmdline", "compiler")
            },
            filesystems=frozenset(self.lists["filesystem"]),
            mounts=texts["mount"],
            config=dict(map(_option, self.lists["config"])) if source else None,
            config_source=source,
            symbols=frozenset(self.lists["symbol"]) if "symbols" in self.words else None,
            files={**{path: "" for path in texts["file"] if path not in unread}, **texts["line"]},
            there=texts["there"],
            unread=unread,
            log=None if "dmesg" in unread else tuple(self.lists["log"]),
            tools=texts["tool"],
            processes=frozenset(self.lists["process"]),
            here=here,
        )


def _option(line: str) -> tuple[str, str]:
    """`CONFIG_X=y` or `# CONFIG_X is not set`."""
    if line.startswith("# "):
        return line.split()[1].removeprefix("CONFIG_"), "n"
    name, _, value = line.partition("=")
    return name.removeprefix("CONFIG_"), value.strip('"')
