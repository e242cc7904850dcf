"""From a plan as written to a plan that can run, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from kdeploy_gui.artifacts.sources import Listed, list_packages, list_sources
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.artifacts.stored_sources import in_order, is_stored, list_stored
from kdeploy_gui.documents.lab_file import LabFile
from kdeploy_gui.documents.plan_file import PlanFile, plan_of, read_plan
from kdeploy_gui.documents.plan_write import write_plan
from kdeploy_gui.documents.toml_source import parse
from kdeploy_gui.documents.whole_file import save_text
from kdeploy_gui.engine import planner
from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.environment import Lab
from kdeploy_gui.model.plan import Listing, Plan, PlanDraft, PlannedFile, PlanSource, Policy, Rollback, SourceFile
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.ports import Instruments

UNSAVED = "plan.toml"
"""What problems call a plan that is in no file."""


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a front end may change about a plan: fewer environments (names or globs), and its policy."""

    environments: tuple[str, ...] = ()
    priority: int | None = None
    max_parallel: int | None = None
    rollback: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with the text it was made from, or why there is none. `notices` stop nothing."""

    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    source: PlanSource | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """A plan as written, to be edited: what is wrong in the text was left out of the draft, and `problems` name it.

    The draft is None where the text is empty or no TOML.
    """

    source: PlanSource
    draft: PlanDraft | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A plan as written, its `text`, the files that its artifacts and dependencies stand for, by their index."""

    draft: PlanDraft
    text: str
    listings: Mapping[int, Listing]
    packages: Mapping[int, tuple[SourceFile, ...]]


class Plans:
    """Plan files of this lab; every verb blocks briefly and may be called from any thread."""

    def __init__(self, catalogue: Instruments, read_lab: Callable[[], LabFile], store: ArtifactStore) -> None:
        self._catalogue = catalogue
        self._entries = tuple(catalogue.all())
        self._read_lab = read_lab
        self._store = store

    def check(self, plan_file: Path, options: DeployOptions | None = None) -> Planned:
        """Read a plan, look at its sources and at the lab, and report all problems at once. Changes nothing."""
        document = read_plan(plan_file, self._catalogue)
        return self._planned(document, document.folder, options or DeployOptions())

    def check_source(self, source: PlanSource, options: DeployOptions | None = None, name: str = UNSAVED) -> Planned:
        """`check` for a text; problems name it `name`."""
        return self._planned(self._document(source, name), source.folder, options or DeployOptions())

    def check_again(
        self,
        source: PlanSource,
        files: tuple[PlannedFile, ...],
        options: DeployOptions | None = None,
        name: str = UNSAVED,
    ) -> Planned:
        """`check_source` with these files in the place of those that its artifacts stand for today."""
        return self._planned(self._document(source, name), source.folder, options or DeployOptions(), files)

    def check_draft(
        self, draft: PlanDraft, folder: Path, previous: str = "", options: DeployOptions | None = None
    ) -> Planned:
        """`check` for a draft, also an unfinished one; `previous` as for `to_toml`."""
        return self.check_source(PlanSource(self.to_toml(draft, previous), folder), options)

    def read(self, plan_file: Path) -> Drafted:
        """A plan file to be edited. Raises PlanError where it is missing, cannot be read or is no TOML."""
        document = read_plan(plan_file, self._catalogue)
        if document.draft is None:
            raise PlanError("E-PLAN", "\n".join(map(str, document.problems)), path=str(plan_file))
        return _drafted(document, document.folder)

    def draft_of(self, source: PlanSource) -> Drafted:
        """A text to be edited."""
        return _drafted(self._document(source, UNSAVED), source.folder)

    def to_toml(self, draft: PlanDraft, previous: str = "") -> str:
        """A draft as the text of a plan file. Comments, order and unknown keys of `previous` stay."""
        return write_plan(draft, previous, self._catalogue)

    def save(self, plan_file: Path, source: PlanSource) -> None:
        """Write a plan file, whole or not at all. Raises LocalError."""
        save_text(plan_file, source.text)

    def listings(self, draft: PlanDraft, folder: Path) -> Listed:
        """The local files that each artifact stands for, by its index, and what is wrong with the others."""
        return self._listed(draft, folder)[1]

    def _with_files(
        self, draft: PlanDraft, lab: Lab, folder: Path, files: tuple[PlannedFile, ...] | None
    ) -> planner.Planned:
        packages = list_packages(draft.dependencies, folder)
        if files is not None:
            planned = planner.plan_files(draft, lab, files, packages.files, self._entries)
            return planner.Planned(planned.plan, (*packages.problems, *planned.problems))
        ordered, listed = self._listed(draft, folder)
        planned = planner.plan(ordered, lab, listed.listings, packages.files, self._entries)
        return planner.Planned(planned.plan, (*listed.problems, *packages.problems, *planned.problems))

    def _listed(self, draft: PlanDraft, folder: Path) -> tuple[PlanDraft, Listed]:
        """The draft with the order that stored artifacts ask for, and all listings."""
        local = list_sources(draft.artifacts, folder)
        if not any(map(is_stored, draft.artifacts)):
            return draft, local
        shelf = self._store.versions()
        stored = list_stored(draft.artifacts, shelf, self._store.objects.path)
        ordered = replace(draft, artifacts=in_order(draft.artifacts, shelf))
        return ordered, Listed({**local.listings, **stored.listings}, (*local.problems, *stored.problems))

    def resolved(self, plan_file: Path) -> Resolved:
        """A plan's artifacts with the files they stand for, whatever the lab is.

        Raises PlanError E-PLAN with all other problems.
        """
        document = read_plan(plan_file, self._catalogue)
        problems: tuple[Problem, ...] = document.problems
        if document.draft is not None:
            draft, listed = self._listed(document.draft, document.folder)
            packages = list_packages(draft.dependencies, document.folder)
            planned = planner.plan(draft, self._read_lab().lab, listed.listings, packages.files, self._entries)
            found = [each for each in planned.problems if not each.field.startswith("environments")]
            problems = document.with_found((*listed.problems, *packages.problems, *found))
            if not problems:
                return Resolved(draft, document.text, listed.listings, packages.files)
        raise PlanError("E-PLAN", "\n".join(map(str, problems)), path=str(plan_file))

    def _document(self, source: PlanSource, name: str) -> PlanFile:
        return plan_of(parse(name, source.text.encode(errors="surrogatepass")), self._catalogue, name)

    def _planned(
        self,
        document: PlanFile,
        folder: Path,
        options: DeployOptions,
        files: tuple[PlannedFile, ...] | None = None,
    ) -> Planned:
        lab, notices = self._read_lab(), document.notices
        source = PlanSource(document.text, folder)
        if document.draft is None:
            return Planned(None, (*lab.problems, *document.problems), notices, source)
        planned = self._with_files(document.draft, lab.lab, folder, files)
        found = [each for each in planned.problems if not (lab.problems and each.field.startswith("environments"))]
        problems = (*lab.problems, *document.with_found(found))
        if planned.plan is None or problems:
            return Planned(None, problems, notices, source)
        chosen = _chosen(planned.plan, options)
        if isinstance(chosen, Problem):
            return Planned(None, (chosen,), notices, source)
        return Planned(chosen, (), notices, source)


def _drafted(document: PlanFile, folder: Path) -> Drafted:
    return Drafted(PlanSource(document.text, folder), document.draft, document.problems, document.notices)


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
