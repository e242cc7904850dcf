"""What front ends do with the artifact store."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from kdeploy_gui.app.packaging import Package, pack, unpack
from kdeploy_gui.app.plans import Plans
from kdeploy_gui.app.run_files import artifacts_of, files_of, same_again
from kdeploy_gui.artifacts.dependencies import wanted
from kdeploy_gui.artifacts.sources import list_sources
from kdeploy_gui.artifacts.store import ArtifactStore, NewFile, NewVersion
from kdeploy_gui.artifacts.stored_content import StoredContent
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.plan import Artifact, ArtifactType, ListedFile, PlannedFile
from kdeploy_gui.model.stored import (
    NAME,
    VERSION,
    Added,
    ArtifactVersion,
    PruneRule,
    Pruning,
    RunArtifacts,
    Shelf,
    Verification,
    VersionRef,
    is_safe_path,
)
from kdeploy_gui.ports import EventLog

PAGE = 1000
"""Runs read from the history at once."""
EXECUTABLE, PLAIN = 0o755, 0o644


class Artifacts:
    """The artifact store of one home; every verb blocks and may be called from any thread. All raise LocalError."""

    def __init__(self, store: ArtifactStore, history: EventLog, plans: Plans) -> None:
        self._store = store
        self._history = history
        self._plans = plans

    def add(
        self,
        name: str,
        paths: Sequence[str],
        *,
        version: str = "",
        type: ArtifactType = ArtifactType.DATA,
        mode: int | None = None,
        depends: Sequence[str] = (),
    ) -> Added:
        """Store files, and what is below folders, as a version; without `version` as the next number unless the newest
        is the same. Without `mode` what is executable gets 0755 and all else 0644.

        Raises ArtifactError: E-ARTIFACT-NAME, E-ARTIFACT-FILES, E-VERSION-TAKEN, E-ARTIFACT-UNKNOWN, E-ARTIFACT-CYCLE.
        """
        _check_name(name, version)
        needed = tuple(dict.fromkeys(map(parse_ref, depends)))
        files = tuple(
            NewFile(each.source.path, each.name, _mode(each, type) if mode is None else mode) for each in _listed(paths)
        )
        new = NewVersion(name=name, version=version, type=type, files=files, depends=needed, by=_me())
        return self._store.add(new, datetime.now(UTC))

    def all(self) -> Shelf:
        """All versions, by name and the newest first, and the documents that cannot be read."""
        return self._store.versions()

    def versions(self, name: str) -> tuple[ArtifactVersion, ...]:
        """The versions of an artifact, the newest first. Raises ArtifactError E-ARTIFACT-UNKNOWN."""
        shelf = self._store.versions()
        wanted(shelf, VersionRef(name))
        return shelf.named(name)

    def verify(self, name: str = "") -> Verification:
        """Read every byte of an artifact or of the whole store. Raises ArtifactError E-ARTIFACT-UNKNOWN."""
        if name:
            self.versions(name)
        return self._store.verify(name)

    def prune(self, rule: PruneRule, *, preview: bool = False) -> Pruning:
        """Remove what nothing needs, or say what would go. Raises LocalError E-STORE-INDEX, ArtifactError."""
        shelf = self._store.versions()
        for ref in rule.spared:
            wanted(shelf, ref)
        return self._store.prune(rule, self._submitted, datetime.now(UTC), preview=preview)

    def of(self, run: int) -> RunArtifacts:
        """What a run deployed, by environments with the same files.

        Raises LocalError E-RUN-UNKNOWN, E-RUN-NOT-KEPT.
        """
        events = self._history.events(run)
        return artifacts_of(files_of(self._store, run, events), events)

    def files_of(self, run: int) -> tuple[PlannedFile, ...]:
        """The files of a run with the very bytes it deployed.

        Raises LocalError E-RUN-UNKNOWN, E-RUN-NOT-KEPT, E-STORE-DAMAGED.
        """
        return same_again(self._store, files_of(self._store, run, self._history.events(run)))

    def pack(self, plan_file: Path, archive: Path) -> Package:
        """Write a plan with all its files as one portable archive; the same content gives the same bytes.

        Raises PlanError E-PLAN, ArtifactError E-PACK-SENSITIVE, E-SOURCE-*, E-HASH, and LocalError E-WRITE.
        """
        return pack(self._plans, StoredContent(self._store), plan_file, archive)

    def unpack(self, archive: Path, folder: Path) -> Package:
        """Put what an archive holds in the place of a folder that is empty or missing, all of it or nothing.

        Raises ArtifactError E-ARCHIVE for one that is not as `pack` makes them, LocalError E-UNPACK-THERE, E-WRITE.
        """
        return unpack(archive, folder)

    def _submitted(self) -> dict[int, datetime]:
        """When each run of the history was submitted."""
        found: dict[int, datetime] = {}
        before = 0
        while page := self._history.runs(RunQuery(before=before, limit=PAGE)):
            found |= {each.run: each.submitted for each in page}
            before = page[-1].run
        return found


def parse_ref(text: str) -> VersionRef:
    """`NAME` or `NAME@VERSION`. Raises ArtifactError E-ARTIFACT-NAME."""
    try:
        return VersionRef.parse(text)
    except ValueError as error:
        raise ArtifactError("E-ARTIFACT-NAME", f"'{text}' names no artifact: {error}") from error


def _check_name(name: str, version: str) -> None:
    if not NAME.fullmatch(name):
        raise ArtifactError("E-ARTIFACT-NAME", f"'{name}' cannot be the name of an artifact")
    if version and not VERSION.fullmatch(version):
        raise ArtifactError("E-ARTIFACT-NAME", f"'{version}' cannot be the version of an artifact")


def _listed(paths: Sequence[str]) -> list[ListedFile]:
    """The files that paths stand for. Raises ArtifactError E-ARTIFACT-FILES with all that is wrong with them."""
    asked = [Artifact(source=os.path.abspath(each), type=None, target="/", mode=None) for each in paths]
    listed = list_sources(asked, Path.cwd())
    mistakes = [each.message for each in listed.problems]
    found: dict[str, ListedFile] = {}
    for listing in listed.listings.values():
        for each in listing.files:
            first = found.setdefault(each.name, each)
            if first.source.path != each.source.path:
                mistakes.append(f"'{first.source.relative}' and '{each.source.relative}' would both be '{each.name}'")
            if not is_safe_path(each.name):
                mistakes.append(f"'{each.source.relative}' has a name that cannot be stored")
    if mistakes:
        raise ArtifactError("E-ARTIFACT-FILES", "; ".join(mistakes))
    return list(found.values())


def _mode(file: ListedFile, type: ArtifactType) -> int:
    if type in {ArtifactType.SCRIPT, ArtifactType.BINARY} or os.access(file.source.path, os.X_OK):
        return EXECUTABLE
    return PLAIN


def _me() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
