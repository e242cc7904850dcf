"""The append-only log of events, and the projection of runs that goes with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from kdeploy_gui.history.codec import (
    EventRow,
    damage_named,
    encodable,
    event_from_row,
    event_to_row,
    from_text,
    time_to_text,
    to_text,
)
from kdeploy_gui.history.control import CancelRequests
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.history.failures import translated
from kdeploy_gui.history.ownership import RunOwners
from kdeploy_gui.history.recovery import Remedy, ending_events
from kdeploy_gui.history.run_list import (
    FAILURES,
    STAGE_SECONDS,
    FailureRow,
    RunRow,
    count_sql,
    failure_records,
    run_record,
    runs_sql,
)
from kdeploy_gui.model.event import (
    EnvironmentFinished,
    Event,
    ReadinessChanged,
    RunFinished,
    RunSubmitted,
    StageStarted,
)
from kdeploy_gui.model.history import FailureRecord, RunCount, RunQuery, RunRecord, StageTime, stage_times
from kdeploy_gui.model.plan import PlanSource
from kdeploy_gui.model.stage import Stage


class SqliteEventLog:
    """Port EventLog on the history file."""

    def __init__(self, database: HistoryDatabase, owners: RunOwners, requests: CancelRequests, remedy: Remedy) -> None:
        self._database = database
        self._owners = owners
        self._requests = requests
        self._remedy = remedy

    def begin(self, plan: str, environments: Sequence[str], source: PlanSource | None = None) -> int:
        """Allocate a run number and hold it; keep what it was planned from. Raises LocalError."""
        with ExitStack() as undo:
            with self._database.writing() as db:
                run = insert_run(db, plan, environments, source)
                # The lock comes before the commit: nobody ever sees the row of a living run with its lock free.
                self._requests.forget(run)
                self._owners.hold(run)
                undo.callback(self._owners.release, run)
            undo.pop_all()
        return run

    def source(self, run: int) -> PlanSource | None:
        """What a run was planned from. Raises LocalError."""
        with self._database.reading() as db:
            row: tuple[str, str] | None = db.execute(PLAN, (run,)).fetchone()
        if row is None:
            return None
        with damage_named(f"the plan of run {run}", self._database.path):
            return PlanSource(row[0], Path(from_text(str, row[1])))

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
            rows: list[RunRow] = db.execute(*runs_sql(query)).fetchall()
        return [run_record(row) for row in rows]

    def count(self, query: RunQuery) -> RunCount:
        """How many runs match, whatever the page, of how many. Raises LocalError."""
        with self._database.reading() as db:
            return RunCount(*db.execute(*count_sql(query)).fetchone())

    def failures(self, since: datetime, limit: int = 1000) -> list[FailureRecord]:
        """Environments that failed or were interrupted since a moment, newest first. Raises LocalError."""
        with self._database.reading() as db:
            parameters = {"since": time_to_text(since), "limit": limit}
            rows: list[FailureRow] = db.execute(FAILURES, parameters).fetchall()
        return list(failure_records(rows, self._database.path))

    def stage_times(self, runs: Sequence[int]) -> tuple[StageTime, ...]:
        """How long stages took in these runs, as far as they have ended. Raises LocalError."""
        with self._database.reading() as db:
            rows: list[tuple[str, float]] = db.execute(STAGE_SECONDS, {"runs": json.dumps(list(runs))}).fetchall()
        return stage_times((Stage(stage), seconds) for stage, seconds in rows)

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


def insert_run(db: Database, plan: str, environments: Sequence[str], source: PlanSource | None) -> int:
    """A new row of `runs` with its environments and its plan."""
    now = time_to_text(datetime.now(UTC))
    run = db.execute("INSERT INTO runs (plan, submitted) VALUES (?, ?)", (encodable(plan), now)).lastrowid
    db.conn.executemany(
        "INSERT INTO run_environments (run, environment, position) VALUES (?, ?, ?)",
        [(run, name, position) for position, name in enumerate(environments)],
    )
    if source is not None:  # the folder as JSON: its name may hold bytes that are not UTF-8
        db.execute("INSERT INTO run_plans VALUES (?, ?, ?)", (run, source.text, to_text(str(source.folder))))
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
        case StageStarted() if event.attempt > 1:
            db.execute(
                "UPDATE run_environments SET attempts = max(attempts, ?) WHERE run = ? AND environment = ?",
                (event.attempt, event.run, event.environment),
            )
        case EnvironmentFinished(status, ready, error):
            text = encodable(f"{error.code}: {error.message}") if error else ""
            code = encodable(error.code) if error else ""
            db.execute(
                "UPDATE run_environments SET ready = ?, error = ?, status = ?, code = ?, ended = ?"
                " WHERE run = ? AND environment = ?",
                (ready, text, status.value, code, moment, event.run, event.environment),
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


PLAN = "SELECT text, folder FROM run_plans WHERE run = ?"
UNFINISHED = """
    SELECT run, plan, submitted,
        (SELECT json_group_array(environment) FROM
            (SELECT environment FROM run_environments WHERE run = runs.run ORDER BY position))
    FROM runs WHERE outcome IS NULL ORDER BY run
"""
