"""A failure as it is stored, shown and exported."""

from __future__ import annotations

from dataclasses import dataclass, field

from kdeploy_gui.errors import Category, Evidence


@dataclass(frozen=True, slots=True)
class Place:
    """Where something failed; empty strings where it does not apply."""

    environment: str = ""
    stage: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened, where, what is on the target now, what to do, and the evidence."""

    code: str
    category: Category
    message: str
    severity: str = "error"
    where: Place = field(default_factory=Place)
    on_target: str = ""
    remedy: str = ""
    evidence: Evidence = field(default_factory=Evidence)
