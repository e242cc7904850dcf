"""Machines that exist in memory only: the `Target` port without a network, for rehearsals and tests.

They obey the same contract as real ones, and go wrong on request.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from posixpath import dirname

from kdeploy_gui.errors import Category, ContentChanged, KdeployError, NothingKept, TargetError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Disk, Facts, FactsQuery, Folder, Presence
from kdeploy_gui.model.files import Batch, FileKind, FileState, ManifestEntry, Placement, Restored
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey, randomart
from kdeploy_gui.ports import Content, Target


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a memory machine."""

    data: bytes
    mode: int
    owner: str


@dataclass
class MemoryMachine:
    """One machine's state.

    `failures` holds, per verb (`connect`, `facts`, `survey`, `place`, `restore`, `execute`, `follow`), the errors that
    its next calls raise, None for a call that works; `replies` answers commands by their title; `kept` are the versions
    that runs replaced: the run, what stood there before and what it placed; `log_readers` follow the kernel's log.
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
    programs: dict[str, Presence] = field(default_factory=dict)
    free_bytes: int = 1 << 30
    failures: dict[str, list[KdeployError | None]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[str, Completed] = field(default_factory=dict)
    latency: float = 0.0
    calls: list[str] = field(default_factory=list)
    kept: list[tuple[int, dict[str, StoredFile | None], dict[str, StoredFile]]] = field(default_factory=list)
    log_readers: list[Callable[[bytes], None]] = field(default_factory=list)

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


class MemoryTarget:
    """The `Target` port on a memory machine."""

    def __init__(self, machine: MemoryMachine, content: Content) -> None:
        self._machine = machine
        self._content = content

    async def facts(self, query: FactsQuery) -> Facts:
        """See `Target.facts`."""
        await self._machine.enter("facts")
        facts = self._machine.facts
        disk = Disk(self._machine.free_bytes, 1 << 31, 1 << 16, "/")
        return replace(
            facts,
            tools={tool: self._machine.tools.get(tool, "") for tool in query.tools},
            disks=dict.fromkeys(query.paths, disk),
            programs={each: self._machine.programs.get(each, Presence.RUNS) for each in query.programs},
            folders={path: Folder(path, path, disk=disk, mount="/") for path in map(facts.expand, query.folders)},
        )

    async def survey(self, paths: Sequence[str], *, sweep: bool = False) -> Mapping[str, FileState]:
        """See `Target.survey`; there is never anything to sweep."""
        await self._machine.enter("survey")
        return {path: self._state(path) for path in paths}

    def _state(self, path: str) -> FileState:
        stored = self._machine.files.get(path)
        if stored is None:
            below = any(name.startswith(f"{path}/") for name in self._machine.files)
            return FileState(path, FileKind.FOLDER if below else FileKind.MISSING)
        digest = hashlib.sha256(stored.data).hexdigest()
        return FileState(path, FileKind.FILE, digest, stored.mode, stored.owner, len(stored.data))

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        """See `Target.place`."""
        staged: dict[str, StoredFile] = {}
        sent = 0
        for placement in batch.send:
            staged[placement.entry.path] = self._stage(placement)
            sent += placement.entry.size
            progress(sent)
        if sent > self._machine.free_bytes:
            raise TargetError("E-NOSPC", "no space is left", on_target="The previous version is intact.")
        await self._machine.enter("place")
        for entry in batch.attributes:
            stored = self._machine.files[entry.path]
            staged[entry.path] = replace(stored, mode=entry.mode, owner=self._owner(entry))
        before = {path: self._machine.files.get(path) for path in staged}
        self._machine.files.update(staged)
        if batch.keep:
            placed = {path: self._machine.files[path] for path in staged}
            self._machine.kept = [*self._machine.kept, (batch.run, before, placed)][-batch.keep :]

    async def restore(self, run: int) -> Restored:
        """See `Target.restore`."""
        await self._machine.enter("restore")
        if not self._machine.kept:
            raise NothingKept("E-ROLLBACK-NONE", "no previous version is kept on the machine", run=str(run))
        newest, before, placed = self._machine.kept[-1]
        if newest != run:
            raise NothingKept("E-ROLLBACK-NEWER", f"run {newest} came after run {run}", newer=str(newest))
        if any(self._machine.files.get(path) != stored for path, stored in placed.items()):
            raise TargetError("E-ROLLBACK-CHANGED", f"files were changed since run {run} placed them", run=str(run))
        self._machine.kept.pop()
        for path, stored in before.items():
            if stored is None:
                del self._machine.files[path]
            else:
                self._machine.files[path] = stored
        return Restored(
            restored=tuple(path for path, stored in before.items() if stored is not None),
            removed=tuple(path for path, stored in before.items() if stored is None),
        )

    def _stage(self, placement: Placement) -> StoredFile:
        entry = placement.entry
        data = b"".join(self._content.read(placement.source))
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ContentChanged(
                "E-HASH",
                f"{placement.source} changed while it was being sent",
                on_target="The previous version is intact.",
            )
        if dirname(entry.path) in self._machine.files:
            raise TargetError("E-NOTDIR", f"a file stands where a folder is needed: {dirname(entry.path)}")
        if self._state(entry.path).kind is FileKind.FOLDER:
            raise TargetError("E-ISDIR", f"a folder stands where the file shall be: {entry.path}")
        return StoredFile(data, entry.mode, self._owner(entry))

    def _owner(self, entry: ManifestEntry) -> str:
        facts = self._machine.facts
        user, _, group = entry.owner.partition(":")
        return f"{user or facts.user}:{group or facts.group}"

    async def execute(self, command: Command, output: Callable[[bytes], None] | None = None) -> Completed:
        """See `Target.execute`: the reply kept for the command's title, else success without a word."""
        await self._machine.enter("execute")
        done = self._machine.replies.get(command.title, Completed(0))
        if output is not None and done.stdout:
            output(done.stdout)
        return done

    async def follow_kernel_log(self, output: Callable[[bytes], None]) -> str:
        """See `Target.follow_kernel_log`."""
        await self._machine.enter("follow")
        self._machine.log_readers.append(output)
        try:
            await asyncio.Event().wait()
        finally:
            self._machine.log_readers.remove(output)
        return ""

    async def close(self) -> None:
        """See `Target.close`."""


class MemoryConnector:
    """The `Connector` port over memory machines by environment name."""

    def __init__(self, machines: Mapping[str, MemoryMachine], content: Content) -> None:
        self._machines = machines
        self._content = content

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        machine = self._machines[environment.name]
        await machine.enter("connect")
        return MemoryTarget(machine, self._content)

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        """See `Connector.approach`; the kind of an error says how far the way was."""
        way = (CheckPart.ADDRESS, CheckPart.PORT, CheckPart.HOST_KEY, CheckPart.LOGIN)
        try:
            target = await self.connect(environment)
        except KdeployError as error:
            behind = {Category.NET: 1, Category.TRUST: 2, Category.AUTH: 3}.get(error.category, 0)
            for part in way[:behind]:
                tell(CheckStep(part, CheckOutcome.OK, "in memory"))
            raise
        for part in way:
            tell(CheckStep(part, CheckOutcome.OK, "in memory"))
        return target

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """See `Connector.host_key`; memory machines have none worth pinning."""
        fingerprint = "SHA256:" + "0" * 43
        return HostKey(fingerprint, algorithm or ALGORITHMS[0], randomart(fingerprint))
