"""Script deployment: only what differs is sent, and the set comes into place as a whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kdeploy_gui import defaults
from kdeploy_gui.engine import snapshots
from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.gate import refusals
from kdeploy_gui.engine.gate_places import link_refusal
from kdeploy_gui.errors import KdeployError, NetworkError, PlanError, TargetError
from kdeploy_gui.model.event import FileDone, InstrumentSwitched, RollbackDone
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.files import (
    Batch,
    FileKind,
    FileState,
    ManifestEntry,
    Placement,
    Restored,
    Staged,
    VersionedSet,
    same_owner,
)
from kdeploy_gui.model.versioned import set_behind, set_hash
from kdeploy_gui.ports import Content, Target

UNCHANGED = "Unchanged: nothing was sent."
CHECKING = "checking"
"""What a stage does that has sent everything: hashing, syncing and renaming there may take as long again."""
MIB = 1024 * 1024
_REFUSED = {
    FileKind.SYMLINK: ("E-SYMLINK", "a symbolic link stands where a file shall be"),
    FileKind.FOLDER: ("E-ISDIR", "a folder stands where a file shall be"),
    FileKind.OTHER: ("E-NOTFILE", "something that is no regular file stands where a file shall be"),
}


async def run(context: Context) -> None:
    """Bring the plan's files onto the target, or take back those of the run that it names."""
    if context.plan.takes_back:
        back = await snapshots.go_back(context, context.plan.takes_back) or await _switched_only(context)
        if not back:
            await take_back(context, context.plan.takes_back)
        return
    target = await context.target()
    placements = context.placements()
    refuse_duplicates(placements)
    large = {each.entry.path: each.entry.sha256 for each in placements if each.entry.size >= defaults.RESUME_FROM}
    states = await target.survey(places_of(placements), sweep=True, resume=large)
    batch = await _going_on(context, placements, states)
    if not batch.resume and any(each.staged is not None for each in states.values()):
        await target.survey((), sweep=True)
    changed = {each.entry.path for each in batch.sent} | {each.path for each in _changed_attributes(batch)}
    for placement in placements:
        if placement.entry.path not in changed:
            context.emit(FileDone(placement.entry.path, "same", 0, placement.entry.sha256))
    if not changed and not batch.sets:
        return
    await _refuse(context, target, placements, states, batch)
    await context.drop_mark(f"run {context.run} began to change its files and has not made it READY since")
    await _place(context, target, batch)
    for placement in batch.sent:
        context.emit(FileDone(placement.entry.path, "sent", placement.entry.size, placement.entry.sha256))
    for entry in _changed_attributes(batch):
        context.emit(FileDone(entry.path, "mode", 0, entry.sha256))


async def _switched_only(context: Context) -> bool:
    """Whether the run that is taken back placed no file there, but switched something on."""
    events = await asyncio.to_thread(context.ports.log.events, context.plan.takes_back)
    bodies = [each.body for each in events if each.environment == context.environment.name]
    placed = any(isinstance(each, FileDone) and each.action != "same" for each in bodies)
    return not placed and any(isinstance(each, InstrumentSwitched) for each in bodies)


async def _going_on(context: Context, placements: tuple[Placement, ...], states: Mapping[str, FileState]) -> Batch:
    """The changes, with those files that go on where their transfer was cut short: what is there is what is here."""
    batch = replace(changes(context.run, placements, states), keep=context.plan.policy.keep_versions)
    resume: dict[str, int] = {}
    for each in batch.sent:
        staged = states[each.entry.path].staged
        if staged is not None and await asyncio.to_thread(begins_with, context.ports.content, each.source, staged):
            resume[each.entry.path] = staged.size
    return replace(batch, resume=resume)


def begins_with(content: Content, source: str, staged: Staged) -> bool:
    """Whether a local file begins with the staged bytes. Blocks. Raises ArtifactError."""
    digest = hashlib.sha256()
    left = staged.size
    for chunk in content.read(source):
        digest.update(chunk[:left])
        left -= min(left, len(chunk))
        if not left:
            break
    return not left and digest.hexdigest() == staged.sha256


async def _refuse(
    context: Context,
    target: Target,
    placements: tuple[Placement, ...],
    states: Mapping[str, FileState],
    batch: Batch,
) -> None:
    """Raise what speaks against the changes; then nothing of them stays staged, either."""
    try:
        refuse_all(placements, states)
        came = any(each.name for each in context.plan.dependencies)
        facts = await context.look() if came else context.known
        context.refuse(refusals(context.arrivals(), facts, context.environment.roots, states=states))
    except KdeployError:
        if batch.resume:
            await target.survey((), sweep=True)
        raise


