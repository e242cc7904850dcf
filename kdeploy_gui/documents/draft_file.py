"""Drafts as files: one JSON file each, for this program only."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kdeploy_gui.documents.whole_file import write_whole
from kdeploy_gui.model.draft import Draft
from kdeploy_gui.model.event import to_json
from kdeploy_gui.model.plan import PlanDraft

FILE_MODE = 0o600


class DraftFile(BaseModel):
    """What a file holds; a draft need not be finished or right."""

    model_config = ConfigDict(extra="ignore")

    draft: PlanDraft
    folder: str
    saved: datetime
    plan_file: str = ""
    previous_text: str = ""
    origin: str = ""
    step: int = 0


def write_draft(path: Path, draft: Draft) -> None:
    """Store a draft, durably and for this user only. Raises OSError."""
    values = {
        "draft": to_json(draft.draft),
        "folder": str(draft.folder),
        "saved": draft.saved.astimezone(UTC).isoformat(),
        "plan_file": str(draft.plan_file or ""),
        "previous_text": draft.previous_text,
        "origin": draft.origin,
        "step": draft.step,
    }
    write_whole(path, json.dumps(values, indent=1).encode("ascii"), FILE_MODE)


def read_draft(path: Path) -> Draft:
    """The draft in a file, called as the file is. Raises OSError, and ValueError where it holds no draft."""
    try:
        found = DraftFile.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if found.saved.tzinfo is None:
        raise ValueError("saved: has no time zone")
    return Draft(
        id=path.stem,
        draft=found.draft,
        folder=Path(found.folder),
        saved=found.saved,
        plan_file=Path(found.plan_file) if found.plan_file else None,
        previous_text=found.previous_text,
        origin=found.origin,
        step=found.step,
    )
