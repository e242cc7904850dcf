"""Ways to step into a run: before every call of a machine and before every read of a source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import Batch, FileState, Restored
from kdeploy_gui.model.history import FailureRecord, RunCount, RunQuery, RunRecord, StageTime
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.packages import Found, Installed, Offers, Order, Wanted
from kdeploy_gui.model.plan import Dependency, Instrumentation, Plan, PlanSource, SourceFile, Want
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ports import NOTHING, Connector, Content, EventLog, Target
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan

Hook = Callable[[str, str], Awaitable[None]]
"""Gets the environment and the call, which is a verb (connect, facts, sweep, place, close ...) or a command's title."""

CALLS: Mapping[Stage, str] = {
    Stage.CONNECTING: "connect",
    Stage.DEPENDENCIES: "dependencies",
    Stage.DEPLOYING: "place",
    Stage.INSTRUMENTATION: "instrument detection",
    Stage.VALIDATING: "survey",
}
"""A call that only this stage makes on a first deployment of `whole_plan`; preparation reads sources instead."""


class HookedTarget:
    """The `Target` port with a hook before every call."""

    def __init__(self, name: str, inner: Target, hook: Hook, closed: Callable[[], None]) -> None:
        self._name = name
        self._inner = inner
        self._hook = hook
        self._closed = closed

    async def facts(self, query: FactsQuery) -> Facts:
        await self._hook(self._name, "survey" if query.files else "facts")
        return await self._inner.facts(query)

    async def survey(
        self, paths: Sequence[str], *, sweep: bool = False, resume: Mapping[str, str] = NOTHING
    ) -> Mapping[str, FileState]:
        await self._hook(self._name, "sweep" if sweep else "survey")
        return await self._inner.survey(paths, sweep=sweep, resume=resume)

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        await self._hook(self._name, "place")
        await self._inner.place(batch, progress)

    async def restore(self, run: int) -> Restored:
        await self._hook(self._name, "restore")
        return await self._inner.restore(run)

    async def dependencies(
        self, manager: str, wanted: Sequence[Wanted], offers: Offers = Offers.NO
    ) -> Mapping[Wanted, Found]:
        await self._hook(self._name, "dependencies")
        return await self._inner.dependencies(manager, wanted, offers)

    async def install(
        self, order: Order, output: Callable[[bytes], None], progress: Callable[[int], None]
    ) -> Installed:
        await self._hook(self._name, "install")
        return await self._inner.install(order, output, progress)

    async def execute(self, command: Command, output: Callable[[bytes], None] | None = None) -> Completed:
        await self._hook(self._name, command.title)
        return await self._inner.execute(command, output)

    async def follow_kernel_log(self, output: Callable[[bytes], None]) -> str:
        return await self._inner.follow_kernel_log(output)

    async def close(self) -> None:
        self._closed()
        await self._hook(self._name, "close")
        await self._inner.close()


class HookedConnector:
    """The `Connector` port with a hook before every call of its targets; counts connections."""

    def __init__(self, inner: Connector, hook: Hook) -> None:
        self._inner = inner
        self._hook = hook
        self.opened = 0
        self.closed = 0

    async def connect(self, environment: Environment) -> Target:
        await self._hook(environment.name, "connect")
        target = await self._inner.connect(environment)
        self.opened += 1
        return HookedTarget(environment.name, target, self._hook, self._count_close)

    def _count_close(self) -> None:
        self.closed += 1

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        return await self._inner.host_key(environment, algorithm)


@dataclass
class HookedContent(MemoryContent):
    """Memory content that calls `before` ahead of every digest, in the thread that reads."""

    before: Callable[[], None] = lambda: None

    def digest(self, source: SourceFile, stop: Callable[[], bool] = lambda: False) -> str:
        self.before()
        return super().digest(source)


