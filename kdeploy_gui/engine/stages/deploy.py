"""Script deployment: only what differs is sent, and the set comes into place as a whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.gate import refusals
from kdeploy_gui.errors import NetworkError, PlanError, TargetError
from kdeploy_gui.model.event import FileDone, RollbackDone
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.files import Batch, FileKind, FileState, ManifestEntry, Placement, Restored, same_owner
from kdeploy_gui.ports import Target

UNCHANGED = "Unchanged: nothing was sent."
_REFUSED = {
    FileKind.SYMLINK: ("E-SYMLINK", "a symbolic link stands where a file shall be"),
    FileKind.FOLDER: ("E-ISDIR", "a folder stands where a file shall be"),
    FileKind.OTHER: ("E-NOTFILE", "something that is no regular file stands where a file shall be"),
}


async def run(context: Context) -> None:
    """Bring the plan's files onto the target, or take back those of the run that it names."""
    if context.plan.takes_back:
        await take_back(context, context.plan.takes_back)
        return
    target = await context.target()
    placements = context.placements()
    refuse_duplicates(placements)
    states = await target.survey([each.entry.path for each in placements], sweep=True)
    for state in states.values():
        refuse(state)
    batch = replace(changes(context.run, placements, states), keep=context.plan.policy.keep_versions)
    changed = {each.entry.path for each in batch.send} | {each.path for each in batch.attributes}
    for placement in placements:
        if placement.entry.path not in changed:
            context.emit(FileDone(placement.entry.path, "same", 0, placement.entry.sha256))
    if not changed:
        return
    facts = await context.look()
    context.refuse(refusals(context.arrivals(), facts, context.environment.roots, states=states))
    await context.drop_mark(f"run {context.run} began to change its files and has not made it READY since")
    await _place(context, target, batch)
    for placement in batch.send:
        context.emit(FileDone(placement.entry.path, "sent", placement.entry.size, placement.entry.sha256))
    for entry in batch.attributes:
        context.emit(FileDone(entry.path, "mode", 0, entry.sha256))


async def _place(context: Context, target: Target, batch: Batch) -> None:
    """Send a batch and tell how far that is; a link that is lost is told with how far it came."""
    step = max(1, batch.size // 20)
    reported = gone = 0

    def progress(sent: int) -> None:
        nonlocal reported, gone
        gone = sent
        if sent - reported >= step or sent == batch.size:
            reported = sent
            context.progress(sent, batch.size, "bytes")

    context.placing = True
    try:
        await target.place(batch, progress)
    except NetworkError as error:
        error.message = f"{error.message} ({size(gone)} of {size(batch.size)} had gone out)"
        raise


async def take_back(context: Context, run: int) -> Restored:
    """Put back what the files of a run replaced. Raises TargetError where that cannot be done; nothing changed then."""
    target = await context.target()
    await target.survey((), sweep=True)
    await context.drop_mark(f"run {context.run} takes back what run {run} placed")
    done = await target.restore(run)
    context.emit(RollbackDone(run, len(done.restored), len(done.removed)))
    return done


def changes(run: int, placements: tuple[Placement, ...], states: Mapping[str, FileState]) -> Batch:
    """What has to be sent, and what only needs its mode or owner set. Pure."""
    send: list[Placement] = []
    attributes: list[ManifestEntry] = []
    for placement in placements:
        state = states[placement.entry.path]
        if state.sha256 != placement.entry.sha256:
            send.append(placement)
        elif not _attributes_match(placement.entry, state):
            attributes.append(placement.entry)
    return Batch(run, tuple(send), tuple(attributes))


def _attributes_match(entry: ManifestEntry, state: FileState) -> bool:
    return state.mode == entry.mode and same_owner(entry.owner, state.owner)


def refuse_duplicates(placements: tuple[Placement, ...]) -> None:
    """Raise PlanError where two files of the plan mean one path.

    Targets below `~` and absolute ones may meet; that shows only when the home folder is known.
    """
    for path, times in Counter(each.entry.path for each in placements).items():
        if times > 1:
            raise PlanError("E-TARGET-TWICE", f"{times} files of the plan go to {path}", path=path, on_target=UNCHANGED)


def refuse(state: FileState) -> None:
    """Raise TargetError where no file can be put."""
    if state.kind in _REFUSED:
        code, meaning = _REFUSED[state.kind]
        link = f" (to {state.leads_to}, of {state.owner})" if state.leads_to else ""
        raise TargetError(code, f"{meaning}: {state.path}{link}", path=state.path, on_target=UNCHANGED)
