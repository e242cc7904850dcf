"""A machine that exists in memory only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kdeploy_gui.environments.memory_depot import MemoryDepot
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import Facts, Presence


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a memory machine."""

    data: bytes
    mode: int
    owner: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that a run replaced: files and links as they were (None: nothing) and as the run made them."""

    run: int
    before: Mapping[str, StoredFile | None]
    placed: Mapping[str, StoredFile]
    links_before: Mapping[str, str | None]
    links_placed: Mapping[str, str]


@dataclass
class MemoryMachine:
    """One machine's state.

    `failures` holds, per verb (`connect`, `facts`, `survey`, `place`, `restore`, `dependencies`, `install`, `execute`,
    `follow`), the errors that its next calls raise, None for a call that works; `replies` answers commands by their
    title; `kept` are the versions that runs replaced. `links` lead to versions of sets, whose files stand in `files`
    under their real paths; `begun` holds what came of large files before a transfer was cut short, by path and SHA-256
    of all of it. `depot` is what it has of packages; `log_readers` follow the kernel's log.
    """

    facts: Facts = field(
        default_factory=lambda: Facts(
            kernel_release="6.1.0-memory",
            kernel_build="#1 SMP",
            machine="x86_64",
            boot_id="00000000-0000-4000-8000-000000000001",
            memory_total=1 << 30,
            memory_available=1 << 29,
            uid=0,
            user="root",
            group="root",
            home="/root",
        )
    )
    files: dict[str, StoredFile] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    depot: MemoryDepot = field(default_factory=MemoryDepot)
    programs: dict[str, Presence] = field(default_factory=dict)
    free_bytes: int = 1 << 30
    failures: dict[str, list[KdeployError | None]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[str, Completed] = field(default_factory=dict)
    latency: float = 0.0
    calls: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    begun: dict[tuple[str, str], bytes] = field(default_factory=dict)
    log_readers: list[Callable[[bytes], None]] = field(default_factory=list)

    def real(self, path: str) -> str:
        """Where a path leads."""
        link = next((each for each in self.links if path.startswith(f"{each}/")), "")
        return self.links[link] + path[len(link) :] if link else path

    def printk(self, text: bytes) -> None:
        """The machine's kernel logs lines."""
        for reader in self.log_readers:
            reader(text)

    async def enter(self, verb: str) -> None:
        """Count a call, take its time and raise what it was told to raise."""
        self.calls.append(verb)
        await asyncio.sleep(self.latency)
        queued = self.failures[verb]
        error = queued.pop(0) if queued else None
        if error is not None:
            raise error
