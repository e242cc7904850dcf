"""The files of past runs: which bytes went where, and the same bytes again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kdeploy_gui.artifacts.pruning import is_of
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.artifacts.stored_content import StoredContent
from kdeploy_gui.errors import ArtifactError, LocalError
from kdeploy_gui.model.event import Event, FileDone
from kdeploy_gui.model.plan import PlannedFile, SourceFile
from kdeploy_gui.model.stored import DeployedFile, DeployedSet, KeptFile, RunArtifacts, RunFiles


def files_of(store: ArtifactStore, run: int, events: Sequence[Event]) -> RunFiles:
    """What a run was to deploy. Raises LocalError E-RUN-UNKNOWN, E-RUN-NOT-KEPT, E-STORE-INDEX."""
    if not events:
        raise LocalError("E-RUN-UNKNOWN", f"there is no run {run}", run=str(run))
    files = store.files_of(run)
    if files is None or not is_of(files, events[0].time):
        message = f"the store has no files of run {run}: it had none, or ended before they were read"
        raise LocalError("E-RUN-NOT-KEPT", message, run=str(run))
    return files


def artifacts_of(files: RunFiles, events: Sequence[Event]) -> RunArtifacts:
    """Which environments hold which files since this run; those with the same files together."""
    done: dict[str, dict[str, str]] = {name: {} for name in _names(events)}
    for event in events:
        if isinstance(event.body, FileDone):
            done[event.environment][event.body.path] = event.body.sha256
    sets: dict[tuple[DeployedFile, ...], list[str]] = {}
    for name, paths in done.items():
        sets.setdefault(tuple(_deployed(each) for each in files.files if _is_there(each, paths)), []).append(name)
    without = sets.pop((), [])
    return RunArtifacts(
        files.run, tuple(DeployedSet(tuple(names), each) for each, names in sets.items()), tuple(without)
    )


def same_again(store: ArtifactStore, files: RunFiles) -> tuple[PlannedFile, ...]:
    """The files of a run with the bytes that it deployed.

    Raises LocalError: E-STORE-DAMAGED where the store no longer has them, E-RUN-NOT-KEPT where they were sensitive and
    their source is no longer what it was.
    """
    content = StoredContent(store)
    planned: list[PlannedFile] = []
    for each in files.files:
        path = each.source if each.sensitive else str(store.objects.path(each.sha256))
        source = SourceFile(path, each.relative, each.size)
        if each.sensitive:
            _check_source(content, source, each, files.run)
        elif not store.objects.has(each.sha256, each.size):
            store.check(each.sha256)
        planned.append(
            PlannedFile(
                source=source,
                target=each.target,
                type=each.type,
                mode=each.mode,
                owner=each.owner,
                sensitive=each.sensitive,
                artifact=each.artifact,
                link=each.link,
            )
        )
    return tuple(planned)


def _check_source(content: StoredContent, source: SourceFile, file: KeptFile, run: int) -> None:
    try:
        found = content.digest(source)
        why = "has other content now"
    except ArtifactError as error:
        found, why = "", f"cannot be used: {error.message}"
    if found != file.sha256:
        message = f"{file.relative} is sensitive, so its content was not kept, and its source {why}"
        raise LocalError("E-RUN-NOT-KEPT", message, path=file.source, run=str(run))


def _names(events: Iterable[Event]) -> list[str]:
    return list(dict.fromkeys(event.environment for event in events if event.environment))


def _deployed(file: KeptFile) -> DeployedFile:
    return DeployedFile(file.target, file.sha256, file.mode, file.size, not file.sensitive)


def _is_there(file: KeptFile, done: Mapping[str, str]) -> bool:
    if not file.target.startswith("~/"):
        return done.get(file.target) == file.sha256
    return any(path.endswith(file.target[1:]) and sha256 == file.sha256 for path, sha256 in done.items())
