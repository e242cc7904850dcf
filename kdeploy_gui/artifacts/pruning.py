"""What of a store may go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from kdeploy_gui.model.stored import ArtifactVersion, PruneRule, Pruning, RunFiles, Shelf, VersionRef

CLOCK_STEP = timedelta(minutes=1)
"""By how much this workstation's clock may be set back while a run begins."""


def prunable(
    shelf: Shelf, rule: PruneRule, history: Mapping[int, datetime], now: datetime, sizes: Mapping[str, int]
) -> Pruning:
    """Versions that the rule gives up and no version that stays needs, runs that `history` does not have, and the
    objects (`sizes` in bytes) that nothing needs then.

    `history` says when each run was submitted.
    """
    kept = _kept(shelf, rule, now)
    runs = tuple(each for each in shelf.runs if is_of(each, history.get(each.run)))
    left = Shelf(tuple(kept.values()), runs)
    needed = left.needs()
    objects = tuple(sha256 for sha256 in sizes if sha256 not in needed)
    return Pruning(
        tuple(each.ref for each in shelf.versions if each.ref not in kept),
        tuple(each.run for each in shelf.runs if each not in runs),
        objects,
        sum(sizes[sha256] for sha256 in objects),
    )


def is_of(files: RunFiles, submitted: datetime | None) -> bool:
    """Whether files belong to the run of their number that the history has, and not to one of an older history."""
    return submitted is not None and files.time >= submitted - CLOCK_STEP


def _kept(shelf: Shelf, rule: PruneRule, now: datetime) -> dict[VersionRef, ArtifactVersion]:
    waiting = [each for each in shelf.versions if not _is_given_up(shelf, each, rule, now)]
    kept: dict[VersionRef, ArtifactVersion] = {}
    while waiting:
        version = waiting.pop()
        if version.ref not in kept:
            kept[version.ref] = version
            needed = (shelf.find(ref) for ref in version.depends)
            waiting.extend(each for each in needed if each is not None)
    return kept


def _is_given_up(shelf: Shelf, version: ArtifactVersion, rule: PruneRule, now: datetime) -> bool:
    if rule.keep is None and rule.older is None:
        return False
    if any(shelf.find(ref) == version for ref in rule.spared):
        return False
    keep = 1 if rule.keep is None else rule.keep
    if version in shelf.named(version.name)[:keep]:
        return False
    return rule.older is None or version.added < now - timedelta(days=rule.older)
