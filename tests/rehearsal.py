"""The real engine on memory machines: plans run for real, without a network and without waiting."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from kdeploy_gui.artifacts.inspection import inspect
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.locks import FileEnvironmentLocks
from kdeploy_gui.environments.memory_console import MemoryConsoles
from kdeploy_gui.environments.memory_guests import MemoryGuests
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine
from kdeploy_gui.environments.power import WorkstationPower
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.plan import ArtifactType, Plan, PlannedFile, SourceFile
from kdeploy_gui.model.requirement import Requirement
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.ports import Connector, Content
from kdeploy_gui.remedies import bundled

START = datetime(2026, 1, 1, tzinfo=UTC)
_IN_MEMORY = "/dev/shm"


class JumpingClock:
    """The `Clock` port: a sleep ends at once and moves the time; `waits` keeps what was asked for."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.waits: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


@dataclass
class MemoryContent:
    """The `Content` port over named byte strings."""

    data: dict[str, bytes] = field(default_factory=dict)

    def digest(self, source: SourceFile, stop: Callable[[], bool] = lambda: False) -> str:
        return hashlib.sha256(b"".join(self.read(source.path))).hexdigest()

    def requirement(self, source: SourceFile) -> Requirement:
        return inspect(BytesIO(b"".join(self.read(source.path))))

    def read(self, path: str) -> Iterator[bytes]:
        if path not in self.data:
            raise ArtifactError("E-SOURCE-MISSING", f"{path} is missing", path=path)
        yield self.data[path]


def quick_folder() -> TemporaryDirectory[str]:
    """A folder in memory, where there is such a file system: a history waits for the disk after each group."""
    return TemporaryDirectory(dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None)


def memory_file(content: MemoryContent, target: str, data: bytes, mode: int = 0o644, owner: str = "") -> PlannedFile:
    """A planned file whose bytes are `data`."""
    path = f"memory:{target}"
    content.data[path] = data
    source = SourceFile(path, target.rpartition("/")[2], len(data))
    return PlannedFile(source=source, target=target, type=ArtifactType.DATA, mode=mode, owner=owner)


def memory_plan(names: Sequence[str], files: Sequence[PlannedFile] = ()) -> Plan:
    """A plan for memory machines; `dataclasses.replace` gives it dependencies, a policy and limits."""
    environments = tuple(Environment(name=name, host=f"{name}.invalid") for name in names)
    return Plan(name="rehearsal", environments=environments, files=tuple(files))


@dataclass
class Rehearsal:
    """One orchestrator on one history. `run` carries a plan out and returns its folded state and its events."""

    history: History
    orchestrator: Orchestrator
    clock: JumpingClock
    consoles: MemoryConsoles

    async def run(self, plan: Plan) -> tuple[RunState, list[Event]]:
        """Submit, wait for the end, read back what was stored."""
        number = await self.orchestrator.submit(plan)
        await self.orchestrator.wait(number)
        events = self.history.log.events(number)
        return fold(events), events


def ports(history: History, folder: Path, connector: Connector, content: Content) -> Ports:
    """Real ports on `history`, with a clock that jumps."""
    return Ports(
        connector=connector,
        content=content,
        kept=ArtifactStore(folder / "artifacts", content),
        log=history.log,
        control=history.control,
        readiness=history.readiness,
        output=history.output,
        locks=FileEnvironmentLocks(folder / "locks"),
        power=WorkstationPower(folder, folder / "power"),
        consoles=MemoryConsoles(),
        guests=MemoryGuests({}),
        clock=JumpingClock(),
        instruments=Catalogue(),
        remedies=bundled(),
    )


@asynccontextmanager
async def rehearsal(
    folder: Path,
    machines: Mapping[str, MemoryMachine],
    content: MemoryContent,
    *,
    limit: int = 64,
    connector: Connector | None = None,
) -> AsyncIterator[Rehearsal]:
    """The engine on `machines` (or behind any other `connector`), its history below `folder`."""
    history = open_history(folder)
    clock = JumpingClock()
    outside = ports(history, folder, connector or MemoryConnector(machines, content), content)
    consoles = MemoryConsoles()
    orchestrator = Orchestrator(replace(outside, clock=clock, consoles=consoles), limit)
    try:
        yield Rehearsal(history, orchestrator, clock, consoles)
    finally:
        await orchestrator.close()
        history.close()
