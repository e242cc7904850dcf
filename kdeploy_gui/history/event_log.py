"""The append-only log of events, and the projection of runs that goes with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from kdeploy_gui.history.codec import EventRow, encodable, event_from_row, event_to_row, time_to_text
from kdeploy_gui.history.control import CancelRequests
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.history.failures import translated
from kdeploy_gui.history.ownership import RunOwners
from kdeploy_gui.history.recovery import Remedy, ending_events
from kdeploy_gui.model.event import EnvironmentFinished, Event, ReadinessChanged, RunFinished, RunSubmitted
from kdeploy_gui.model.history import RunQuery, RunRecord
from kdeploy_gui.model.stage import Outcome

RunRow = tuple[int, str, str, str | None, str | None, str, int]


class SqliteEventLog:
    """Port EventLog on the history file."""

    def __init__(self, database: HistoryDatabase, owners: RunOwners, requests: CancelRequests, remedy: Remedy) -> None:
        self._database = database
        self._owners = owners
        self._requests = requests
        self._remedy = remedy

    def begin(self, plan: str, environments: Sequence[str]) -> int:
        """Allocate a run number and hold it. Raises LocalError."""
        with ExitStack() as undo:
            with self._database.writing() as db:
                run = insert_run(db, plan, environments)
                # The lock comes before the commit: nobody ever sees the row of a living run with its lock free.
                self._requests.forget(run)
                self._owners.hold(run)
                undo.callback(self._owners.release, run)
            undo.pop_all()
        return run

    def append(self, events: Sequence[Event]) -> None:
        """Store events and bring the projection along, all or none. Raises LocalError."""
        if events:
            with self._database.writing() as db:
                store(db, events)

    def release(self, run: int) -> None:
        """This process has finished the run. Raises LocalError."""
        with translated(self._database.path):
            if self._owners.release(run):
                self._requests.forget(run)

    def events(self, run: int, after: int = 0) -> list[Event]:
        """Stored events of a run with a sequence number above `after`. Raises LocalError."""
        with self._database.reading() as db:
            return load(db, self._database.path, run, after)

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs, newest first. The environment may be a glob; the text is sought in plans, names and errors."""
        with self._database.reading() as db:
            rows: list[RunRow] = db.execute(RUNS, query_parameters(query)).fetchall()
        return [run_record(row) for row in rows]

    def end_abandoned(self) -> None:
        """Append to every run whose process died the events that end it as interrupted. Raises LocalError."""
        with self._database.writing() as db:
            unfinished: list[tuple[int, str, str, str]] = db.execute(UNFINISHED).fetchall()
            for run, plan, submitted, environments in unfinished:
                if not self._owners.is_held(run):
                    stored = load(db, self._database.path, run)
                    start = [] if stored else [submission(run, plan, submitted, environments)]
                    store(db, [*start, *ending_events([*stored, *start], self._remedy)])
                    self._owners.discard(run)
                    self._requests.forget(run)


def insert_run(db: Database, plan: str, environments: Sequence[str]) -> int:
    """A new row of `runs` with its environments."""
    now = time_to_text(datetime.now(UTC))
    run = db.execute("INSERT INTO runs (plan, submitted) VALUES (?, ?)", (encodable(plan), now)).lastrowid
    db.conn.executemany(
        "INSERT INTO run_environments (run, environment, position) VALUES (?, ?, ?)",
        [(run, name, position) for position, name in enumerate(environments)],
    )
    return run or 0


def store(db: Database, events: Sequence[Event]) -> None:
    """Insert events and update the projection; call it inside a transaction."""
    db.conn.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [event_to_row(each) for each in events])
    for event in events:
        project(db, event)


def project(db: Database, event: Event) -> None:
    """Keep `runs` and `run_environments` equal to the fold of the events."""
    moment = time_to_text(event.time)
    match event.body:
        case RunSubmitted(plan):
            db.execute("UPDATE runs SET plan = ?, submitted = ? WHERE run = ?", (encodable(plan), moment, event.run))
        case ReadinessChanged(ready):
            db.execute(
                "UPDATE run_environments SET ready = ? WHERE run = ? AND environment = ?",
                (ready, event.run, event.environment),
            )
        case EnvironmentFinished(_, ready, error):
            text = encodable(f"{error.code}: {error.message}") if error else ""
            db.execute(
                "UPDATE run_environments SET ready = ?, error = ? WHERE run = ? AND environment = ?",
                (ready, text, event.run, event.environment),
            )
        case RunFinished(outcome):
            db.execute("UPDATE runs SET finished = ?, outcome = ? WHERE run = ?", (moment, outcome.value, event.run))
        case _:
            pass


def load(db: Database, path: Path, run: int, after: int = 0) -> list[Event]:
    """Events of a run with a sequence number above `after`, in order; errors name the file `path`."""
    sql = (
        "SELECT run, seq, time, environment, stage, attempt, type, body FROM events"
        " WHERE run = ? AND seq > ? ORDER BY seq"
    )
    rows: list[EventRow] = db.execute(sql, (run, after)).fetchall()
    return [event_from_row(row, path) for row in rows]


def submission(run: int, plan: str, submitted: str, environments: str) -> Event:
    """The first event of a run whose process died before it could store one."""
    body = RunSubmitted(plan, tuple(json.loads(environments)))
    return Event(seq=1, time=datetime.fromisoformat(submitted), run=run, body=body)


UNFINISHED = """
    SELECT run, plan, submitted,
        (SELECT json_group_array(environment) FROM
            (SELECT environment FROM run_environments WHERE run = runs.run ORDER BY position))
    FROM runs WHERE outcome IS NULL ORDER BY run
"""

RUNS = """
    SELECT run, plan, submitted, finished, outcome,
        (SELECT json_group_array(environment) FROM
            (SELECT environment FROM run_environments WHERE run = runs.run ORDER BY position)),
        (SELECT count(*) FROM run_environments WHERE run = runs.run AND ready)
    FROM runs
    WHERE (:before = 0 OR run < :before)
        AND (:status = '' OR coalesce(outcome, 'running') = :status)
        AND (:since = '' OR submitted >= :since)
        AND (:environment = '' OR EXISTS
            (SELECT 1 FROM run_environments WHERE run = runs.run AND environment GLOB :environment))
        AND (:search = '' OR plan LIKE :search ESCAPE '\\' OR EXISTS
            (SELECT 1 FROM run_environments WHERE run = runs.run
                AND (environment LIKE :search ESCAPE '\\' OR error LIKE :search ESCAPE '\\')))
    ORDER BY run DESC LIMIT :limit
"""


def query_parameters(query: RunQuery) -> dict[str, str | int]:
    """The named parameters of RUNS."""
    escaped = encodable(query.search).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "before": query.before,
        "status": query.status,
        "since": time_to_text(query.since) if query.since else "",
        "environment": encodable(query.environment),
        "search": f"%{escaped}%" if escaped else "",
        "limit": query.limit,
    }


def run_record(row: RunRow) -> RunRecord:
    """A row of RUNS."""
    run, plan, submitted, finished, outcome, environments, ready = row
    return RunRecord(
        run=run,
        plan=plan,
        submitted=datetime.fromisoformat(submitted),
        finished=datetime.fromisoformat(finished) if finished else None,
        outcome=Outcome(outcome) if outcome else None,
        environments=tuple(json.loads(environments)),
        ready=ready,
    )
