"""A history that forgets everything with its process: for dry runs and tests. Held to the same contract suite."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from kdeploy_gui.model.event import Event, OutputAppended
from kdeploy_gui.model.history import OutputChunk, RunQuery, RunRecord
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Stage


class MemoryEventLog:
    """Port EventLog in memory; lists are folded from the events each time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: list[tuple[str, tuple[str, ...], datetime]] = []
        self._events: dict[int, list[Event]] = {}
        self.alive: set[int] = set()

    def begin(self, plan: str, environments: Sequence[str]) -> int:
        """Allocate a run number."""
        with self._lock:
            self._begun.append((plan, tuple(environments), datetime.now(UTC)))
            run = len(self._begun)
            self._events[run] = []
            self.alive.add(run)
            return run

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
            numbers = range(len(self._begun), 0, -1)
            chosen = (record for record, errors in map(self._record, numbers) if matches(query, record, errors))
            return [record for record, _ in zip(chosen, range(query.limit), strict=False)]

    def _record(self, run: int) -> tuple[RunRecord, tuple[str, ...]]:
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
        )
        errors = [each.error for each in state.environments.values() if each.error]
        return record, tuple(f"{each.code}: {each.message}" for each in errors)


def matches(query: RunQuery, record: RunRecord, errors: Sequence[str]) -> bool:
    """Whether a run is among those that are asked for."""
    text = query.search.lower()
    return (
        (not query.before or record.run < query.before)
        and (not query.status or query.status == (record.outcome or "running"))
        and (query.since is None or record.submitted >= query.since)
        and (not query.environment or any(fnmatchcase(name, query.environment) for name in record.environments))
        and any(text in each.lower() for each in (record.plan, *record.environments, *errors))
    )


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
        self._marks: dict[str, ReadyMark] = {}

    def mark(self, mark: ReadyMark) -> None:
        """Keep a mark."""
        self._marks[mark.environment] = mark

    def latest(self, environment: str) -> ReadyMark | None:
        """The newest mark of an environment."""
        return self._marks.get(environment)


class MemoryOutputStore:
    """Port OutputStore in memory, without a cap."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._stored: dict[tuple[int, str], bytearray] = {}

    def append(self, run: int, environment: str, data: bytes) -> int:
        """Keep bytes and return their offset."""
        with self._lock:
            stored = self._stored.setdefault((run, environment), bytearray())
            stored += data
            return len(stored) - len(data)

    def read(self, run: int, environment: str, offset: int = 0, length: int = -1) -> bytes:
        """Kept bytes of a range; empty if there are none."""
        with self._lock:
            stored = bytes(self._stored.get((run, environment), b""))
        return stored[offset:] if length < 0 else stored[offset : offset + length]

    def chunks(self, run: int, environment: str = "", stage: Stage | None = None) -> Iterator[OutputChunk]:
        """Kept output, environment by environment, in the order in which it came."""
        events = sorted(self._log.events(run), key=lambda each: (each.environment, each.seq))
        for event in events:
            if environment not in {"", event.environment} or stage not in {None, event.stage}:
                continue
            if isinstance(event.body, OutputAppended):
                data = self.read(run, event.environment, event.body.offset, event.body.length)
                yield OutputChunk(run, event.environment, event.stage, event.body.offset, data)
