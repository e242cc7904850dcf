"""Histories that an older kdeploy wrote: brought up to date when they are opened, readable where they must not be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from kdeploy_gui.errors import Category
from kdeploy_gui.history import open_history
from kdeploy_gui.history.codec import event_to_row
from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.history.schema import APPLICATION_ID, migrations
from kdeploy_gui.model.event import EnvironmentFinished, Event, RunFinished, RunSubmitted, StageStarted
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.stage import Outcome, Stage, Status
from tests.strategies import START

LATER = START + timedelta(minutes=1)
STORED = [
    Event(seq=1, time=START, run=1, body=RunSubmitted("smoke", ("board-a", "board-b"))),
    Event(seq=2, time=START, run=1, body=StageStarted(), environment="board-a", stage=Stage.CONNECTING, attempt=1),
    Event(seq=3, time=START, run=1, body=StageStarted(), environment="board-a", stage=Stage.CONNECTING, attempt=2),
    Event(
        seq=4,
        time=LATER,
        run=1,
        body=EnvironmentFinished(Status.FAILED, False, Failure("E-NOSPC", Category.TARGET, "no space")),
        environment="board-a",
    ),
    Event(seq=5, time=LATER, run=1, body=EnvironmentFinished(Status.COMPLETED, True), environment="board-b"),
    Event(seq=6, time=LATER, run=1, body=RunFinished(Outcome.FAILED)),
]


def write_first_format(folder: Path) -> None:
    """A history as the first kdeploy left it."""
    folder.mkdir(mode=0o700)
    path = folder / "kdeploy.db"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        db = Database(connection, execute_plugins=False)
        migrations.apply(db, stop_before="tell_how_environments_ended")
        db.execute(
            "INSERT INTO runs VALUES (1, 'smoke', ?, ?, 'failed')",
            (START.isoformat(timespec="microseconds"), LATER.isoformat(timespec="microseconds")),
        )
        db.execute("INSERT INTO run_environments VALUES (1, 'board-a', 0, 0, 'E-NOSPC: no space')")
        db.execute("INSERT INTO run_environments VALUES (1, 'board-b', 1, 1, '')")
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [event_to_row(each) for each in STORED]
        )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize("read_only", [False, True])
def test_the_first_format_lists_runs_and_failures(folder: Path, read_only: bool) -> None:
    write_first_format(folder)
    before = (folder / "kdeploy.db").read_bytes()
    expected = MemoryEventLog()
    expected.begin("smoke", ["board-a", "board-b"])
    expected.append(STORED)

    with closing(open_history(folder, read_only=read_only)) as history:
        assert history.log.events(1) == STORED
        assert history.log.runs(RunQuery()) == expected.runs(RunQuery())
        assert history.log.failures(START) == expected.failures(START)
        assert history.log.source(1) is None
    assert ((folder / "kdeploy.db").read_bytes() == before) is read_only
