"""What the stages of one environment share while its run goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from kdeploy_gui.engine.boot import Boot
from kdeploy_gui.engine.console_watch import ConsoleWatch
from kdeploy_gui.engine.consoles import ConsoleHub
from kdeploy_gui.engine.crash_records import crash_records
from kdeploy_gui.engine.gate import RUN, checks_of, first_of, query_of
from kdeploy_gui.engine.guest_watch import GuestWatch
from kdeploy_gui.engine.kernel_log import KernelLog
from kdeploy_gui.errors import KdeployError, Rebooted, TargetError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import (
    Body,
    Channel,
    FactFound,
    OutputAppended,
    ReadinessChanged,
    StageProgress,
    TargetRebooted,
)
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import ManifestEntry, Placement
from kdeploy_gui.model.instrument import Finding, Switched
from kdeploy_gui.model.plan import Dependency, Plan, PlannedFile, SourceFile
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.requirement import Arrival, Requirement
from kdeploy_gui.model.stored import KeptFile, RunFiles
from kdeploy_gui.ports import (
    Clock,
    Connector,
    Consoles,
    Content,
    EnvironmentLocks,
    EventLog,
    Guests,
    Instruments,
    KeptFiles,
    OutputStore,
    PowerSupply,
    ReadinessLog,
    Remedies,
    RunControl,
    Target,
)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
CLOCK_SLACK = 2.0
"""Seconds by which a machine's clock may have been read too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside the engine that it works with."""

    connector: Connector
    content: Content
    kept: KeptFiles
    log: EventLog
    control: RunControl
    readiness: ReadinessLog
    output: OutputStore
    locks: EnvironmentLocks
    power: PowerSupply
    consoles: Consoles
    guests: Guests
    clock: Clock
    instruments: Instruments
    remedies: Remedies


