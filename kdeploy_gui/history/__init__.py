"""The history of runs: an append-only event log in SQLite, bulk output in files, one lock file per living run.

- `kdeploy.db`: events, their projection, READY marks, scans, checks of source trees
- `kdeploy.db.lock`: held while a process writes
- `runs/RUN.owner`: held while a process runs the run
- `runs/RUN.cancel`: environments whose cancellation was asked for
- `logs/RUN/ENVIRONMENT.log`: output
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kdeploy_gui.errors import KdeployError
from kdeploy_gui.history.control import CancelRequests, FileRunControl
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.history.event_log import SqliteEventLog
from kdeploy_gui.history.output import OutputFiles
from kdeploy_gui.history.ownership import RunOwners
from kdeploy_gui.history.readiness_log import SqliteReadinessLog
from kdeploy_gui.history.recovery import Remedy
from kdeploy_gui.history.scan_log import SqliteScanLog
from kdeploy_gui.history.source_log import SqliteSourceLog

__all__ = [
    "SQLITE_VERSION",
    "FileRunControl",
    "History",
    "OutputFiles",
    "SqliteEventLog",
    "SqliteReadinessLog",
    "open_history",
]

SQLITE_VERSION = sqlite3.sqlite_version
"""Version of the SQLite library that stores the history."""


@dataclass(frozen=True, slots=True)
class History:
    """The six ports on one data folder."""

    log: SqliteEventLog
    control: FileRunControl
    readiness: SqliteReadinessLog
    output: OutputFiles
    scans: SqliteScanLog
    sources: SqliteSourceLog
    database: HistoryDatabase
    owners: RunOwners

    def close(self) -> None:
        """Free the runs held here and let go of the files. Raises LocalError."""
        self.owners.release_all()
        self.database.close()


def no_remedy(_error: KdeployError, _environment: str) -> str:
    """For callers that have no catalogue of remedies."""
    return ""


def open_history(data_folder: Path, *, read_only: bool = False, remedy: Remedy = no_remedy) -> History:
    """Open or create the history and end the runs whose program died; `remedy` gives their error its remedy.

    With `read_only` nothing on the disk is touched: no folder or file is made, and a run whose program died is still
    shown as going on. Raises LocalError: E-HOME-MODE, E-HISTORY-NEWER, -DAMAGED, -LOCKED, -FULL, -READONLY, -IO.
    """
    database = HistoryDatabase(data_folder, read_only=read_only)
    owners = RunOwners(data_folder / "runs")
    requests = CancelRequests(data_folder / "runs")
    log = SqliteEventLog(database, owners, requests, remedy)
    with ExitStack() as on_failure:
        on_failure.callback(database.close)
        if not read_only:
            log.end_abandoned()
        on_failure.pop_all()
    return History(
        log=log,
        control=FileRunControl(requests, owners, database.lock, data_folder),
        readiness=SqliteReadinessLog(database),
        output=OutputFiles(data_folder / "logs", database),
        scans=SqliteScanLog(database),
        sources=SqliteSourceLog(database),
        database=database,
        owners=owners,
    )