@dataclass
class Faults:
    """What goes wrong in one stage: its calls raise these errors in turn, then work."""

    stage: Stage
    errors: Sequence[Exception]
    left: list[Exception] = field(init=False)

    def __post_init__(self) -> None:
        self.left = list(self.errors)

    def read(self) -> None:
        """`HookedContent.before`."""
        if self.stage is Stage.PREPARING and self.left:
            raise self.left.pop(0)

    async def call(self, environment: str, call: str) -> None:
        """A `Hook`."""
        if call == CALLS.get(self.stage) and self.left:
            raise self.left.pop(0)


@dataclass
class Standstill:
    """One stage of one environment stands still until `release` or for ever; `reached` says that it does."""

    stage: Stage
    environment: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, environment: str, call: str) -> None:
        """A `Hook`."""
        if environment == self.environment and call == CALLS[self.stage]:
            self.reached.set()
            await self.release.wait()


def machine() -> MemoryMachine:
    """A memory machine that satisfies `whole_plan`."""
    return MemoryMachine(tools={"sh": "/bin/sh"})


def whole_plan(names: Sequence[str], content: MemoryContent) -> Plan:
    """A plan with work in all six stages."""
    files = [memory_file(content, f"/opt/t/{name}", name.encode() * 99, 0o750) for name in ("one", "two")]
    return replace(
        memory_plan(names, files),
        dependencies=(Dependency(tool="sh"),),
        instrumentation=Instrumentation({"perf": Want.WANTED}),
    )


def hooked(machines: Mapping[str, MemoryMachine], content: Content, hook: Hook) -> HookedConnector:
    """Memory machines with a hook."""
    return HookedConnector(MemoryConnector(machines, content), hook)


class NoSecrets:
    """A keyring that nobody should need."""

    def get(self, name: str) -> str:
        raise NotImplementedError(name)


def over_ssh(content: Content, environments: Iterable[Environment] = ()) -> SshConnector:
    """The real way to machines; `environments` can be named as jump hosts."""
    return SshConnector(content, NoSecrets(), {each.name: each for each in environments}.get)


def after_the_last(server: Sshd, connector: Connector) -> HookedConnector:
    """A way to a machine that is not taken again before the machine has ended what lost its connection."""

    async def wait(_: str, call: str) -> None:
        if call == "connect":
            await until(lambda: not server.is_at_work(), "the machine ends what lost its connection")

    return HookedConnector(connector, wait)


def of(events: Iterable[Event], kind: str, environment: str = "") -> list[Event]:
    """Events of a type, of one environment where it is named."""
    return [each for each in events if each.type == kind and environment in {"", each.environment}]


class FlakyLog:
    """The `EventLog` port that raises `error` from `append` while there is one."""

    def __init__(self, inner: EventLog) -> None:
        self._inner = inner
        self.error: Exception | None = None

    def begin(self, plan: str, environments: Sequence[str], source: PlanSource | None = None) -> int:
        return self._inner.begin(plan, environments, source)

    def source(self, run: int) -> PlanSource | None:
        return self._inner.source(run)

    def append(self, events: Sequence[Event]) -> None:
        if self.error is not None:
            raise self.error
        self._inner.append(events)

    def release(self, run: int) -> None:
        self._inner.release(run)

    def end_abandoned(self) -> None:
        self._inner.end_abandoned()

    def events(self, run: int, after: int = 0) -> list[Event]:
        return self._inner.events(run, after)

    def runs(self, query: RunQuery) -> list[RunRecord]:
        return self._inner.runs(query)

    def count(self, query: RunQuery) -> RunCount:
        return self._inner.count(query)

    def failures(self, since: datetime, limit: int = 1000) -> list[FailureRecord]:
        return self._inner.failures(since, limit)

    def stage_times(self, runs: Sequence[int]) -> tuple[StageTime, ...]:
        return self._inner.stage_times(runs)


async def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Let the loop run until a condition holds; fail with `what` was expected."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"within {seconds} s: {what}"
        await asyncio.sleep(0.005)
