"""A guest's snapshot around a run: taken before its first change, gone back to by a rollback, pruned."""

from __future__ import annotations

import asyncio
import re

from kdeploy_gui.engine.context import Context
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.event import FactFound, RollbackDone, StageProgress
from kdeploy_gui.model.guest import GuestState

AUTO = "auto"
LEFT_ALONE = frozenset({GuestState.OFF, GuestState.PAUSED, GuestState.FROZEN})
"""A guest that somebody put there on purpose, or that cannot be talked to, is not brought back."""
_NAME = re.compile(r"kd-([0-9]+)")


def snapshot_name(run: int) -> str:
    """The snapshot that a run takes."""
    return f"kd-{run}"


async def take(context: Context) -> None:
    """Keep the guest as it is before this run changes it, once. Where that is impossible, the run goes on and says so.

    As many snapshots of runs stay as versions of files do (`keep_versions`).
    """
    environment, guests = context.environment, context.ports.guests
    if context.snapshot is not None or not environment.is_guest or environment.snapshot != AUTO:
        return
    name = snapshot_name(context.run)
    context.emit(StageProgress(0, 0, "", f"taking the snapshot {name}"))
    try:
        await guests.take_snapshot(environment, name)
        context.snapshot = name
        context.emit(FactFound("snapshot", name))
        await _prune(context, max(1, context.plan.policy.keep_versions))
    except GuestError as error:
        context.snapshot = context.snapshot or ""
        context.emit(FactFound("warning_snapshot", error.message))


async def _prune(context: Context, keep: int) -> None:
    environment, guests = context.environment, context.ports.guests
    for name in _of_runs(await guests.snapshots(environment))[:-keep]:
        await guests.drop_snapshot(environment, name)


async def go_back(context: Context, run: int) -> bool:
    """Bring the guest back to what it was before a run; False: there is no snapshot that would do no harm.

    That is one of the newest run that took one, of a guest that runs or crashed. Raises GuestError.
    """
    environment, guests = context.environment, context.ports.guests
    if not environment.is_guest:
        return False
    name = snapshot_name(run)
    try:
        kept = _of_runs(await guests.snapshots(environment))
        status = await guests.status(environment)
    except GuestError as error:
        context.emit(FactFound("warning_snapshot", error.message))
        return False
    if kept[-1:] != [name] or status.state in LEFT_ALONE or not await _is_ours(context, run, name):
        return False
    await context.disconnect()
    await context.drop_mark(f"run {context.run} takes back what run {run} did")
    context.emit(StageProgress(0, 0, "", f"going back to the snapshot {name}"))
    await guests.revert(environment, name)
    context.emit(RollbackDone(run, snapshot=name))
    await guests.drop_snapshot(environment, name)
    return True


def _of_runs(names: tuple[str, ...]) -> list[str]:
    """Those that runs took, oldest first: runs of another workstation may have other numbers."""
    return [each for each in names if _NAME.fullmatch(each)]


async def _is_ours(context: Context, run: int, name: str) -> bool:
    """Whether that run took it: there may be one of the same name that a run of another workstation took."""
    if run == context.run:
        return context.snapshot == name
    events = await asyncio.to_thread(context.ports.log.events, run)
    taken = FactFound("snapshot", name)
    return any(each.body == taken and each.environment == context.environment.name for each in events)
