"""Drafts of plans that survive the end of the program."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from kdeploy_gui.documents.draft_file import read_draft, write_draft
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.draft import Draft, DraftList
from kdeploy_gui.model.plan import PlanDraft
from kdeploy_gui.model.problem import Problem

FOLDER_MODE = 0o700


class Drafts:
    """The drafts of one home, a file each; every verb blocks briefly and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(
        self,
        draft: PlanDraft,
        folder: Path,
        *,
        plan_file: Path | None = None,
        previous_text: str = "",
        origin: str = "",
        step: int = 0,
    ) -> Draft:
        """A draft of its own, not stored yet."""
        return Draft(
            id=secrets.token_hex(6),
            draft=draft,
            folder=folder,
            saved=datetime.now(UTC),
            plan_file=plan_file,
            previous_text=previous_text,
            origin=origin,
            step=step,
        )

    def save(self, draft: Draft) -> Draft:
        """Store a draft durably and return it with the time. Raises LocalError."""
        stored = replace(draft, saved=datetime.now(UTC))
        path = self._path(draft.id)
        try:
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            write_draft(path, stored)
        except OSError as error:
            raise LocalError("E-WRITE", f"{path} cannot be written: {error.strerror}", path=str(path)) from error
        return stored

    def all(self) -> DraftList:
        """Every stored draft, the one saved last first; files that cannot be read are kept and named."""
        drafts: list[Draft] = []
        problems: list[Problem] = []
        for path in sorted(self._folder.glob("[!.]*.json")):
            try:
                drafts.append(read_draft(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                problems.append(Problem(f"the draft cannot be read: {error}", file=str(path)))
        drafts.sort(key=lambda each: each.saved, reverse=True)
        return DraftList(tuple(drafts), tuple(problems))

    def get(self, name: str) -> Draft:
        """The stored draft of that id. Raises LocalError where there is none or it cannot be read."""
        path = self._path(name)
        try:
            return read_draft(path)
        except FileNotFoundError as error:
            raise LocalError("E-DRAFT-UNKNOWN", f"there is no draft {name} any more", path=str(path)) from error
        except (OSError, ValueError) as error:
            raise LocalError("E-DRAFT", f"the draft in {path} cannot be read: {error}", path=str(path)) from error

    def remove(self, name: str) -> None:
        """Forget a draft; it may have gone already. Raises LocalError."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LocalError("E-WRITE", f"{path} cannot be removed: {error.strerror}", path=str(path)) from error

    def _path(self, name: str) -> Path:
        if not name.isalnum():
            raise LocalError("E-DRAFT-UNKNOWN", f"'{name}' is no draft", path=str(self._folder))
        return self._folder / f"{name}.json"
