"""The artifact store: named versions and the files of runs, over contents by their SHA-256.

- `objects/ab/abcd...`: contents
- `index/NAME/VERSION.json`: versions
- `runs/RUN.json`: what a run deployed
- `incoming/`: what is being written
- `lock`, `index.lock`: held shared by those who add, alone by the one who removes

A document is written after the objects it names and removed before them, so that the store is whole whenever a program
ends. Sources are copied, never linked: a link would change with the file it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.dependencies import with_dependencies
from kdeploy_gui.artifacts.index_files import document, read_run, read_shelf, read_version, run_path, version_path
from kdeploy_gui.artifacts.objects import ObjectDamaged, Objects, Staged, Staging
from kdeploy_gui.artifacts.pruning import prunable
from kdeploy_gui.artifacts.store_lock import StoreLock, store_errors, sync_folder
from kdeploy_gui.errors import ArtifactError, Cancelled, ContentChanged, LocalError
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.stored import (
    Added,
    ArtifactVersion,
    Damage,
    KeptFile,
    PruneRule,
    Pruning,
    RunFiles,
    Shelf,
    StoredFile,
    Verification,
    VersionRef,
    shown,
)
from kdeploy_gui.ports import Content

TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A local file that becomes part of a version, and its `path` there."""

    source: str
    path: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be added; an empty `version`: the next number."""

    name: str
    version: str = ""
    type: ArtifactType
    files: tuple[NewFile, ...]
    depends: tuple[VersionRef, ...] = ()
    by: str = ""


class ArtifactStore:
    """One store; verbs block, and any thread or process of this user may call them. All raise LocalError E-STORE-*."""

    def __init__(self, folder: Path, content: Content | None = None) -> None:
        self.folder = folder
        self.objects = Objects(folder)
        self._content = content or LocalContent()
        self._lock = StoreLock(folder / "lock")
        self._index_lock = StoreLock(folder / "index.lock")

    def shelf(self) -> Shelf:
        """Everything the documents say."""
        with store_errors(self.folder):
            return read_shelf(self.folder)

    def versions(self) -> Shelf:
        """What the documents say of versions."""
        with store_errors(self.folder):
            return read_shelf(self.folder, runs=False)

    def files_of(self, run: int) -> RunFiles | None:
        """What a run deployed; None where that was not stored. Raises LocalError E-STORE-INDEX."""
        with self._document(run_path(self.folder, run)) as path:
            return read_run(path) if path.exists() else None

    def add(self, new: NewVersion, now: datetime) -> Added:
        """Store a version. The same again changes nothing.

        Raises ArtifactError: E-VERSION-TAKEN where other content has that version, E-ARTIFACT-UNKNOWN and
        E-ARTIFACT-CYCLE for what it depends on, E-SOURCE-* for a file that cannot be read.
        """
        with self._adding() as staging:
            staged = [staging.take(self._content.read(each.source)) for each in new.files]
            files = tuple(
                sorted(
                    StoredFile(each.path, held.sha256, each.mode, held.size)
                    for each, held in zip(new.files, staged, strict=True)
                )
            )
            with self._index_lock.exclusive():
                return self._add(new, files, staged, staging, now)

    def _add(
        self, new: NewVersion, files: tuple[StoredFile, ...], staged: Sequence[Staged], staging: Staging, now: datetime
    ) -> Added:
        shelf = read_shelf(self.folder, runs=False)
        older = shelf.named(new.name)
        version = ArtifactVersion(
            name=new.name,
            version=new.version or _next(older),
            type=new.type,
            files=files,
            depends=new.depends,
            added=max([now, *(each.added + TICK for each in older[:1])]),
            by=new.by,
        )
        same = self._same(new, version, older)
        if same is None:
            with_dependencies(replace(shelf, versions=(version, *shelf.versions)), version)
        lacking = {each.sha256: each for each in staged if not self.objects.is_good(each.sha256)}
        staging.commit(lacking.values())
        if same is None:
            staging.write(version_path(self.folder, version.name, version.version), document(version))
        size = sum(each.size for each in lacking.values())
        return Added(same or version, same is None, len(lacking), size)

    def _same(
        self, new: NewVersion, version: ArtifactVersion, older: Sequence[ArtifactVersion]
    ) -> ArtifactVersion | None:
        """What is there already: under this version, or without one named as the newest."""
        if not new.version:
            return next((each for each in older[:1] if each.is_same(version)), None)
        path = version_path(self.folder, version.name, version.version)
        with self._document(path):
            there = read_version(path) if path.exists() else None
        if there is not None and not there.is_same(version):
            message = f"{version.ref} is in the store with other {_difference(there, version)}: a version never changes"
            raise ArtifactError("E-VERSION-TAKEN", message, name=version.name)
        return there

    def keep(self, files: RunFiles, stop: Callable[[], bool] = lambda: False) -> None:
        """Port `KeptFiles`."""
        with self._adding() as staging:
            staged: dict[str, Staged] = {}
            for each in files.files:
                if not (each.sensitive or each.sha256 in staged or self.objects.is_good(each.sha256, stop)):
                    staged[each.sha256] = self._taken(staging, each, stop)
            staging.commit(staged.values())
            staging.write(run_path(self.folder, files.run), document(files))

    def _taken(self, staging: Staging, file: KeptFile, stop: Callable[[], bool]) -> Staged:
        staged = staging.take(_until(stop, self._content.read(file.source), file.source))
        if staged.sha256 != file.sha256:
            message = f"{file.source} changed while it was being stored"
            raise ContentChanged("E-HASH", message, path=file.source)
        return staged

    def read(self, sha256: str) -> Iterator[bytes]:
        """An object's bytes; a damaged one is never handed out whole. Raises LocalError E-STORE-DAMAGED."""
        try:
            yield from self.objects.read(sha256)
        except ObjectDamaged as damaged:
            raise self._damaged(damaged) from damaged

    def check(self, sha256: str, stop: Callable[[], bool] = lambda: False) -> int:
        """Read an object to its end and return its size. Raises LocalError E-STORE-DAMAGED, Cancelled."""
        try:
            return self.objects.check(sha256, stop)
        except ObjectDamaged as damaged:
            raise self._damaged(damaged) from damaged

    def verify(self, name: str = "") -> Verification:
        """Read every byte of an artifact, or of the whole store. Raises ArtifactError E-ARTIFACT-UNKNOWN."""
        with store_errors(self.folder), self._lock.shared(self.objects.sweep):
            shelf = read_shelf(self.folder)
            needs = shelf.needs()
            there = dict.fromkeys(self.objects.all())
            wanted = {file.sha256: None for each in shelf.named(name) for file in each.files} if name else needs | there
            damaged: list[Damage] = []
            size = 0
            for sha256 in wanted:
                try:
                    size += self.objects.check(sha256)
                except ObjectDamaged as found:
                    damaged.append(Damage(sha256, found.what, tuple(needs.get(sha256, ()))))
            unused = 0 if name else len(there.keys() - needs.keys())
            return Verification(len(wanted), size, tuple(damaged), shelf.problems, unused)

    def prune(
        self, rule: PruneRule, history: Callable[[], Mapping[int, datetime]], now: datetime, *, preview: bool = False
    ) -> Pruning:
        """Remove what nothing needs, or with `preview` only say what would go; `history`: its runs, and since when.

        Raises LocalError E-STORE-INDEX where a document cannot be read: nobody knows what it needs.
        """
        with store_errors(self.folder), self._lock.shared() if preview else self._lock.exclusive():
            shelf = read_shelf(self.folder)
            if shelf.problems:
                raise self._unreadable(shelf.problems[0])
            pruning = prunable(shelf, rule, history(), now, self._sizes())
            if not preview:
                self._remove(pruning)
            return pruning

    def _sizes(self) -> dict[str, int]:
        return {sha256: self.objects.path(sha256).stat().st_size for sha256 in self.objects.all()}

    def _remove(self, pruning: Pruning) -> None:
        self.objects.sweep()
        paths = [version_path(self.folder, each.name, each.version) for each in pruning.versions]
        paths += [run_path(self.folder, run) for run in pruning.runs]
        for path in paths:
            path.unlink()
        for folder in {path.parent for path in paths}:
            sync_folder(folder)
        self.objects.remove(pruning.objects)

    @contextmanager
    def _adding(self) -> Iterator[Staging]:
        with (
            store_errors(self.folder),
            self._lock.shared(self.objects.sweep),
            self.objects.staging() as staging,
        ):
            yield staging

    @contextmanager
    def _document(self, path: Path) -> Iterator[Path]:
        try:
            with store_errors(path):
                yield path
        except ValueError as error:
            raise self._unreadable(f"{path}: {error}") from error

    def _unreadable(self, problem: str) -> LocalError:
        message = f"a document of the artifact store cannot be read: {problem}"
        return LocalError("E-STORE-INDEX", message, path=problem.partition(": ")[0])

    def _damaged(self, damaged: ObjectDamaged) -> LocalError:
        needed = shown(self.shelf().needs().get(damaged.sha256, ()))
        message = f"the stored object {damaged.sha256} is {damaged.what}; {needed} needs it"
        return LocalError("E-STORE-DAMAGED", message, path=str(self.objects.path(damaged.sha256)))


def _next(older: Sequence[ArtifactVersion]) -> str:
    """The next number after the highest of the versions that are numbers."""
    return str(max((int(each.version) for each in older if each.version.isdecimal()), default=0) + 1)


def _difference(there: ArtifactVersion, new: ArtifactVersion) -> str:
    if [(each.path, each.sha256) for each in there.files] != [(each.path, each.sha256) for each in new.files]:
        return "files"
    if there.files != new.files:
        return "modes"
    return "type" if there.type != new.type else "dependencies"


def _until(stop: Callable[[], bool], chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    for chunk in chunks:
        if stop():
            raise Cancelled("E-CANCELLED", f"{path} was not read to its end", path=path)
        yield chunk
