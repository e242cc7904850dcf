"""plan.toml -> PlanDraft, with every mistake that the file alone can show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kdeploy_gui.documents.plan_tables import ArtifactTable, DependencyTable, InstrumentationTable, PlanTable
from kdeploy_gui.documents.positions import Outline, field_path
from kdeploy_gui.documents.tables import check
from kdeploy_gui.documents.toml_source import Document, load
from kdeploy_gui.model.kernel_params import repeated
from kdeploy_gui.model.packages import MANAGERS
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Backoff,
    Dependency,
    Instrumentation,
    PlanDraft,
    Policy,
    Validation,
)
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.model.stored import PREFIX
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ports import Instruments

KINDS: Mapping[str, str] = {"name": "a package", "tool": "a command", "pip": "a Python package"}
"""Keys of a dependency that say what it is."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan file as read. With problems the draft must not be run: what is wrong was left out of it, empty, so that
    the checks that need more than the file can go on; it is None when nothing could be read at all.

    `notices` are worth telling but stop nothing. `text` is the TOML it was read from, empty if it could not be.
    """

    path: str
    draft: PlanDraft | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    outline: Outline = field(default_factory=Outline)
    text: str = ""

    @property
    def folder(self) -> Path:
        """The folder that sources are relative to."""
        return Path(self.path).absolute().parent

    def with_found(self, found: Iterable[Problem]) -> tuple[Problem, ...]:
        """This file's problems together with those that later checks found, with lines, in the order of the file.

        What merely follows from a problem of the file itself is left out.
        """
        later = [each for each in found if not any(_follows(each, mine) for mine in self.problems)]
        placed = (replace(each, file=self.path, line=self.outline.line(each.field)) for each in later)
        return tuple(sorted([*self.problems, *placed], key=lambda each: each.line))


_A_LAB = (
    "this is a lab file, not a plan, which has `environments` and `artifacts`: --lab takes it, and in the window "
    "File > Open lab file"
)


def read_plan(path: Path, instruments: Instruments) -> PlanFile:
    """Read and check a plan file against itself and the instrument catalogue."""
    try:
        return plan_of(load(path), instruments, str(path))
    except FileNotFoundError:
        return PlanFile(str(path), problems=(_not_there(path),))


def plan_of(document: Document | Problem, instruments: Instruments, path: str) -> PlanFile:
    """The plan in a document, checked against itself and the instrument catalogue; problems name `path`."""
    if isinstance(document, Problem):
        return PlanFile(path, problems=(document,))
    if not document.data:
        empty = Problem("the plan is empty: it needs at least name, environments and something to do", file=path)
        return PlanFile(path, problems=(empty,), text=document.text)
    if _is_lab(document.data):
        return PlanFile(path, problems=(Problem(_A_LAB, file=path),), text=document.text)
    table, mistakes = check(PlanTable, document.data)
    instrumentation, unknown, notices = _instrumentation(table.instrumentation, instruments)
    own = PlanFile(path, _draft(table, instrumentation), outline=document.outline, text=document.text)
    own = replace(own, problems=own.with_found(mistakes), notices=own.with_found(notices))
    return replace(own, problems=own.with_found([*_second_look(table), *unknown]))


def _is_lab(data: Mapping[str, object]) -> bool:
    tables = data.get("environment")
    known = {"artifacts", "environments"} & data.keys()
    return not known and isinstance(tables, list) and all(isinstance(each, dict) for each in tables)


def _second_look(table: PlanTable) -> Iterator[Problem]:
    """Mistakes that no single field shows."""
    for index, artifact in enumerate(table.artifacts):
        yield from _left_out(artifact, f"artifacts[{index}]")
        yield from _mode_problems(artifact, f"artifacts[{index}].mode")
    yield from _dependency_problems(table.dependencies)
    yield from _pattern_problems(table.environments)
    params = table.instrumentation.kernel_params
    for again, first in repeated(params):
        message = f"'{params[again]}' sets again what '{params[first]}' sets: remove one"
        yield Problem(message, f"instrumentation.kernel_params[{again}]")


def _follows(found: Problem, own: Problem) -> bool:
    """Whether `found` may be there only because `own` is: it is about the plan as a whole or the same place."""
    inner, outer = sorted((found.field, own.field), key=len, reverse=True)
    return not found.field or inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _not_there(path: Path) -> Problem:
    folder = path.parent
    siblings = [visible(each.name) for each in folder.iterdir()] if folder.is_dir() else []
    return Problem(f"no such file{did_you_mean(path.name, siblings)}", file=str(path))


def _left_out(artifact: ArtifactTable, where: str) -> Iterator[Problem]:
    """Keys that only a stored artifact may leave out; one that is wrong counts as written by its own problem."""
    stored = artifact.source.startswith(PREFIX)
    for name in ("type", "mode"):
        if getattr(artifact, name) is None and not stored:
            yield Problem(f"{name} is missing", f"{where}.{name}")
    if stored and artifact.sensitive and artifact.mode is None:
        yield Problem('mode is missing: sensitive = true needs one such as "0600"', f"{where}.mode")


def _mode_problems(artifact: ArtifactTable, field_name: str) -> Iterator[Problem]:
    if artifact.mode is None:
        return
    written = f'"{artifact.mode:04o}"'
    if artifact.mode & 0o7000 and not artifact.allow_setuid:
        yield Problem(f"mode {written} sets setuid, setgid or sticky; that needs allow_setuid = true", field_name)
    if artifact.sensitive and artifact.mode & 0o077:
        yield Problem(
            f'mode must give nothing to group and others, such as "0600", because sensitive = true, not {written}',
            field_name,
        )


def _dependency_problems(dependencies: list[DependencyTable]) -> Iterator[Problem]:
    seen: dict[tuple[str, str, str], int] = {}
    for index, each in enumerate(dependencies):
        where = f"dependencies[{index}]"
        written = [key for key in KINDS if key in each.model_fields_set]
        identity = (each.name, each.tool, each.pip)
        if not written:
            yield Problem("name (a package), tool (a command) or pip (a Python package) is missing", where)
        elif len(written) > 1:
            words = " and ".join(f"{key} ({KINDS[key]})" for key in written)
            yield Problem(f"{words} exclude each other; write {len(written)} entries", where)
        elif identity in seen:
            label = visible(each.tool or each.name or each.pip)
            yield Problem(f"'{label}' is listed already in dependencies[{seen[identity]}]", where)
        seen.setdefault(identity, index)
        yield from _misplaced(each, written, where)


def _misplaced(table: DependencyTable, written: list[str], where: str) -> Iterator[Problem]:
    """Keys that say nothing about a dependency of this kind, and package managers that nobody knows."""
    if table.files and written == ["tool"]:
        yield Problem(
            "files can be installed for a package (name) or a Python package (pip), not for a command", f"{where}.files"
        )
    if table.names and written == ["pip"]:
        yield Problem("names is for packages of the system; pip has one name for each of its own", f"{where}.names")
    for manager in table.names:
        if manager not in MANAGERS:
            near = did_you_mean(manager, tuple(MANAGERS))
            known = ", ".join(MANAGERS)
            yield Problem(f"unknown package manager '{visible(manager)}', known are {known}{near}", f"{where}.names")


def _pattern_problems(patterns: list[str]) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        if pattern in {"tag:", "group:"}:
            yield Problem(f"'{pattern}' selects nothing: write a name after it", f"environments[{index}]")
        if pattern in patterns[:index]:
            yield Problem(f"'{pattern}' is listed twice", f"environments[{index}]")


def _instrumentation(
    table: InstrumentationTable, instruments: Instruments
) -> tuple[Instrumentation, list[Problem], list[Problem]]:
    problems: list[Problem] = []
    notices: list[Problem] = []
    wants = {}
    written = table.__pydantic_extra__
    known = [each.name for each in instruments.all()]
    for key, want in written.items():
        place = field_path(("instrumentation", key))
        name = instruments.canonical(key)
        if not name:
            near = did_you_mean(key, [*known, *InstrumentationTable.model_fields])
            problems.append(Problem(f"unknown instrument '{visible(key)}'{near}; known are {', '.join(known)}", place))
        elif name != key and name in written:
            problems.append(Problem(f"'{key}' is the old name of '{name}', which is set as well: remove one", place))
        else:
            wants[name] = want
            if name != key:
                notices.append(Problem(f"'{key}' is the old name of '{name}', which is used instead", place))
    found = Instrumentation(wants, table.may_reboot, table.may_switch, tuple(table.kernel_params))
    return found, problems, notices


def _draft(table: PlanTable, instrumentation: Instrumentation) -> PlanDraft:
    return PlanDraft(
        name=table.name,
        environments=tuple(table.environments),
        artifacts=tuple(_artifact(each) for each in table.artifacts),
        dependencies=tuple(_dependency(each) for each in table.dependencies),
        instrumentation=instrumentation,
        validation=_validation(table),
        policy=_policy(table),
    )


def _artifact(table: ArtifactTable) -> Artifact:
    stored = table.source.startswith(PREFIX)
    return Artifact(
        source=table.source,
        type=table.type if stored else table.type or ArtifactType.DATA,
        target=table.target,
        mode=table.mode if stored else table.mode or 0,
        owner=table.owner,
        sensitive=table.sensitive,
        allow_setuid=table.allow_setuid,
        layout=table.layout,
        depends_on=tuple(table.depends_on),
    )


def _dependency(table: DependencyTable) -> Dependency:
    names: Mapping[str, str] = dict(table.names)
    return Dependency(
        name=table.name,
        tool=table.tool,
        pip=table.pip,
        version=table.version,
        names=names,
        files=tuple(table.files),
        required=table.required,
    )


def _validation(table: PlanTable) -> Validation:
    limits = table.validation
    return Validation(
        kernel=limits.kernel,
        arch=tuple(limits.arch),
        kernel_config=tuple(limits.kernel_config),
        network=tuple(limits.network),
        memory=limits.memory,
        disk=dict(limits.disk),
        load=limits.load,
        tools=tuple(limits.tools),
        clock_skew=limits.clock_skew,
        temperature=limits.temperature,
    )


def _policy(table: PlanTable) -> Policy:
    policy, backoff = table.policy, table.policy.backoff
    return Policy(
        priority=policy.priority,
        max_parallel=policy.max_parallel,
        retries=policy.retries,
        backoff=Backoff(backoff.initial, backoff.factor, backoff.max, backoff.jitter),
        stage_timeout=policy.stage_timeout,
        rollback=policy.rollback,
        keep_versions=policy.keep_versions,
        splats=policy.splats,
    )
