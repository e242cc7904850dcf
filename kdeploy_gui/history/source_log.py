"""What semantic patches found, append-only, and which of it is the baseline."""

from __future__ import annotations

from kdeploy_gui.history.codec import damage_named, encodable, from_text, time_to_text, to_text
from kdeploy_gui.history.database import HistoryDatabase
from kdeploy_gui.model.source_check import Mode, PatchResult


class SqliteSourceLog:
    """Port SourceLog on the history file."""

    def __init__(self, database: HistoryDatabase) -> None:
        self._database = database

    def add(self, result: PatchResult, *, baseline: bool) -> None:
        """See `SourceLog.add`."""
        place = (encodable(result.source), result.mode.value, encodable(result.patch))
        row = (*place, time_to_text(result.time), baseline, to_text(result))
        with self._database.writing() as db:
            db.execute(ADD, row)

    def baseline(self, source: str, mode: Mode, patch: str) -> PatchResult | None:
        """See `SourceLog.baseline`."""
        with self._database.reading() as db:
            row: tuple[str] | None = db.execute(BASELINE, (encodable(source), mode.value, encodable(patch))).fetchone()
        if row is None:
            return None
        with damage_named(f"the baseline of {patch} for {source}", self._database.path):
            return from_text(PatchResult, row[0])


class MemorySourceLog:
    """Port SourceLog in memory."""

    def __init__(self) -> None:
        self._baselines: dict[tuple[str, Mode, str], PatchResult] = {}

    def add(self, result: PatchResult, *, baseline: bool) -> None:
        """See `SourceLog.add`."""
        if baseline:
            self._baselines[result.source, result.mode, result.patch] = result

    def baseline(self, source: str, mode: Mode, patch: str) -> PatchResult | None:
        """See `SourceLog.baseline`."""
        return self._baselines.get((source, mode, patch))


ADD = "INSERT INTO source_checks (source, mode, patch, time, baseline, result) VALUES (?, ?, ?, ?, ?, ?)"
BASELINE = (
    "SELECT result FROM source_checks WHERE source = ? AND mode = ? AND patch = ? AND baseline = 1"
    " ORDER BY number DESC LIMIT 1"
)
