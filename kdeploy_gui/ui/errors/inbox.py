"""The store behind the error inbox: what needs somebody, what is being tried again, what was muted or solved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.model.event import RetryScheduled
from kdeploy_gui.model.history import FailureRecord
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ui.errors.causes import Cause, Sorted, sort_out
from kdeploy_gui.ui.session import Session

LOOK_BACK = timedelta(days=30)
SOLVED_SHOWN = timedelta(days=7)
SETTLE_MS = 200
MUTED = "errors/muted"


@dataclass(frozen=True, slots=True)
class Retrying:
    """An environment that is about to be tried again by itself."""

    run: int
    environment: str
    attempt: int
    scheduled: RetryScheduled


class ErrorInbox(QObject):
    """Failures of the last 30 days, sorted out; read again when a run changes something about them."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._records: list[FailureRecord] = []
        self._seen: set[tuple[int, str]] = set()
        self.loaded = False
        self.by_environment = False
        self.sorted = Sorted()
        self._settle = QTimer(self, interval=SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self.reload)
        session.runs.changed.connect(self._run_changed)
        session.runs.ended.connect(self._settle.start)
        self.reload()

    @property
    def muted_keys(self) -> frozenset[str]:
        """Causes the user does not want to hear about."""
        stored = self._session.settings.value(MUTED, [])
        return frozenset(stored if isinstance(stored, list) else [str(stored)])

    @property
    def open(self) -> tuple[Cause, ...]:
        """What needs somebody."""
        muted = self.muted_keys
        return tuple(each for each in self.sorted.open if each.key not in muted)

    @property
    def muted(self) -> tuple[Cause, ...]:
        """What would need somebody if it were not muted."""
        muted = self.muted_keys
        return tuple(each for each in self.sorted.open if each.key in muted)

    @property
    def solved(self) -> tuple[Cause, ...]:
        """What completed since, in the last seven days."""
        since = datetime.now(UTC) - SOLVED_SHOWN
        return tuple(each for each in self.sorted.solved if (each.newest.solved or each.newest.time) >= since)

    @property
    def open_count(self) -> int:
        """How many causes need somebody."""
        return len(self.open)

    def retrying(self) -> tuple[Retrying, ...]:
        """What is tried again by itself now."""
        found: list[Retrying] = []
        for run in self._session.runs.active:
            state = self._session.runs.state(run)
            for each in state.environments.values() if state is not None else ():
                if each.retry is not None:
                    attempt = max((stage.attempts for stage in each.stages), default=1)
                    found.append(Retrying(run, each.name, attempt, each.retry))
        return tuple(found)

    def group_by_environment(self, wanted: bool) -> None:
        """One entry per environment and cause, or per cause."""
        self.by_environment = wanted
        self._sort()

    def mute(self, cause: Cause, muted: bool = True) -> None:
        """Hear no more of a cause, or hear of it again."""
        keys = self.muted_keys - {cause.key} | ({cause.key} if muted else set())
        self._session.settings.setValue(MUTED, sorted(keys))
        self.changed.emit()

    def reload(self) -> None:
        """Read the failures again."""
        self._session.bridge.spawn(self._load(), name="read failures")

    async def _load(self) -> None:
        since = datetime.now(UTC) - LOOK_BACK
        self._records = await self._session.bridge.ask(lambda: self._session.services.history.failures(since))
        self.loaded = True
        self._sort()

    def _sort(self) -> None:
        self.sorted = sort_out(self._records, by_environment=self.by_environment)
        self.changed.emit()

    def _run_changed(self, run: int, names: frozenset[str]) -> None:
        state = self._session.runs.state(run)
        if state is None:
            return
        changed = [state.environments[name] for name in names & state.environments.keys()]
        ended = {(run, each.name) for each in changed if each.status in {Status.FAILED, Status.COMPLETED}}
        if ended - self._seen:
            self._seen |= ended
            self._settle.start()
        if any(each.retry is not None for each in changed):
            self.changed.emit()
