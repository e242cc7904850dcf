"""What scanners found, append-only."""

from __future__ import annotations

from kdeploy_gui.history.codec import damage_named, from_text, time_to_text, to_text
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.model.scan import Scan


class SqliteScanLog:
    """Port ScanLog on the history file."""

    def __init__(self, database: HistoryDatabase) -> None:
        self._database = database

    def add(self, scan: Scan) -> None:
        """Store a scan durably. Raises LocalError."""
        row = (scan.environment, scan.scanner, time_to_text(scan.time), to_text(scan))
        with self._database.writing() as db:
            db.execute("INSERT INTO scans (environment, scanner, time, scan) VALUES (?, ?, ?, ?)", row)

    def latest(self, environment: str, scanner: str) -> Scan | None:
        """The newest scan of an environment by a scanner. Raises LocalError."""
        with self._database.reading() as db:
            row: tuple[str] | None = db.execute(LATEST, (environment, scanner)).fetchone()
        if row is None:
            return None
        with damage_named(f"the last scan of {environment} by {scanner}", self._database.path):
            return from_text(Scan, row[0])


LATEST = "SELECT scan FROM scans WHERE environment = ? AND scanner = ? ORDER BY number DESC LIMIT 1"
