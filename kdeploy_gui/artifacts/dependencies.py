"""What an artifact needs besides its own files. Pure."""

from __future__ import annotations

from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.problem import did_you_mean
from kdeploy_gui.model.stored import ArtifactVersion, Shelf, VersionRef


def wanted(shelf: Shelf, ref: VersionRef, needed_by: str = "") -> ArtifactVersion:
    """The version that a reference means. Raises ArtifactError E-ARTIFACT-UNKNOWN with the nearest name."""
    found = shelf.find(ref)
    if found is not None:
        return found
    versions = [each.version for each in shelf.named(ref.name)]
    if versions:
        what = f"the store has no version {ref.version} of {ref.name}"
        near = did_you_mean(ref.version, versions) or f"; the newest is {versions[0]}"
    else:
        what = f"the store has no artifact {ref.name}"
        near = did_you_mean(ref.name, sorted({each.name for each in shelf.versions}))
    why = f", which {needed_by} needs" if needed_by else ""
    raise ArtifactError("E-ARTIFACT-UNKNOWN", f"{what}{why}{near}", name=ref.name)


def with_dependencies(shelf: Shelf, version: ArtifactVersion) -> tuple[ArtifactVersion, ...]:
    """A version after all that it needs, each once.

    Raises ArtifactError: E-ARTIFACT-UNKNOWN for a missing one, E-ARTIFACT-CYCLE with the whole way round.
    """
    done: dict[VersionRef, ArtifactVersion] = {}
    way: list[VersionRef] = []
    waiting: list[tuple[ArtifactVersion, bool]] = [(version, False)]
    while waiting:
        each, left = waiting.pop()
        if left:
            way.pop()
            done[each.ref] = each
        elif each.ref in way:
            cycle = [*way[way.index(each.ref) :], each.ref]
            message = f"an artifact needs itself: {' -> '.join(map(str, cycle))}"
            raise ArtifactError("E-ARTIFACT-CYCLE", message, name=each.name)
        elif each.ref not in done:
            way.append(each.ref)
            waiting.append((each, True))
            needed = [wanted(shelf, ref, str(each.ref)) for ref in each.depends]
            waiting.extend((other, False) for other in reversed(needed))
    return tuple(done.values())
