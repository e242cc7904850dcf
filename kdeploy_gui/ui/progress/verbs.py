"""What can be done with a run: cancel it, retry what failed, roll it back.

Each asks with exactly what happens, where anything does.
"""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy_gui.model.run import EnvironmentState, RunState
from kdeploy_gui.model.stage import Stage, Status
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.progress.rows import RETRYABLE
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition, condition_of
from kdeploy_gui.ui.unlocking import unlock


async def cancel(session: Session, run: RunState, names: Sequence[str] = ()) -> None:
    """Cancel a run, or these environments of it, if the user wants what that does."""
    chosen = [each for each in run.environments.values() if not names or each.name in names]
    going = [each for each in chosen if not each.status.is_final]
    question = Question(
        title=f"Cancel {environments(len(going))} of run {run.run}" if names else f"Cancel run {run.run}",
        text="What is at work stops, what waits never starts. On the machines every file is the old or the new one;"
        " the locks are freed. Environments that have ended stay as they are.",
        details=[f"{visible(each.name)}: {_stops_in(each)}" for each in going],
        accept=f"Cancel {environments(len(going))}" if names else "Cancel run",
        reject="Keep it running",
        danger=True,
    )
    if await session.asking.confirm(question):
        wanted = tuple(each.name for each in going) if names else ()
        await session.bridge.ask(lambda: session.services.cancel(run.run, wanted))


async def retry(session: Session, run: RunState, names: Sequence[str] = ()) -> None:
    """Submit a new run of the same plan for what failed, or for these environments, and show it."""
    chosen = tuple(name for name in retryable(run) if not names or name in names)
    question = Question(
        title=f"Retry what failed in run {run.run}",
        text=f"A new run deploys the same plan to {environments(len(chosen))}. Unchanged files are not sent again.",
        details=[f"{visible(name)}: {_why(run.environments[name])}" for name in chosen],
        accept=f"Retry {environments(len(chosen))}",
    )
    if await session.asking.confirm(question):
        await unlock(session, chosen)
        number = await session.bridge.ask(lambda: session.services.retry(run.run, chosen))
        session.navigator.fleet(number)


async def validate(session: Session, run: RunState, names: Sequence[str]) -> None:
    """Submit a new run that makes the readiness checks of a run again in these environments, and show it.

    It changes nothing on the machines, so nobody is asked.
    """
    chosen = tuple(name for name in validatable(run) if name in names)
    await unlock(session, chosen)
    number = await session.bridge.ask(lambda: session.services.validate(run.run, chosen))
    session.navigator.fleet(number)


async def roll_back(session: Session, run: RunState, names: Sequence[str] = ()) -> None:
    """Submit a new run that takes back what a run placed, everywhere or in these environments, and show it."""
    chosen = tuple(name for name in changed(run) if not names or name in names)
    question = Question(
        title=f"Roll back run {run.run}",
        text=f"A new run puts back the version before in {environments(len(chosen))}. Files that somebody has changed"
        " since are left as they are and named.",
        details=[f"{visible(name)}: {files(run.environments[name].files.sent)} of run {run.run}" for name in chosen],
        accept=f"Roll back {environments(len(chosen))}",
        danger=True,
    )
    if await session.asking.confirm(question):
        await unlock(session, chosen)
        number = await session.bridge.ask(lambda: session.services.rollback(run.run, chosen))
        session.navigator.fleet(number)


def retryable(run: RunState) -> tuple[str, ...]:
    """Environments that ended without what was wanted."""
    return tuple(
        each.name
        for each in run.environments.values()
        if each.status in RETRYABLE or condition_of(each) is Condition.NOT_READY
    )


def validatable(run: RunState) -> tuple[str, ...]:
    """Environments whose readiness checks can be made again."""
    return tuple(each.name for each in run.environments.values() if each.can_validate and not run.takes_back)


def changed(run: RunState) -> tuple[str, ...]:
    """Environments in which a run placed files."""
    return tuple(each.name for each in run.environments.values() if each.files.sent)


def files(count: int) -> str:
    """`1 file`, `3 files`."""
    return f"{count} {'file' if count == 1 else 'files'}"


def environments(count: int) -> str:
    """`1 environment`, `3 environments`."""
    return f"{count} {'environment' if count == 1 else 'environments'}"


def _stops_in(state: EnvironmentState) -> str:
    if state.status is Status.PENDING:
        return "has not started"
    return f"stops in {Stage(state.status.value).label}"


def _why(state: EnvironmentState) -> str:
    return visible(state.error.message if state.error else state.readiness or condition_of(state).word.lower())
