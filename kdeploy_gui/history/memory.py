"""A history that forgets everything with its process: for dry runs and tests. Held to the same contract suite."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from kdeploy_gui.history.codec import encodable
from kdeploy_gui.model.event import Channel, Event, OutputAppended, RunFinished
from kdeploy_gui.model.history import (
    FailedEnvironment,
    FailureRecord,
    OutputChunk,
    RetriedEnvironment,
    RunCount,
    RunField,
    RunQuery,
    RunRecord,
    RunTerm,
    StageTime,
    stage_times,
)
from kdeploy_gui.model.plan import PlanSource
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import EnvironmentState, RunState, fold
from kdeploy_gui.model.scan import Scan
from kdeploy_gui.model.stage import Stage, StageOutcome, Status

FailedText = tuple[str, str]
"""Code and message of an error."""


class MemoryEventLog:
    """Port EventLog in memory; lists are folded from the events each time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: list[tuple[str, tuple[str, ...], datetime]] = []
        self._events: dict[int, list[Event]] = {}
        self._sources: dict[int, PlanSource | None] = {}
        self.alive: set[int] = set()

    def begin(self, plan: str, environments: Sequence[str], source: PlanSource | None = None) -> int:
        """Allocate a run number."""
        with self._lock:
            self._begun.append((plan, tuple(environments), datetime.now(UTC)))
            run = len(self._begun)
            self._events[run] = []
            self._sources[run] = source
            self.alive.add(run)
            return run

    def source(self, run: int) -> PlanSource | None:
        """What a run was planned from."""
        return self._sources.get(run)

    def append(self, events: Sequence[Event]) -> None:
        """Keep events, all or none. Raises ValueError for a number that is not above the last one of its run."""
        with self._lock:
            last = {run: stored[-1].seq for run, stored in self._events.items() if stored}
            for event in events:
                if event.seq <= last.get(event.run, 0):
                    raise ValueError(f"run {event.run} already has event {event.seq}")
                last[event.run] = event.seq
            for event in events:
                self._events[event.run].append(event)

    def release(self, run: int) -> None:
        """The run is not alive any more."""
        with self._lock:
            self.alive.discard(run)

    def end_abandoned(self) -> None:
        """Nothing: a history in memory dies with its process."""

    def events(self, run: int, after: int = 0) -> list[Event]:
        """Events of a run with a sequence number above `after`."""
        with self._lock:
            return [each for each in self._events.get(run, []) if each.seq > after]

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs, newest first."""
        with self._lock:
            numbers = range(min(len(self._begun), query.before - 1 if query.before else len(self._begun)), 0, -1)
            chosen = (record for record, errors in map(self._record, numbers) if matches(query, record, errors))
            return [record for record, _ in zip(chosen, range(query.limit), strict=False)]

    def count(self, query: RunQuery) -> RunCount:
        """How many runs match, whatever the page, of how many."""
        with self._lock:
            everything = [self._record(run + 1) for run in range(len(self._begun))]
        return RunCount(sum(matches(query, *each) for each in everything), len(everything))

    def failures(self, since: datetime, limit: int = 1000) -> list[FailureRecord]:
        """Environments that failed or were interrupted since a moment, newest first."""
        with self._lock:
            states = {run: fold(stored) for run, stored in self._events.items()}
        found = [
            FailureRecord(
                run=run,
                plan=state.plan,
                time=each.finished,
                environment=each.name,
                failure=each.error,
                attempts=attempts_of(each),
                solved_by=solved_by,
                solved=states[solved_by].environments[each.name].finished if solved_by else None,
            )
            for run, state in states.items()
            for each in state.environments.values()
            if each.error and each.finished and each.finished >= since
            if each.status in {Status.FAILED, Status.INTERRUPTED}
            for solved_by in [next_completed(states, each.name, run)]
        ]
        return sorted(found, key=lambda each: (-each.time.timestamp(), -each.run, each.environment))[:limit]

    def stage_times(self, runs: Sequence[int]) -> tuple[StageTime, ...]:
        """How long stages took in these runs, as far as they have ended."""
        with self._lock:
            last = [self._events[run][-1].body for run in runs if self._events.get(run)]
        summaries = [each for body in last if isinstance(body, RunFinished) for each in body.environments]
        succeeded = (stage for each in summaries for stage in each.stages if stage.outcome is StageOutcome.SUCCEEDED)
        return stage_times((each.stage, each.seconds) for each in succeeded)

    def _record(self, run: int) -> tuple[RunRecord, tuple[FailedText, ...]]:
        plan, environments, begun = self._begun[run - 1]
        state = fold(self._events[run])
        record = RunRecord(
            run=run,
            plan=state.plan or plan,
            submitted=state.submitted or begun,
            finished=state.finished,
            outcome=state.outcome,
            environments=environments,
            ready=sum(each.ready for each in state.environments.values()),
            failed=tuple(
                FailedEnvironment(name, encodable(each.error.code) if each.error else "")
                for name, each in state.environments.items()
                if each.status is Status.FAILED
            ),
            retried=tuple(
                RetriedEnvironment(name, attempts_of(each))
                for name, each in state.environments.items()
                if attempts_of(each) > 1
            ),
        )
        errors = [each.error for each in state.environments.values() if each.error]
        return record, tuple((each.code, each.message) for each in errors)


def matches(query: RunQuery, record: RunRecord, errors: Sequence[FailedText]) -> bool:
    """Whether a run is among those that are asked for."""
    terms = (
        RunTerm(RunField.TEXT, query.search),
        *([RunTerm(RunField.STATUS, query.status)] if query.status else []),
        *query.terms,
    )
    since = query.since is None or record.submitted >= query.since
    named = not query.environment or any(fnmatchcase(name, query.environment) for name in record.environments)
    return since and named and all(holds(each, record, errors) is not each.negated for each in terms)


def holds(term: RunTerm, record: RunRecord, errors: Sequence[FailedText]) -> bool:
    """Whether a run is as a term says, its negation apart."""
    match term.field:
        case RunField.TEXT:
            texts = (record.plan, *record.environments, *(f"{code}: {message}" for code, message in errors))
            if term.is_regex:
                return any(re.search(term.value, each, re.IGNORECASE) for each in texts)
            return any(term.value.lower() in each.lower() for each in texts)
        case RunField.ENVIRONMENT:
            return any(is_named(name, term.value) for name in record.environments)
        case RunField.PLAN:
            return is_named(record.plan, term.value)
        case RunField.STATUS:
            return term.value == (record.outcome or "running")
        case RunField.CODE:
            return any(code and is_named(code, term.value) for code, _ in errors)


def is_named(name: str, pattern: str) -> bool:
    """Whether a name is as the pattern says; `*` stands for anything, case is ignored."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), name, re.IGNORECASE | re.DOTALL) is not None


