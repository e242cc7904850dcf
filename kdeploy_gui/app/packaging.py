"""Plans with their files as portable archives."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from kdeploy_gui.app.plans import Plans, Resolved
from kdeploy_gui.artifacts.archive import PLAN, Packed, unpack_archive, write_archive
from kdeploy_gui.engine import planner
from kdeploy_gui.errors import ArtifactError, LocalError
from kdeploy_gui.model.plan import Artifact, ArtifactType, Dependency, ListedFile
from kdeploy_gui.model.stored import StoredFile
from kdeploy_gui.ports import Content

PERMISSIONS = 0o777
PACKAGE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Package:
    """The files of an archive, the plan among them."""

    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)


@dataclass(frozen=True, slots=True)
class _Part:
    """Files of one artifact that share type and mode, and the folder of the archive they go to."""

    artifact: Artifact
    files: tuple[ListedFile, ...]
    folder: str

    @property
    def source(self) -> str:
        """How the packed plan names them."""
        return f"{self.folder}/" if self.artifact.target.endswith("/") else f"{self.folder}/{self.files[0].name}"


def pack(plans: Plans, content: Content, plan_file: Path, archive: Path) -> Package:
    """See `Artifacts.pack`."""
    resolved = plans.resolved(plan_file)
    for each in resolved.draft.artifacts:
        if each.sensitive:
            message = f"'{each.source}' is sensitive, and an archive holds everything in plain text"
            raise ArtifactError("E-PACK-SENSITIVE", message, path=each.source)
    parts = {index: _parts(index, each, resolved) for index, each in enumerate(resolved.draft.artifacts)}
    dependencies, packages = _with_packages(resolved, content)
    draft = replace(resolved.draft, artifacts=_rewritten(resolved, parts), dependencies=dependencies)
    text = plans.to_toml(draft, resolved.text).encode()
    members = [Packed(StoredFile(PLAN, sha256(text).hexdigest(), 0o644, len(text)), [text])]
    for part in (each for of_one in parts.values() for each in of_one):
        members.extend(_packed(part, each, content) for each in part.files)
    members.extend(packages)
    with _written(archive) as out:
        write_archive(out, members)
    return Package(tuple(sorted(each.file for each in members)))


def _parts(index: int, artifact: Artifact, resolved: Resolved) -> list[_Part]:
    groups: dict[tuple[ArtifactType | None, int | None], list[ListedFile]] = {}
    for file in resolved.listings[index].files:
        mode = artifact.mode if file.mode is None else file.mode
        groups.setdefault((file.type or artifact.type, mode), []).append(file)
    folder = f"files/{index + 1:02d}"
    return [
        _Part(
            replace(artifact, type=type, mode=mode),
            tuple(files),
            folder if len(groups) == 1 else f"{folder}-{number}",
        )
        for number, ((type, mode), files) in enumerate(groups.items(), 1)
    ]


def _with_packages(resolved: Resolved, content: Content) -> tuple[tuple[Dependency, ...], list[Packed]]:
    """The dependencies as the packed plan has them, and their package files."""
    dependencies = list(resolved.draft.dependencies)
    members: list[Packed] = []
    for index, files in resolved.packages.items():
        names: list[str] = []
        for number, source in enumerate(files, 1):
            name = f"packages/{index + 1:02d}-{number}/{Path(source.path).name}"
            digest = content.digest(source, lambda: False)
            members.append(Packed(StoredFile(name, digest, PACKAGE_MODE, source.size), content.read(source.path)))
            names.append(name)
        dependencies[index] = replace(dependencies[index], files=tuple(names))
    return tuple(dependencies), members


def _rewritten(resolved: Resolved, parts: Mapping[int, list[_Part]]) -> tuple[Artifact, ...]:
    """The artifacts as the packed plan has them; what came first still does."""
    first = planner.dependencies(resolved.draft.artifacts, resolved.listings)
    return tuple(
        replace(
            part.artifact,
            source=part.source,
            depends_on=tuple(each.source for other in sorted(first[index]) for each in parts[other]),
        )
        for index, of_one in parts.items()
        for part in of_one
    )


def _packed(part: _Part, file: ListedFile, content: Content) -> Packed:
    digest = content.digest(file.source, lambda: False)
    mode = (part.artifact.mode or 0) & PERMISSIONS
    member = StoredFile(f"{part.folder}/{file.name}", digest, mode, file.source.size)
    return Packed(member, content.read(file.source.path))


def unpack(archive: Path, folder: Path) -> Package:
    """See `Artifacts.unpack`."""
    place = folder.absolute()
    with _local(archive):
        archive.open("rb").close()
    with _local(place):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise LocalError("E-UNPACK-THERE", f"{place} is there and not an empty folder", path=str(place))
        place.parent.mkdir(parents=True, exist_ok=True)
        waiting = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
        try:
            whole = waiting / "whole"
            whole.mkdir()
            files = unpack_archive(archive, whole)
            whole.rename(place)
        finally:
            shutil.rmtree(waiting, ignore_errors=True)
    return Package(files)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when all was written. Raises LocalError E-WRITE."""
    with _local(path):
        waiting = path.absolute().with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with waiting.open("xb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            waiting.replace(path)
        finally:
            waiting.unlink(missing_ok=True)


@contextmanager
def _local(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise LocalError("E-WRITE", f"{where} cannot be used: {error.strerror or error}", path=str(path)) from error
