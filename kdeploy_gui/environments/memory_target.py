"""Machines that exist in memory only: the `Target` port without a network, for rehearsals and tests.

They obey the same contract as real ones, and go wrong on request.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from posixpath import basename, dirname
from typing import TypeVar

from kdeploy_gui import defaults
from kdeploy_gui.environments.memory_machine import Kept
from kdeploy_gui.environments.memory_machine import MemoryMachine as MemoryMachine
from kdeploy_gui.environments.memory_machine import StoredFile as StoredFile
from kdeploy_gui.environments.tar_stream import rest
from kdeploy_gui.errors import Category, ContentChanged, KdeployError, NetworkError, NothingKept, TargetError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Disk, Facts, FactsQuery, Folder, Presence
from kdeploy_gui.model.files import Batch, FileKind, FileState, ManifestEntry, Placement, Restored, Staged
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey, randomart
from kdeploy_gui.model.packages import Found, Installed, Offers, Order, Wanted
from kdeploy_gui.model.versioned import holder, leads_to, version_name
from kdeploy_gui.ports import NOTHING, Content, Target

T = TypeVar("T")


class MemoryTarget:
    """The `Target` port on a memory machine."""

    def __init__(self, machine: MemoryMachine, content: Content) -> None:
        self._machine = machine
        self._content = content

    async def facts(self, query: FactsQuery) -> Facts:
        """See `Target.facts`."""
        await self._machine.enter("facts")
        files = await self.survey(query.files) if query.files else {}
        facts = self._machine.facts
        disk = Disk(self._machine.free_bytes, 1 << 31, 1 << 16, "/")
        return replace(
            facts,
            tools={tool: self._machine.tools.get(tool, "") for tool in query.tools},
            disks=dict.fromkeys(query.paths, disk),
            programs={each: self._machine.programs.get(each, Presence.RUNS) for each in query.programs},
            folders={path: Folder(path, path, disk=disk, mount="/") for path in map(facts.expand, query.folders)},
            health=(facts.health or Health()) if query.health else None,
            files=files,
        )

    async def survey(
        self, paths: Sequence[str], *, sweep: bool = False, resume: Mapping[str, str] = NOTHING
    ) -> Mapping[str, FileState]:
        """See `Target.survey`; only what came of large files is there to sweep."""
        await self._machine.enter("survey")
        if sweep:
            begun = self._machine.begun
            self._machine.begun = {key: begun[key] for key in resume.items() if key in begun}
        return {path: self._with_staged(self._state(path), resume) for path in paths}

    def _with_staged(self, state: FileState, resume: Mapping[str, str]) -> FileState:
        data = self._machine.begun.get((state.path, resume.get(state.path, "")))
        return replace(state, staged=Staged(len(data), hashlib.sha256(data).hexdigest())) if data else state

    def _state(self, path: str) -> FileState:
        if path in self._machine.links:
            said = leads_to(path, basename(self._machine.links[path]))
            return FileState(path, FileKind.SYMLINK, leads_to=said)
        stored = self._machine.files.get(self._machine.real(path))
        if stored is None:
            below = any(name.startswith(f"{self._machine.real(path)}/") for name in self._machine.files)
            return FileState(path, FileKind.FOLDER if below else FileKind.MISSING)
        digest = hashlib.sha256(stored.data).hexdigest()
        return FileState(path, FileKind.FILE, digest, stored.mode, stored.owner, len(stored.data))

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        """See `Target.place`."""
        machine = self._machine
        arrived: dict[str, StoredFile] = {}
        sent = sum(batch.resume.values())
        for placement in batch.sent:
            arrived[placement.entry.path] = self._stage(placement, batch.resume.get(placement.entry.path, 0))
            sent += placement.entry.size - batch.resume.get(placement.entry.path, 0)
            progress(sent)
        if sent > machine.free_bytes:
            raise TargetError("E-NOSPC", "no space is left", on_target="The previous version is intact.")
        await machine.enter("place")
        staged = {each.entry.path: arrived[each.entry.path] for each in batch.send}
        for entry in batch.attributes:
            staged[entry.path] = self._changed(entry)
        links: dict[str, str] = {}
        for each in batch.sets:
            links[each.link] = f"{holder(each.link)}/{version_name(batch.run, each.entries, secrets.token_hex(4))}"
            for entry in each.entries:
                stored = arrived.get(entry.path) or self._changed(entry)
                staged[links[each.link] + entry.path[len(each.link) :]] = stored
        kept = Kept(
            batch.run,
            {path: machine.files.get(path) for path in staged},
            staged,
            {link: machine.links.get(link) for link in links},
            links,
        )
        machine.files.update(staged)
        machine.links.update(links)
        machine.begun.clear()
        machine.kept = [*machine.kept, kept][-batch.keep :] if batch.keep else machine.kept
        self._prune(links)

    def _changed(self, entry: ManifestEntry) -> StoredFile:
        stored = self._machine.files[self._machine.real(entry.path)]
        return replace(stored, mode=entry.mode, owner=self._owner(entry))

    def _prune(self, links: Iterable[str]) -> None:
        """Remove versions that nothing leads to any more."""
        machine = self._machine
        needed = {*machine.links.values(), *(each for kept in machine.kept for each in kept.links_before.values())}
        for link in links:
            tops = {"/".join(path.split("/")[: link.count("/") + 2]) for path in machine.files if _is_below(path, link)}
            for path in list(machine.files):
                if any(path.startswith(f"{top}/") for top in tops - needed):
                    del machine.files[path]

    async def restore(self, run: int) -> Restored:
        """See `Target.restore`."""
        await self._machine.enter("restore")
        machine = self._machine
        if not machine.kept:
            raise NothingKept("E-ROLLBACK-NONE", "no previous version is kept on the machine", run=str(run))
        newest = machine.kept[-1]
        if newest.run != run:
            raise NothingKept("E-ROLLBACK-NEWER", f"run {newest.run} came after run {run}", newer=str(newest.run))
        changed = any(machine.files.get(path) != stored for path, stored in newest.placed.items())
        if changed or any(machine.links.get(link) != version for link, version in newest.links_placed.items()):
            raise TargetError("E-ROLLBACK-CHANGED", f"files were changed since run {run} placed them", run=str(run))
        machine.kept.pop()
        before: dict[str, StoredFile | str | None] = {**newest.links_before}
        for path, stored in newest.before.items():
            if any(path.startswith(f"{version}/") for version in newest.links_placed.values()):
                continue
            before[path] = stored
            _put(machine.files, path, stored)
        for link, version in newest.links_before.items():
            _put(machine.links, link, version)
        self._prune(newest.links_before)
        return Restored(
            restored=tuple(path for path, stored in before.items() if stored is not None),
            removed=tuple(path for path, stored in before.items() if stored is None),
        )

    def _stage(self, placement: Placement, resumed: int) -> StoredFile:
        entry = placement.entry
        key = (entry.path, entry.sha256)
        data = self._machine.begun.get(key, b"")[:resumed]
        try:
            for chunk in rest(placement, self._content, resumed):
                data += chunk
        except NetworkError:
            if entry.size >= defaults.RESUME_FROM:
                self._machine.begun[key] = data
            raise
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ContentChanged(
                "E-HASH",
                f"{placement.source} changed while it was being sent",
                on_target="The previous version is intact.",
            )
        if dirname(entry.path) in self._machine.files:
            raise TargetError("E-NOTDIR", f"a file stands where a folder is needed: {dirname(entry.path)}")
        if not placement.link and self._state(entry.path).kind is FileKind.FOLDER:
            raise TargetError("E-ISDIR", f"a folder stands where the file shall be: {entry.path}")
        return StoredFile(data, entry.mode, self._owner(entry))

    def _owner(self, entry: ManifestEntry) -> str:
        facts = self._machine.facts
        user, _, group = entry.owner.partition(":")
        return f"{user or facts.user}:{group or facts.group}"

    async def dependencies(
        self, manager: str, wanted: Sequence[Wanted], offers: Offers = Offers.NO
    ) -> Mapping[Wanted, Found]:
        """See `Target.dependencies`."""
        await self._machine.enter("dependencies")
        depot, tools = self._machine.depot, self._machine.tools
        return {each: depot.look(each, tools, offers) for each in wanted}

    async def install(
        self, order: Order, output: Callable[[bytes], None], progress: Callable[[int], None]
    ) -> Installed:
        """See `Target.install`. A file's name is that of its package and the version, with an underscore between."""
        sent = 0
        for each in order.files:
            self._stage(each, 0)
            sent += each.entry.size
            progress(sent)
        await self._machine.enter("install")
        return self._machine.depot.install(order, output)

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


def _put(where: dict[str, T], path: str, before: T | None) -> None:
    """As it was before: something, or nothing."""
    if before is None:
        del where[path]
    else:
        where[path] = before


def _is_below(path: str, link: str) -> bool:
    return path.startswith(f"{holder(link)}/")


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
