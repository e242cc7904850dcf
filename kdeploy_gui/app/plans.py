"""From a plan as written to a plan that can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from kdeploy_gui.artifacts.sources import list_sources
from kdeploy_gui.documents.lab_file import LabFile
from kdeploy_gui.documents.plan_file import read_plan
from kdeploy_gui.engine import planner
from kdeploy_gui.model.plan import Plan, Policy, Rollback
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.ports import Instruments


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a front end may change about a plan: fewer environments (names or globs), and its policy."""

    environments: tuple[str, ...] = ()
    priority: int | None = None
    max_parallel: int | None = None
    rollback: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, or why there is none. `notices` stop nothing."""

    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()


class Plans:
    """Plan files of this lab; every verb blocks briefly and may be called from any thread."""

    def __init__(self, catalogue: Instruments, read_lab: Callable[[], LabFile]) -> None:
        self._catalogue = catalogue
        self._read_lab = read_lab

    def check(self, plan_file: Path, options: DeployOptions | None = None) -> Planned:
        """Read a plan, look at its sources and at the lab, and report all problems at once. Changes nothing."""
        lab = self._read_lab()
        document = read_plan(plan_file, self._catalogue)
        if document.draft is None:
            return Planned(None, (*lab.problems, *document.problems), document.notices)
        listed = list_sources(document.draft.artifacts, document.folder)
        planned = planner.plan(document.draft, lab.lab, listed.listings)
        found = [each for each in planned.problems if not (lab.problems and each.field.startswith("environments"))]
        problems = (*lab.problems, *document.with_found((*listed.problems, *found)))
        if planned.plan is None or problems:
            return Planned(None, problems, document.notices)
        chosen = _chosen(planned.plan, options or DeployOptions())
        if isinstance(chosen, Problem):
            return Planned(None, (chosen,), document.notices)
        return Planned(chosen, (), document.notices)


def _chosen(plan: Plan, options: DeployOptions) -> Plan | Problem:
    environments = plan.environments
    for pattern in options.environments:
        names = [each.name for each in environments]
        if not any(fnmatchcase(name, pattern) for name in names):
            return Problem(f"no environment of this plan is called '{pattern}'{did_you_mean(pattern, names)}")
    if options.environments:
        environments = tuple(
            each for each in environments if any(fnmatchcase(each.name, pattern) for pattern in options.environments)
        )
    return replace(plan, environments=environments, policy=_policy(plan.policy, options))


def _policy(policy: Policy, options: DeployOptions) -> Policy:
    return replace(
        policy,
        priority=policy.priority if options.priority is None else options.priority,
        max_parallel=policy.max_parallel if options.max_parallel is None else options.max_parallel,
        rollback=policy.rollback if options.rollback else Rollback.NONE,
    )