def attempts_of(environment: EnvironmentState) -> int:
    """The largest number of attempts at one stage, at least 1."""
    return max(1, *(each.attempts for each in environment.stages))


def next_completed(states: Mapping[int, RunState], environment: str, after: int) -> int:
    """The next run in which an environment completed, 0: there is none."""
    for run in sorted(run for run in states if run > after):
        state = states[run].environments.get(environment)
        if state is not None and state.status is Status.COMPLETED:
            return run
    return 0


class MemoryRunControl:
    """Port RunControl for the runs of a MemoryEventLog."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self._asked: dict[int, frozenset[str]] = {}

    def request_cancel(self, run: int, environments: Sequence[str] = ()) -> bool:
        """Ask a run to cancel; False: nobody runs it."""
        if run not in self._log.alive:
            return False
        asked = self.cancel_requested(run)
        everything = not environments or asked == frozenset()
        self._asked[run] = frozenset() if everything else frozenset(environments) | (asked or frozenset())
        return True

    def cancel_requested(self, run: int) -> frozenset[str] | None:
        """Names asked for so far (empty: everything); None: nothing was asked."""
        return self._asked.get(run) if run in self._log.alive else None


class MemoryReadinessLog:
    """Port ReadinessLog in memory."""

    def __init__(self) -> None:
        self._marks: dict[str, list[ReadyMark]] = defaultdict(list)

    def mark(self, mark: ReadyMark) -> None:
        """Keep a mark."""
        self._marks[mark.environment].append(mark)

    def latest(self, environment: str) -> ReadyMark | None:
        """The newest mark of an environment."""
        return next(reversed(self._marks[environment]), None)

    def changes(self, environment: str, most: int) -> tuple[ReadyMark, ...]:
        """See `ReadinessLog.changes`."""
        found: list[ReadyMark] = []
        for mark in self._marks[environment]:
            if not found or found[-1].ready != mark.ready:
                found.append(replace(mark, manifest=()))
        return tuple(reversed(found))[:most]


class MemoryScanLog:
    """Port ScanLog in memory."""

    def __init__(self) -> None:
        self._scans: dict[tuple[str, str], Scan] = {}

    def add(self, scan: Scan) -> None:
        """Keep a scan."""
        self._scans[scan.environment, scan.scanner] = scan

    def latest(self, environment: str, scanner: str) -> Scan | None:
        """The newest scan of an environment by a scanner."""
        return self._scans.get((environment, scanner))


class MemoryOutputStore:
    """Port OutputStore in memory, without a cap."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._stored: dict[tuple[int, str, Channel], bytearray] = {}

    def append(self, run: int, environment: str, data: bytes, channel: Channel = Channel.OUTPUT) -> int:
        """Keep bytes and return their offset."""
        with self._lock:
            stored = self._stored.setdefault((run, environment, channel), bytearray())
            stored += data
            return len(stored) - len(data)

    def read(
        self, run: int, environment: str, offset: int = 0, length: int = -1, channel: Channel = Channel.OUTPUT
    ) -> bytes:
        """Kept bytes of a range; empty if there are none."""
        with self._lock:
            stored = bytes(self._stored.get((run, environment, channel), b""))
        return stored[offset:] if length < 0 else stored[offset : offset + length]

    def chunks(
        self, run: int, environment: str = "", stage: Stage | None = None, channel: Channel = Channel.OUTPUT
    ) -> Iterator[OutputChunk]:
        """Kept output, environment by environment, in the order in which it came."""
        events = sorted(self._log.events(run), key=lambda each: (each.environment, each.seq))
        for event in events:
            if environment not in {"", event.environment} or stage not in {None, event.stage}:
                continue
            if isinstance(event.body, OutputAppended) and event.body.channel is channel:
                data = self.read(run, event.environment, event.body.offset, event.body.length, channel)
                yield OutputChunk(run, event.environment, event.stage, event.body.offset, data)