class Digests:
    """What the sources of one run hold and need, each read once however many environments need it."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._digests: dict[str, str] = {}
        self._needs: dict[str, Requirement] = {}
        self._known: dict[str, asyncio.Task[str]] = {}
        self._groups: dict[tuple[str, ...], asyncio.Task[list[tuple[str, Requirement]]]] = {}
        self._stop = threading.Event()

    async def of(self, source: SourceFile) -> str:
        """The digest; raises ArtifactError. A failure is not remembered, so that a retry reads the file again."""
        return await _once(self._known, source.path, partial(self._digest, source))

    async def learn(self, files: Sequence[PlannedFile]) -> list[tuple[str, Requirement]]:
        """Digest and needs of each file of a group, which is read in one go; raises ArtifactError.

        After a failure a retry reads only what could not be read.
        """
        paths = tuple(each.source.path for each in files)
        return await _once(self._groups, paths, partial(self._read, files))

    def _read(self, files: Sequence[PlannedFile]) -> list[tuple[str, Requirement]]:
        return [(self._digest(each.source), self._need(each.source) if each.type in RUN else None) for each in files]

    def _digest(self, source: SourceFile) -> str:
        if source.path not in self._digests:
            self._digests[source.path] = self._content.digest(source, self._stop.is_set)
        return self._digests[source.path]

    def _need(self, source: SourceFile) -> Requirement:
        if source.path not in self._needs:
            self._needs[source.path] = self._content.requirement(source)
        return self._needs[source.path]

    def close(self) -> None:
        """Stop reading: nobody waits for the rest."""
        self._stop.set()


async def _once(known: dict[K, asyncio.Task[T]], key: K, work: Callable[[], T]) -> T:
    task = known.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = asyncio.ensure_future(asyncio.to_thread(work))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        known[key] = task
    return task.result() if task.done() else await asyncio.shield(task)


def facts_query(plan: Plan, requirements: Mapping[str, Requirement]) -> FactsQuery:
    """What a plan needs to know about a machine."""
    query = query_of(plan.files, requirements)
    named = [each.tool for each in plan.dependencies if each.tool]
    limits = plan.validation
    return replace(query, tools=(*named, *limits.tools, *query.tools), paths=tuple(limits.disk))


class Keeping:
    """The files of one run on their way into the store: brought there once, however many environments wait for it."""

    def __init__(self, kept: KeptFiles, run: int, plan: Plan) -> None:
        self._kept = kept
        self._run = run
        self._plan = plan
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stop = threading.Event()

    async def done(self, hashes: Mapping[str, str], now: datetime) -> None:
        """Return when all is stored; raises what `KeptFiles.keep` raises. After a failure the next one tries again."""
        if not self._plan.files:
            return
        files = RunFiles(self._run, self._plan.name, now, tuple(_kept(each, hashes) for each in self._plan.files))
        await _once(self._tasks, "", partial(self._kept.keep, files, self._stop.is_set))

    def close(self) -> None:
        """Stop storing: nobody waits for the rest."""
        self._stop.set()


def _kept(file: PlannedFile, hashes: Mapping[str, str]) -> KeptFile:
    return KeptFile(
        target=file.target,
        sha256=hashes[file.source.path],
        mode=file.mode,
        size=file.source.size,
        type=file.type,
        owner=file.owner,
        sensitive=file.sensitive,
        artifact=file.artifact,
        source=file.source.path,
        relative=file.source.relative,
        link=file.link,
    )


def manifest_entry(file: PlannedFile, facts: Facts, sha256: str) -> ManifestEntry:
    """A planned file as it shall stand on the machine with these facts."""
    return ManifestEntry(facts.expand(file.target), sha256, file.mode, file.owner, file.source.size)


def planned_placement(file: PlannedFile, facts: Facts, sha256: str) -> Placement:
    """A planned file, and where its bytes are here."""
    return Placement(manifest_entry(file, facts, sha256), file.source.path, facts.expand(file.link))


@dataclass(kw_only=True)
class Context:
    """One environment of one run: set-up, what earlier stages found out, and the ways to speak.

    `snapshot` is the one that this run took of a guest, empty where it could not, None before it tried.
    Once `placing`, files on the machine may be those of this run.
    `facts` are those of the newest contact. Once `rebooted`, what earlier stages did on the machine may be gone.
    `locked_since` is when another package manager was first seen at work, by the clock that never jumps; `lacked` are
    the dependencies that were not there at first, whatever attempt brought them. `findings` is how instruments were
    found, `switched` what this run switched on and has not taken back. `catch_up` does again what a reboot undid.
    """

    run: int
    plan: Plan
    environment: Environment
    ports: Ports
    digests: Digests
    keeping: Keeping
    emit: Callable[[Body], None]
    consoles: ConsoleHub
    hashes: dict[str, str] = field(default_factory=dict)
    requirements: dict[str, Requirement] = field(default_factory=dict)
    facts: Facts | None = None
    rebooted: bool = False
    ready: bool = False
    placing: bool = False
    snapshot: str | None = None
    locked_since: float | None = None
    lacked: set[Dependency] = field(default_factory=set)
    findings: dict[str, Finding] = field(default_factory=dict)
    switched: list[Switched] = field(default_factory=list)
    catch_up: Callable[[], Awaitable[None]] = field(init=False)
    kernel_log: KernelLog = field(init=False)
    console: ConsoleWatch = field(init=False)
    guest: GuestWatch = field(init=False)
    _target: Target | None = None
    _began: float = 0.0

    def __post_init__(self) -> None:
        ports = self.ports
        self.hashes.update(self.plan.digests)
        self._boot = Boot(
            environment=self.environment,
            connector=ports.connector,
            power=ports.power,
            guests=ports.guests,
            clock=ports.clock,
            emit=self.emit,
            output=self.output,
        )
        self.kernel_log = KernelLog(self.emit, self.output, self.plan.policy.splats)
        keep = partial(self.output, channel=Channel.CONSOLE)
        self.console = ConsoleWatch(self.environment, self.consoles, self.emit, keep, self.kernel_log.take_console)
        self.kernel_log.console_listens = lambda: self.console.listens
        self._boot.switched_on = self.console.hurry
        cut = self.kernel_log.cut
        self.guest = GuestWatch(self.environment, ports.guests, lambda: self._target is not None, cut)

    async def target(self) -> Target:
        """The connected machine; connects anew after a lost link. Raises what `Boot.reach` raises."""
        if self._target is None:
            target = await self._boot.reach()
            try:
                facts = await target.facts(replace(self.query, health=True))
                if self._meet(facts):
                    await self._tell_crash(target, facts)
            except BaseException:
                await target.close()
                raise
            self._target = target
            self.kernel_log.follow(target)
        return self._target

    async def look(self, query: FactsQuery | None = None) -> Facts:
        """Facts of now, all that the plan needs or those of `query`.

        Raises Rebooted where they are those of another boot than the one that the stage began in.
        """
        target = await self.target()
        before = self.known.boot_id
        facts = await target.facts(query or self.query)
        self._meet(facts)
        if facts.boot_id != before:
            raise Rebooted(
                "E-REBOOTED",
                f"Target rebooted (boot id changed): it was {before} and is {facts.boot_id} now",
                on_target="What was deployed is verified again in the new boot, at the next contact.",
            )
        return facts

    def _meet(self, facts: Facts) -> bool:
        """Keep facts, and tell when they are those of another boot; whether they are."""
        before, self.facts = self.facts, replace(facts, files={})
        if before is None:
            self._began = self._clock_there(facts)
        if before is None or facts.boot_id == before.boot_id:
            return False
        self.rebooted = True
        self.emit(TargetRebooted(before.boot_id, facts.boot_id))
        return True

    def _clock_there(self, facts: Facts) -> float:
        return self.ports.clock.now().timestamp() + facts.clock_skew

    async def _tell_crash(self, target: Target, facts: Facts) -> None:
        """Tell what the kernel kept of its end, if that came since this run began; each record once."""
        since, self._began = self._began - CLOCK_SLACK, self._clock_there(facts)
        try:
            records = await crash_records(target, since)
        except TargetError as error:
            self.emit(FactFound("crash_record", f"not read: {error.message}"))
            return
        for path, text in records.items():
            self.emit(FactFound("crash_record", path))
            self.kernel_log.take_record(text)

    async def disconnect(self) -> None:
        """Let go of the machine."""
        await self.kernel_log.stop()
        target, self._target = self._target, None
        if target is not None:
            await target.close()

    @property
    def known(self) -> Facts:
        """Facts of the connected machine; a stage asks for them only after `target()`."""
        if self.facts is None:
            raise RuntimeError("no facts before the first connection")
        return self.facts

    @property
    def query(self) -> FactsQuery:
        """What this plan needs to know about a machine."""
        return facts_query(self.plan, self.requirements)

    def arrivals(self) -> tuple[Arrival, ...]:
        """The manifest's entries with what the files need."""
        return tuple(
            Arrival(entry, file.type, self.requirements.get(file.source.path), self.known.expand(file.link))
            for entry, file in zip(self.manifest(), self.plan.files, strict=True)
        )

    def refuse(self, found: Sequence[KdeployError]) -> None:
        """Tell all refusals of the gate and raise the first; none: go on."""
        for error, check in zip(found, checks_of(found), strict=True):
            self.emit(replace(check, remedy=self.ports.remedies.remedy(error, self.environment.name)))
        if found:
            raise first_of(found)

    def placements(self) -> tuple[Placement, ...]:
        """The plan's files for this machine: `~` expanded, content hashes from the preparation."""
        return tuple(planned_placement(each, self.known, self.hashes[each.source.path]) for each in self.plan.files)

    def manifest(self) -> tuple[ManifestEntry, ...]:
        """The placements' entries."""
        return tuple(each.entry for each in self.placements())

    def progress(self, done: int, total: int, unit: str, note: str = "") -> None:
        """Say how far the stage is."""
        self.emit(StageProgress(done, total, unit, note))

    def output(self, data: bytes, channel: Channel = Channel.OUTPUT) -> None:
        """Store output of a command, or of the console, and say where."""
        offset = self.ports.output.append(self.run, self.environment.name, data, channel)
        self.emit(OutputAppended(offset, len(data), channel))

    async def mark(self, ready: bool, because: str) -> None:
        """Store and announce the readiness of this environment; a cancellation waits until both are done."""
        facts = self.facts
        mark = ReadyMark(
            environment=self.environment.name,
            ready=ready,
            because=because,
            time=self.ports.clock.now(),
            run=self.run,
            boot_id=facts.boot_id if facts else "",
            kernel_release=facts.kernel_release if facts else "",
            kernel_build=facts.kernel_build if facts else "",
            kernel_build_id=facts.kernel_build_id if facts else "",
            manifest=self.manifest() if facts else (),
            instruments={name: each.state.value for name, each in self.findings.items()},
        )
        storing = asyncio.ensure_future(asyncio.to_thread(self.ports.readiness.mark, mark))
        try:
            await asyncio.shield(storing)
        finally:
            await storing
            self.ready = ready
            self.emit(ReadinessChanged(ready, because))

    async def drop_mark(self, because: str) -> None:
        """The environment is about to change: if it is READY, it no longer is."""
        latest = await asyncio.to_thread(self.ports.readiness.latest, self.environment.name)
        if latest is not None and latest.ready:
            await self.mark(False, because)
