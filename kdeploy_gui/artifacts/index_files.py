"""The store's documents: one JSON file per version (`index/NAME/VERSION.json`) and per run (`runs/RUN.json`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from kdeploy_gui.model.event import to_json
from kdeploy_gui.model.stored import ArtifactVersion, RunFiles, Shelf, is_digest, is_safe_path

FORMAT = 1
Document = TypeVar("Document", ArtifactVersion, RunFiles)


def version_path(folder: Path, name: str, version: str) -> Path:
    """The document of a version."""
    return folder / "index" / name / f"{version}.json"


def run_path(folder: Path, run: int) -> Path:
    """The document of a run."""
    return folder / "runs" / f"{run}.json"


def document(value: ArtifactVersion | RunFiles) -> bytes:
    """A version or a run as its document."""
    fields = to_json(value)
    return json.dumps({"format": FORMAT, **(fields if isinstance(fields, dict) else {})}, indent=1).encode("ascii")


def read_version(path: Path) -> ArtifactVersion:
    """The version in a document. Raises OSError, and ValueError where it holds none."""
    version = _read(path, _version())
    if (version.name, f"{version.version}.json") != (path.parent.name, path.name):
        raise ValueError(f"it is about {version.ref}")
    if not all(is_safe_path(each.path) and is_digest(each.sha256) for each in version.files):
        raise ValueError("a file in it has no proper path or SHA-256")
    return version


def read_run(path: Path) -> RunFiles:
    """The run in a document. Raises OSError, and ValueError where it holds none."""
    run = _read(path, _run())
    if f"{run.run}.json" != path.name:
        raise ValueError(f"it is about run {run.run}")
    if not all(is_digest(each.sha256) for each in run.files):
        raise ValueError("a file in it has no proper SHA-256")
    return run


def read_shelf(folder: Path, *, runs: bool = True) -> Shelf:
    """All documents of a store, or those of versions alone; versions by name, the newest first. Raises OSError."""
    problems: list[str] = []
    versions = list(_all((folder / "index").glob("*/*.json"), read_version, problems))
    kept = list(_all((folder / "runs").glob("*.json"), read_run, problems)) if runs else []
    versions.sort(key=lambda each: each.added, reverse=True)
    versions.sort(key=lambda each: each.name)
    kept.sort(key=lambda each: each.run)
    return Shelf(tuple(versions), tuple(kept), tuple(problems))


def _all(paths: Iterable[Path], read: Callable[[Path], Document], problems: list[str]) -> Iterator[Document]:
    for path in sorted(paths):
        try:
            yield read(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {error}")


@cache
def _version() -> TypeAdapter[ArtifactVersion]:
    return TypeAdapter(ArtifactVersion)


@cache
def _run() -> TypeAdapter[RunFiles]:
    return TypeAdapter(RunFiles)


def _read(path: Path, adapter: TypeAdapter[Document]) -> Document:
    try:
        found = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
        raise ValueError(f"no document of this program, which writes format {FORMAT}")
    try:
        value: Document = adapter.validate_json(json.dumps(found))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return value
