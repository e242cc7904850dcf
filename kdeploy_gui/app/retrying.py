"""A run again: the stored plan, made again today, for the environments that need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdeploy_gui.app.plans import DeployOptions, Plans
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.model.environment import Lab
from kdeploy_gui.model.plan import Plan, PlannedFile, PlanSource
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ports import EventLog


@dataclass(frozen=True, slots=True)
class Replanned:
    """A plan ready to be submitted, and what it was made from."""

    plan: Plan
    source: PlanSource


def replanned(
    plans: Plans,
    history: EventLog,
    run: int,
    environments: Sequence[str] = (),
    files: tuple[PlannedFile, ...] | None = None,
) -> Replanned:
    """Plan a run again, restricted to the named environments or to those that ended without completing, with `files`
    in the place of today's where they are given.

    Raises LocalError E-RUN-UNKNOWN, E-RETRY-NO-PLAN, E-RETRY-NOTHING, and PlanError E-RETRY-PLAN with all problems.
    """
    state = fold(history.events(run))
    if not state.environments:
        raise LocalError("E-RUN-UNKNOWN", f"there is no run {run}", run=str(run))
    unknown = [name for name in environments if name not in state.environments]
    if unknown:
        raise LocalError("E-RUN-UNKNOWN", f"run {run} has no environment {', '.join(unknown)}", run=str(run))
    names = tuple(environments) or incomplete(state)
    if not names:
        so_far = "" if state.outcome else " so far"
        raise LocalError("E-RETRY-NOTHING", f"nothing failed in run {run}{so_far}", run=str(run))
    return planned_with(plans, history, run, DeployOptions(names, state.priority), files)


def planned_as_run(
    plans: Plans, history: EventLog, run: int, options: DeployOptions, files: tuple[PlannedFile, ...]
) -> Replanned:
    """A run again with the files it deployed, for all its environments unless the options name some.

    Raises LocalError E-RUN-UNKNOWN, E-RETRY-NO-PLAN, and PlanError E-RETRY-PLAN with all problems.
    """
    names = options.environments or tuple(fold(history.events(run)).environments)
    return planned_with(plans, history, run, replace(options, environments=names), files)


def planned_with(
    plans: Plans, history: EventLog, run: int, options: DeployOptions, files: tuple[PlannedFile, ...] | None
) -> Replanned:
    """The plan of a run, made again with these files or with today's (None).

    Raises LocalError E-RETRY-NO-PLAN, and PlanError E-RETRY-PLAN with all problems.
    """
    source = history.source(run)
    if source is None:
        raise LocalError("E-RETRY-NO-PLAN", f"the plan of run {run} was not stored with it", run=str(run))
    name = f"plan of run {run}"
    if files is None:
        planned = plans.check_source(source, options, name)
    else:
        planned = plans.check_again(source, files, options, name)
    if planned.plan is None:
        raise PlanError("E-RETRY-PLAN", "\n".join(map(str, planned.problems)), run=str(run))
    return Replanned(planned.plan, source)


def takes_back(lab: Lab, history: EventLog, run: int, environments: Sequence[str] = ()) -> Plan:
    """A plan that takes back what a run placed, where it was sent to or in the named environments.

    Raises LocalError E-RUN-UNKNOWN, E-ROLLBACK-RUNS, and PlanError E-LAB-UNKNOWN.
    """
    state = fold(history.events(run))
    unknown = [name for name in environments if name not in state.environments]
    if unknown or not state.environments:
        raise LocalError(
            "E-RUN-UNKNOWN", f"run {run} has no environment {', '.join(unknown) or 'at all'}", run=str(run)
        )
    if state.outcome is None:
        raise LocalError("E-ROLLBACK-RUNS", f"run {run} goes on", run=str(run))
    changed = (each.name for each in state.environments.values() if each.files.sent or each.switched)
    names = tuple(environments) or tuple(changed)
    if not names:
        raise LocalError("E-RETRY-NOTHING", f"run {run} changed no file", run=str(run))
    found = [lab.get(name) for name in names]
    gone = [name for name, each in zip(names, found, strict=True) if each is None]
    if gone:
        raise PlanError("E-LAB-UNKNOWN", f"{', '.join(gone)} is not in the lab file any more")
    chosen = tuple(each for each in found if each is not None)
    return Plan(name=f"rollback of run {run}", environments=chosen, takes_back=run)


def incomplete(state: RunState) -> tuple[str, ...]:
    """Environments of a run that have ended without completing."""
    return tuple(
        each.name
        for each in state.environments.values()
        if each.status.is_final and (each.status is not Status.COMPLETED or not each.ready)
    )
