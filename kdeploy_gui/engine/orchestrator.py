"""Runs: submitted, scheduled, carried out for all environments at once, cancelled, summed up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from kdeploy_gui import defaults
from kdeploy_gui.engine import scheduler
from kdeploy_gui.engine.consoles import ConsoleHub
from kdeploy_gui.engine.context import Context, Digests, Keeping, Ports
from kdeploy_gui.engine.feed import Feed
from kdeploy_gui.engine.pipeline import Pipeline
from kdeploy_gui.engine.scheduler import Ticket
from kdeploy_gui.engine.verdict import Verdict
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Body, EnvironmentQueued, Event, RunFinished, RunStarted, RunSubmitted
from kdeploy_gui.model.plan import Plan, PlanSource
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage, Status

CANCEL_POLL = 0.3
"""Seconds between looks at what other processes do."""
ABANDONED_AFTER = 5
"""Looks without news after which a run of another process may have been abandoned."""


@dataclass
class _Run:
    """A run that goes on in this process."""

    number: int
    plan: Plan
    digests: Digests
    verdict: Verdict
    keeping: Keeping
    state: RunState = field(default_factory=RunState)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    started: bool = False

    def cancel(self, environments: Sequence[str]) -> None:
        """Cancel some environments, or all, each once: a second time would break off its cleaning up.

        A task that has not had its first step yet cancels itself in it, so that every environment tells its end.
        """
        for each in self.plan.environments:
            if each.name not in self.cancelled and (not environments or each.name in environments):
                self.cancelled.add(each.name)
                if each.name in self.begun:
                    self.tasks[each.name].cancel()


class Orchestrator:
    """Accepts plans and turns them into events. Lives on one event loop."""

    def __init__(self, ports: Ports, limit: int = defaults.PARALLEL_ENVIRONMENTS) -> None:
        self.feed = Feed(ports.log, ports.clock)
        self.consoles = ConsoleHub(ports.consoles, ports.clock)
        self._ports = ports
        self._limit = limit
        self._runs: dict[int, _Run] = {}
        self._ended: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[Ticket, asyncio.Event] = {}
        self._active: set[Ticket] = set()
        self._door = asyncio.Lock()
        self._closed = False

    async def submit(self, plan: Plan, source: PlanSource | None = None) -> int:
        """Start a run and return its number; `source` is what a retry plans from.

        Raises LocalError when the history cannot store it.
        """
        async with self._door:
            if self._closed:
                raise LocalError("E-CLOSING", "kdeploy is ending and takes no more runs")
            return await self._submit(plan, source)

    async def _submit(self, plan: Plan, source: PlanSource | None) -> int:
        names = tuple(each.name for each in plan.environments)
        number = await asyncio.to_thread(self._ports.log.begin, plan.name, names, source)
        digests, keeping = Digests(self._ports.content), Keeping(self._ports.kept, number, plan)
        run = _Run(number, plan, digests, Verdict(len(names)), keeping)
        self._runs[number] = run
        unsubscribe = self.feed.subscribe(partial(_fold, run))
        body = RunSubmitted(plan.name, names, plan.policy.priority, plan.takes_back, plan.validates)
        self.feed.publish(number, body)
        try:
            await self.feed.durable()
        except LocalError:
            unsubscribe()
            del self._runs[number]
            await asyncio.to_thread(self._ports.log.release, number)
            raise
        task = asyncio.get_running_loop().create_task(self._carry_out(run))
        task.add_done_callback(lambda _: unsubscribe())
        self._ended[number] = task
        return number

    async def cancel(self, number: int, environments: Sequence[str] = ()) -> bool:
        """Cancel a run, or some of its environments. False: it does not go on here."""
        run = self._runs.get(number)
        if run is None:
            return False
        run.cancel(environments)
        return True

    def runs_here(self, number: int) -> bool:
        """Whether a run goes on in this process, or ended with events that could not be stored."""
        return number in self._runs or self.feed.holds(number)

    async def watch(self, number: int, after: int = 0) -> AsyncIterator[tuple[Event, ...]]:
        """Stored events of a run that another process may still be adding to; ended for it if it dies."""
        seen, idle = after, 0
        while True:
            group = tuple(await asyncio.to_thread(self._ports.log.events, number, seen))
            if group:
                seen, idle = group[-1].seq, 0
                yield group
                continue
            idle += 1
            if idle % ABANDONED_AFTER == 0:
                await asyncio.to_thread(self._ports.log.end_abandoned)
            await asyncio.sleep(CANCEL_POLL)

    async def wait(self, number: int) -> None:
        """Return when a run of this process has ended."""
        await asyncio.shield(self._ended[number])

    async def close(self) -> None:
        """Take no more runs, cancel what goes on and wait for its clean end."""
        async with self._door:
            self._closed = True
        for number in tuple(self._runs):
            await self.cancel(number)
        await asyncio.gather(*self._ended.values(), return_exceptions=True)
        await self.consoles.close()
        await self.feed.close()

    async def _carry_out(self, run: _Run) -> None:
        watcher = asyncio.get_running_loop().create_task(self._watch(run))
        try:
            async with asyncio.TaskGroup() as group:
                for environment in run.plan.environments:
                    run.tasks[environment.name] = group.create_task(self._environment(run, environment))
        finally:
            watcher.cancel()
            run.digests.close()
            run.keeping.close()
            await self._finish(run)

    async def _finish(self, run: _Run) -> None:
        await self.feed.settle()
        statuses = {each.status for each in run.state.environments.values()}
        outcome = Outcome.SUCCEEDED
        if statuses != {Status.COMPLETED}:
            outcome = Outcome.CANCELLED if Status.CANCELLED in statuses else Outcome.FAILED
        self.feed.publish(run.number, RunFinished(outcome, run.state.summary()))
        stored = await self.feed.settle()
        del self._runs[run.number]
        if stored:  # else the lock stays, and the next start ends the run in the history
            with suppress(LocalError):
                await asyncio.to_thread(self._ports.log.release, run.number)

    async def _watch(self, run: _Run) -> None:
        """Obey requests that other processes leave."""
        obeyed: set[str] = set()
        while True:
            await asyncio.sleep(CANCEL_POLL)
            names: frozenset[str] | None = None
            with suppress(LocalError):  # looked at again in a moment
                names = await asyncio.to_thread(self._ports.control.cancel_requested, run.number)
            if names is None:
                continue
            fresh = (names or set(run.tasks)) - obeyed
            if fresh:
                obeyed |= fresh
                await self.cancel(run.number, tuple(fresh))

    async def _environment(self, run: _Run, environment: Environment) -> None:
        publish = partial(self._publish, run.number, environment.name)
        context = Context(
            run=run.number,
            plan=run.plan,
            environment=environment,
            ports=self._ports,
            digests=run.digests,
            keeping=run.keeping,
            emit=lambda body: pipeline.emit(body),
            consoles=self.consoles,
        )
        pipeline = Pipeline(context, publish, self.feed.durable, run.verdict)
        run.begun.add(environment.name)
        if environment.name in run.cancelled:
            run.tasks[environment.name].cancel()
        await pipeline.run(partial(self._admitted, run, environment))

    def _publish(self, number: int, environment: str, body: Body, stage: Stage | None, attempt: int) -> None:
        self.feed.publish(number, body, environment, stage, attempt)

    @asynccontextmanager
    async def _admitted(self, run: _Run, environment: Environment) -> AsyncIterator[None]:
        """Wait for a turn within this process, then for the environment's lock over all processes."""
        policy = run.plan.policy
        now = self._ports.clock.monotonic()
        ticket = Ticket(run.number, environment.name, policy.priority, now, policy.max_parallel)
        try:
            await self._turn(ticket)
            if not run.started:
                run.started = True
                self.feed.publish(run.number, RunStarted())
            waiting = partial(self._queued, ticket, 1)
            async with self._ports.locks.hold(environment.name, run.number, waiting):
                yield
        finally:
            self._waiting.pop(ticket, None)
            self._active.discard(ticket)
            self._schedule()

    async def _turn(self, ticket: Ticket) -> None:
        self._waiting[ticket] = granted = asyncio.Event()
        self._schedule()
        if not granted.is_set():
            ahead = scheduler.in_order(self._waiting, self._ports.clock.monotonic())
            why = scheduler.reason(ticket, self._active, self._limit)
            self._queued(ticket, ahead.index(ticket) + 1, why)
        await granted.wait()

    def _queued(self, ticket: Ticket, position: int, why: str) -> None:
        self.feed.publish(ticket.run, EnvironmentQueued(position, why), ticket.environment)

    def _schedule(self) -> None:
        now = self._ports.clock.monotonic()
        for ticket in scheduler.startable(self._waiting, self._active, self._limit, now):
            self._active.add(ticket)
            self._waiting.pop(ticket).set()


def _fold(run: _Run, group: tuple[Event, ...]) -> None:
    run.state = run.state.after_all(event for event in group if event.run == run.number)
