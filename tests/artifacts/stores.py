"""Stores for tests: versions of small files, and what must hold of every store at any time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kdeploy_gui.artifacts.store import ArtifactStore, NewFile, NewVersion
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.stored import Added, KeptFile, RunFiles, VersionRef

START = datetime(2026, 1, 1, tzinfo=UTC)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source(folder: Path, data: bytes) -> str:
    """A local file with these bytes."""
    folder.mkdir(exist_ok=True)
    file = folder / digest(data)
    file.write_bytes(data)
    return str(file)


def new(
    folder: Path, name: str, files: dict[str, bytes], version: str = "", depends: tuple[str, ...] = ()
) -> NewVersion:
    return NewVersion(
        name=name,
        version=version,
        type=ArtifactType.DATA,
        files=tuple(NewFile(source(folder, data), path, 0o644) for path, data in files.items()),
        depends=tuple(map(VersionRef.parse, depends)),
        by="me@here",
    )


def add(store: ArtifactStore, name: str, files: dict[str, bytes], version: str = "", *depends: str) -> Added:
    return store.add(new(store.folder.parent / "sources", name, files, version, depends), START)


def run_files(folder: Path, run: int, files: dict[str, bytes], sensitive: bool = False) -> RunFiles:
    """What a run deployed an hour after it was submitted."""
    kept = (
        KeptFile(
            target=f"/opt/{path}",
            sha256=digest(data),
            mode=0o644,
            size=len(data),
            type=ArtifactType.DATA,
            sensitive=sensitive,
            source=source(folder, data),
            relative=path,
        )
        for path, data in files.items()
    )
    return RunFiles(run, "plan", START + timedelta(hours=1), tuple(kept))


def check_whole(store: ArtifactStore) -> None:
    """Every document can be read, every object they name is there and whole, nothing is open to others."""
    shelf = store.shelf()
    assert shelf.problems == ()
    for sha256 in shelf.needs():
        assert store.objects.check(sha256) == store.objects.path(sha256).stat().st_size
    for each in store.folder.rglob("*"):
        assert each.stat().st_mode & 0o777 == (0o700 if each.is_dir() else 0o600), each
