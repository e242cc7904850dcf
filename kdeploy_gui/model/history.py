"""What a history can be asked, and what it answers about runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kdeploy_gui.model.stage import Outcome, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs: those with this environment, outcome (`running` too), since when, with this text; newest first.

    `before` is the run number to go on from (exclusive, 0: from the newest), `limit` how many at most.
    """

    environment: str = ""
    status: str = ""
    since: datetime | None = None
    search: str = ""
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run in a list; `outcome` None: it goes on."""

    run: int
    plan: str
    submitted: datetime
    finished: datetime | None
    outcome: Outcome | None
    environments: tuple[str, ...]
    ready: int


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Stored output of one environment in one stage."""

    run: int
    environment: str
    stage: Stage | None
    offset: int
    data: bytes
