"""What `store:NAME@VERSION` stands for in a plan: the files of that version, after those of all it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kdeploy_gui.artifacts.dependencies import wanted, with_dependencies
from kdeploy_gui.artifacts.sources import Listed
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.plan import Artifact, ListedFile, Listing, SourceFile
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.stored import PREFIX, ArtifactVersion, Shelf, VersionRef

OWNER_ONLY = 0o700


def is_stored(artifact: Artifact) -> bool:
    """Whether an artifact's source names a stored version."""
    return artifact.source.startswith(PREFIX)


def list_stored(artifacts: Sequence[Artifact], shelf: Shelf, where: Callable[[str], Path]) -> Listed:
    """The listings of all artifacts from the store; `where` says which file holds an object. Others are passed over.

    What a version needs comes to the same target, before its own files and with the type and mode it was stored with;
    but what the plan lists itself, or has there already, comes once.
    """
    chosen: dict[int, ArtifactVersion] = {}
    problems: list[Problem] = []
    for index, artifact in enumerate(artifacts):
        if is_stored(artifact):
            try:
                chosen[index] = wanted(shelf, VersionRef.parse(artifact.source.removeprefix(PREFIX)))
            except (ArtifactError, ValueError) as error:
                message = error.message if isinstance(error, ArtifactError) else str(error)
                problems.append(Problem(message, f"artifacts[{index}].source"))
    listings: dict[int, Listing] = {}
    listed = {each.ref for each in chosen.values()}
    placed: set[tuple[str, VersionRef]] = set()
    for index, version in chosen.items():
        artifact = artifacts[index]
        try:
            needed = with_dependencies(shelf, version)[:-1]
        except ArtifactError as error:
            problems.append(Problem(error.message, f"artifacts[{index}].source"))
            continue
        fresh = [each for each in needed if each.ref not in listed and (artifact.target, each.ref) not in placed]
        placed |= {(artifact.target, each.ref) for each in fresh}
        files = [file for each in fresh for file in _files(each, where, artifact.sensitive)]
        files += [_as_asked(file, artifact) for file in _files(version, where, artifact.sensitive)]
        listings[index] = Listing(tuple(files), _is_tree(version))
    return Listed(listings, tuple(problems))


def in_order(artifacts: Sequence[Artifact], shelf: Shelf) -> tuple[Artifact, ...]:
    """The artifacts, each stored one depending on those of the plan that it needs."""
    sources: dict[VersionRef, str] = {}
    found: dict[int, ArtifactVersion] = {}
    for index, artifact in enumerate(artifacts):
        version = _found(artifact, shelf)
        if version is not None:
            sources.setdefault(version.ref, artifact.source)
            found[index] = version
    ordered = list(artifacts)
    for index, version in found.items():
        needed = (shelf.find(ref) for ref in version.depends)
        before = [sources[each.ref] for each in needed if each is not None and each.ref in sources]
        ordered[index] = replace(ordered[index], depends_on=(*ordered[index].depends_on, *before))
    return tuple(ordered)


def _found(artifact: Artifact, shelf: Shelf) -> ArtifactVersion | None:
    try:
        return shelf.find(VersionRef.parse(artifact.source.removeprefix(PREFIX))) if is_stored(artifact) else None
    except ValueError:
        return None


def _is_tree(version: ArtifactVersion) -> bool:
    return any("/" in each.path for each in version.files)


def _files(version: ArtifactVersion, where: Callable[[str], Path], sensitive: bool) -> list[ListedFile]:
    return [
        ListedFile(
            SourceFile(str(where(each.sha256)), f"{version.ref}/{each.path}", each.size),
            each.path,
            version.type,
            each.mode & OWNER_ONLY if sensitive else each.mode,
        )
        for each in version.files
    ]


def _as_asked(file: ListedFile, artifact: Artifact) -> ListedFile:
    """What the plan says goes before what the store says."""
    return replace(file, type=artifact.type or file.type, mode=file.mode if artifact.mode is None else artifact.mode)
