"""Plans on their way: what the wizard keeps until they are deployed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kdeploy_gui.model.plan import PlanDraft
from kdeploy_gui.model.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An unfinished plan. `folder` is what its sources are relative to, `step` the page it was left on.

    `plan_file` is the file it came from or was saved to, `previous_text` that file's text then, whose comments survive
    a save. `origin` says in words where it came from ("run 118"). `saved` is in UTC.
    """

    id: str
    draft: PlanDraft
    folder: Path
    saved: datetime
    plan_file: Path | None = None
    previous_text: str = ""
    origin: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class DraftList:
    """Stored drafts, the one saved last first; `problems` name files that are kept but cannot be read."""

    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
