"""READY marks, append-only."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from kdeploy_gui.history.codec import damage_named, from_text, time_to_text, to_text
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.readiness import ReadyMark


class SqliteReadinessLog:
    """Port ReadinessLog on the history file; equal manifests are stored once."""

    def __init__(self, database: HistoryDatabase) -> None:
        self._database = database

    def mark(self, mark: ReadyMark) -> None:
        """Store a mark durably. Raises LocalError."""
        entries = to_text(mark.manifest)
        digest = hashlib.sha256(entries.encode()).hexdigest()
        row = (mark.environment, time_to_text(mark.time), digest, to_text(replace(mark, manifest=())))
        with self._database.writing() as db:
            db.execute("INSERT OR IGNORE INTO manifests VALUES (?, ?)", (digest, entries))
            db.execute("INSERT INTO readiness (environment, time, manifest, mark) VALUES (?, ?, ?, ?)", row)

    def latest(self, environment: str) -> ReadyMark | None:
        """The newest mark of an environment. Raises LocalError."""
        with self._database.reading() as db:
            row: tuple[str, str, str] | None = db.execute(LATEST, (environment,)).fetchone()
        if row is None:
            return None
        time, text, entries = row
        with damage_named(f"the READY mark of {environment}", self._database.path):
            mark = from_text(ReadyMark, text)
            manifest = from_text(tuple[ManifestEntry, ...], entries)
            return replace(mark, manifest=manifest, time=datetime.fromisoformat(time))

    def changes(self, environment: str, most: int) -> tuple[ReadyMark, ...]:
        """See `ReadinessLog.changes`. Raises LocalError."""
        with self._database.reading() as db:
            rows: list[tuple[str, str]] = db.execute(CHANGES, (environment, most)).fetchall()
        with damage_named(f"the READY marks of {environment}", self._database.path):
            return tuple(replace(from_text(ReadyMark, text), time=datetime.fromisoformat(time)) for time, text in rows)


LATEST = """
    SELECT time, mark, entries FROM readiness JOIN manifests ON manifests.digest = readiness.manifest
    WHERE environment = ? ORDER BY number DESC LIMIT 1
"""
CHANGES = """
    SELECT time, mark FROM (
        SELECT number, time, mark, json_extract(mark, '$.ready') AS ready,
            lag(json_extract(mark, '$.ready')) OVER (ORDER BY number) AS before
        FROM readiness WHERE environment = ?
    ) WHERE before IS NULL OR before != ready ORDER BY number DESC LIMIT ?
"""