async def _place(context: Context, target: Target, batch: Batch) -> None:
    """Send a batch and tell how far that is; a link that is lost is told with how far it came."""
    step = max(1, batch.size // 20)
    reported = gone = sum(batch.resume.values())
    sizes = {each.entry.path: each.entry.size for each in batch.sent}
    for path, at in batch.resume.items():
        context.progress(reported, batch.size, "bytes", f"{path} resumed at {_part(at, sizes[path])}")

    def progress(sent: int) -> None:
        nonlocal reported, gone
        gone = sent
        if sent - reported >= step or (sent == batch.size and sent > reported):
            reported = sent
            context.progress(sent, batch.size, "bytes", CHECKING if sent == batch.size else "")

    context.placing = True
    try:
        await target.place(batch, progress)
    except NetworkError as error:
        error.message = f"{error.message} ({size(gone)} of {size(batch.size)} had gone out)"
        raise


def _part(done: int, total: int) -> str:
    return f"{done / MIB:.1f} of {total / MIB:.1f} MiB"


async def take_back(context: Context, run: int) -> Restored:
    """Put back what the files of a run replaced. Raises TargetError where that cannot be done; nothing changed then."""
    target = await context.target()
    await target.survey((), sweep=True)
    await context.drop_mark(f"run {context.run} takes back what run {run} placed")
    done = await target.restore(run)
    context.emit(RollbackDone(run, len(done.restored), len(done.removed)))
    return done


def places_of(placements: tuple[Placement, ...]) -> list[str]:
    """Where files shall stand, and the links of their sets."""
    return [*(each.entry.path for each in placements), *links_of(placements)]


def links_of(placements: tuple[Placement, ...]) -> tuple[str, ...]:
    """The links of sets, each once."""
    return tuple(dict.fromkeys(each.link for each in placements if each.link))


def changes(run: int, placements: tuple[Placement, ...], states: Mapping[str, FileState]) -> Batch:
    """What has to be sent, what only needs its mode or owner set, and which sets get a new version. Pure."""
    send, attributes, _ = _sorted([each for each in placements if not each.link], states)
    sets = (_set(link, [each for each in placements if each.link == link], states) for link in links_of(placements))
    return Batch(run, send, attributes, sets=tuple(each for each in sets if each is not None))


def _sorted(
    placements: Sequence[Placement], states: Mapping[str, FileState]
) -> tuple[tuple[Placement, ...], tuple[ManifestEntry, ...], tuple[ManifestEntry, ...]]:
    """Files with other content, with other mode or owner alone, and as they shall be."""
    send: list[Placement] = []
    attributes: list[ManifestEntry] = []
    same: list[ManifestEntry] = []
    for placement in placements:
        state = states[placement.entry.path]
        if state.sha256 != placement.entry.sha256:
            send.append(placement)
        elif not _attributes_match(placement.entry, state):
            attributes.append(placement.entry)
        else:
            same.append(placement.entry)
    return tuple(send), tuple(attributes), tuple(same)


def _set(link: str, placements: Sequence[Placement], states: Mapping[str, FileState]) -> VersionedSet | None:
    """A new version of a set; None where its link leads to just these files."""
    send, copied, linked = _sorted(placements, states)
    stands = set_behind(link, states[link].leads_to)
    if not send and not copied and stands == set_hash(each.entry for each in placements):
        return None
    return VersionedSet(link, send, linked, copied)


def _changed_attributes(batch: Batch) -> tuple[ManifestEntry, ...]:
    return (*batch.attributes, *(entry for each in batch.sets for entry in each.copied))


def _attributes_match(entry: ManifestEntry, state: FileState) -> bool:
    return state.mode == entry.mode and same_owner(entry.owner, state.owner)


def refuse_duplicates(placements: tuple[Placement, ...]) -> None:
    """Raise PlanError where two files of the plan mean one path.

    Targets below `~` and absolute ones may meet; that shows only when the home folder is known.
    """
    for path, times in Counter(each.entry.path for each in placements).items():
        if times > 1:
            raise PlanError("E-TARGET-TWICE", f"{times} files of the plan go to {path}", path=path, on_target=UNCHANGED)
    for link in links_of(placements):
        for each in placements:
            if each.link != link and each.entry.path.startswith(f"{link}/"):
                message = f"{each.entry.path} lies in {link}, which switches as a whole and without it"
                raise PlanError("E-TARGET-TWICE", message, path=each.entry.path, on_target=UNCHANGED)


def refuse_all(placements: tuple[Placement, ...], states: Mapping[str, FileState]) -> None:
    """Raise TargetError where a file or a link cannot be put."""
    for link in links_of(placements):
        found = link_refusal(link, states[link].kind, states[link].leads_to)
        if found is not None:
            raise found
    for each in placements:
        refuse(each, states[each.entry.path])


def refuse(placement: Placement, state: FileState) -> None:
    """Raise TargetError where no file can be put. A set gets a new folder, so that nothing is in its files' way."""
    if state.kind in _REFUSED and not placement.link:
        code, meaning = _REFUSED[state.kind]
        link = f" (to {state.leads_to}, of {state.owner})" if state.leads_to else ""
        raise TargetError(code, f"{meaning}: {state.path}{link}", path=state.path, on_target=UNCHANGED)
