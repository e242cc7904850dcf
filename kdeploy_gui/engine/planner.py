"""A draft, the lab and the local files -> the plan, or everything that stands against it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from kdeploy_gui.engine.exclusions import conflicts
from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.packages import SUFFIXES, WHEEL
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Layout,
    ListedFile,
    Listing,
    Plan,
    PlanDraft,
    PlannedFile,
    SourceFile,
    Want,
)
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.model.visible import visible

PATH_LIMIT = 4095
"""Bytes of a path on the target, without the closing NUL."""
REPORTED = 10
"""Clashes of targets that are named one by one; the rest is counted."""

Graph = dict[int, set[int]]
Packages = Mapping[int, tuple[SourceFile, ...]]
"""Package files by the index of their dependency."""
_NONE: Packages = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, or why there is none; problems name their field (`artifacts[2].target`)."""

    plan: Plan | None
    problems: tuple[Problem, ...] = ()


def plan(
    draft: PlanDraft,
    lab: Lab,
    listings: Mapping[int, Listing],
    packages: Packages = _NONE,
    catalogue: Sequence[Instrument] = (),
) -> Planned:
    """Choose environments, give every file its target and order the files.

    `listings` holds the local files by artifact index. Artifacts without one, or without a target, are known to be
    wrong already and are passed over, so that all other problems come out together.
    """
    problems = [*_environment_problems(draft.environments, lab)]
    placed: dict[int, tuple[PlannedFile, ...]] = {}
    for index, artifact in enumerate(draft.artifacts):
        if artifact.target and index in listings:
            where = f"artifacts[{index}].target"
            mistakes = list(_target_problems(artifact, listings[index], where))
            problems.extend(mistakes)
            if not mistakes:
                placed[index] = _place(artifact, listings[index])
    problems.extend(_clashes(placed))
    problems.extend(_layout_problems(placed))
    edges, missing = _edges(draft.artifacts, listings)
    problems.extend(missing)
    problems.extend(_cycles(edges, draft.artifacts))
    problems.extend(_package_problems(draft, packages))
    problems.extend(conflicts(draft.instrumentation, catalogue, lab.select(draft.environments)))
    if not _asks_for_something(draft):
        problems.append(Problem("the plan is empty: it has no artifacts, dependencies, instrumentation or validation"))
    if problems:
        return Planned(None, tuple(problems))
    order = _order(edges, len(draft.artifacts))
    files = (each for index in order for each in _own_order(draft.artifacts[index], placed.get(index, ())))
    return Planned(_plan(draft, lab, tuple(files), packages))


def plan_files(
    draft: PlanDraft,
    lab: Lab,
    files: tuple[PlannedFile, ...],
    packages: Packages = _NONE,
    catalogue: Sequence[Instrument] = (),
) -> Planned:
    """The plan of a draft with these files, in this order, in the place of its artifacts."""
    environments = _environment_problems(draft.environments, lab)
    exclusions = conflicts(draft.instrumentation, catalogue, lab.select(draft.environments))
    problems = (*environments, *_package_problems(draft, packages), *exclusions)
    return Planned(None, problems) if problems else Planned(_plan(draft, lab, files, packages))


def dependencies(artifacts: Sequence[Artifact], listings: Mapping[int, Listing]) -> Graph:
    """Which artifacts, by index, must come before each one."""
    return _edges(artifacts, listings)[0]


def _plan(draft: PlanDraft, lab: Lab, files: tuple[PlannedFile, ...], packages: Packages) -> Plan:
    return Plan(
        name=draft.name,
        environments=lab.select(draft.environments),
        files=files,
        dependencies=draft.dependencies,
        package_files={draft.dependencies[index]: files for index, files in packages.items()},
        instrumentation=draft.instrumentation,
        validation=draft.validation,
        policy=draft.policy,
    )


def _package_problems(draft: PlanDraft, packages: Packages) -> Iterator[Problem]:
    """Files that no package manager installs."""
    for index, files in packages.items():
        endings = (WHEEL,) if draft.dependencies[index].pip else SUFFIXES
        strangers = [each.relative for each in files if not each.path.endswith(endings)]
        if strangers:
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            kind = "wheel" if draft.dependencies[index].pip else "package file"
            message = f"'{visible(strangers[0])}'{more} is no {kind}: those end with {', '.join(endings)}"
            yield Problem(message, f"dependencies[{index}].files")


def _asks_for_something(draft: PlanDraft) -> bool:
    empty = PlanDraft(name="", environments=())
    settings = draft.instrumentation
    instruments = settings.kernel_params or any(want is not Want.OFF for want in settings.wants.values())
    return bool(draft.artifacts or draft.dependencies or instruments or draft.validation != empty.validation)


def _environment_problems(patterns: Sequence[str], lab: Lab) -> Iterator[Problem]:
    if not patterns:
        yield Problem("environments is empty: name at least one", "environments")
    elif not lab.environments:
        yield Problem("the lab has no environments yet: add one with 'kdeploy env add'", "environments")
    else:
        for index, pattern in enumerate(patterns):
            if not any(each.matches(pattern) for each in lab.environments):
                near = did_you_mean(pattern, _selectors(lab.environments))
                yield Problem(f"'{pattern}' matches no environment of the lab{near}", f"environments[{index}]")


def _selectors(environments: Sequence[Environment]) -> list[str]:
    """Everything that could have been meant."""
    tags = {f"tag:{tag}" for each in environments for tag in each.tags}
    groups = {f"group:{each.group}" for each in environments if each.group}
    return [*(each.name for each in environments), *sorted(tags | groups)]


def _target_problems(artifact: Artifact, listing: Listing, where: str) -> Iterator[Problem]:
    if artifact.layout is Layout.VERSIONED and artifact.target in {"~/", "/"}:
        yield Problem(f"'{artifact.target}' cannot be versioned: name a folder below it", where)
        return
    if not artifact.target.endswith("/"):
        folder = f"write '{artifact.target}/'"
        if artifact.layout is Layout.VERSIONED:
            yield Problem(f"only a folder can be versioned, so target must end with a slash: {folder}", where)
        elif listing.folder:
            yield Problem(f"'{artifact.source}' is a folder, so target must end with a slash: {folder}", where)
        elif len(listing.files) > 1:
            yield Problem(
                f"'{artifact.source}' stands for {len(listing.files)} files, so target must end with a slash: {folder}",
                where,
            )
        return
    for each in listing.files:
        if len(f"{artifact.target}{each.name}".encode()) > PATH_LIMIT:
            yield Problem(f"'{each.source.relative}' would get a path longer than {PATH_LIMIT} bytes", where)
            return


def _place(artifact: Artifact, listing: Listing) -> tuple[PlannedFile, ...]:
    return tuple(
        PlannedFile(
            source=each.source,
            target=_target(artifact, each),
            type=each.type or artifact.type or ArtifactType.DATA,
            mode=(artifact.mode or 0) if each.mode is None else each.mode,
            owner=artifact.owner,
            sensitive=artifact.sensitive,
            artifact=artifact.source,
            link=artifact.target.rstrip("/") if artifact.layout is Layout.VERSIONED else "",
        )
        for each in listing.files
    )


def _target(artifact: Artifact, file: ListedFile) -> str:
    return artifact.target + file.name if artifact.target.endswith("/") else artifact.target


def _clashes(placed: Mapping[int, Sequence[PlannedFile]]) -> Iterator[Problem]:
    """Two files with one target, and files whose target is a folder that another file needs."""
    owners: dict[str, tuple[int, PlannedFile]] = {}
    found: list[Problem] = []
    for index, files in placed.items():
        for file in files:
            other, first = owners.setdefault(file.target, (index, file))
            if first is not file:
                found.append(_same_target(index, file, other, first))
    for target, (index, _) in owners.items():
        for parent in _parents(target):
            if parent in owners:
                other, first = owners[parent]
                message = f"'{target}' needs the folder '{parent}', which is the target of {_origin(other, first)}"
                found.append(Problem(message, f"artifacts[{index}].target"))
    yield from found[:REPORTED]
    if len(found) > REPORTED:
        yield Problem(f"{len(found) - REPORTED} more targets clash in the same way", found[REPORTED].field)


def _layout_problems(placed: Mapping[int, Sequence[PlannedFile]]) -> Iterator[Problem]:
    """Artifacts in a versioned folder that do not belong to its set; each is told once."""
    links = {each.link: index for index, files in placed.items() for each in files if each.link}
    for index, files in placed.items():
        ways = {file.link: [file.target, *_parents(file.target)] for file in files}
        for own, parents in ways.items():
            other = next((link for link in parents if link in links and link != own), None)
            if other is not None:
                message = f"'{other}/' is versioned (artifacts[{links[other]}]) and switches as a whole"
                remedy = f'give this entry layout = "versioned" and target = "{other}/", or another target'
                yield Problem(f"{message}: {remedy}", f"artifacts[{index}].target")


def _same_target(index: int, file: PlannedFile, other: int, first: PlannedFile) -> Problem:
    where, origin = f"artifacts[{index}].target", _origin(other, first)
    if file.source.path == first.source.path:
        return Problem(f"'{file.target}' is listed twice with the same file, first by {origin}", where)
    return Problem(f"'{file.source.relative}' would become '{file.target}', and so would {origin}", where)


def _origin(index: int, file: PlannedFile) -> str:
    return f"'{file.source.relative}' (artifacts[{index}].target)"


def _parents(target: str) -> Iterator[str]:
    end = target.rfind("/")
    while end > 0:
        yield target[:end]
        end = target.rfind("/", 0, end)


def _edges(artifacts: Sequence[Artifact], listings: Mapping[int, Listing]) -> tuple[Graph, list[Problem]]:
    """Which artifacts each one depends on. Its own other files do not count; see `_own_order`."""
    edges: Graph = {index: set() for index in range(len(artifacts))}
    problems: list[Problem] = []
    for index, artifact in enumerate(artifacts):
        for position, pattern in enumerate(artifact.depends_on):
            matched = {other for other in edges if _is_meant(pattern, artifacts[other], listings.get(other))}
            if index in matched and _is_whole(pattern, artifact, listings.get(index)):
                edges[index].add(index)
            edges[index] |= matched - {index}
            if not matched and len(listings) == len(artifacts):
                near = did_you_mean(pattern, _depended(artifacts, listings))
                where = f"artifacts[{index}].depends_on[{position}]"
                problems.append(Problem(f"'{pattern}' matches no artifact of this plan{near}", where))
    return edges, problems


def _is_meant(pattern: str, artifact: Artifact, listing: Listing | None) -> bool:
    if _matches_source(pattern, artifact):
        return True
    return listing is not None and any(fnmatchcase(each.source.relative, pattern) for each in listing.files)


def _matches_source(pattern: str, artifact: Artifact) -> bool:
    source = artifact.source.removeprefix("./").rstrip("/")
    return bool(source) and (pattern.rstrip("/") == source or fnmatchcase(source, pattern))


def _is_whole(pattern: str, artifact: Artifact, listing: Listing | None) -> bool:
    """Whether an artifact's own pattern means all of it, so that nothing could come first."""
    files = listing.files if listing else ()
    return _matches_source(pattern, artifact) or all(fnmatchcase(each.source.relative, pattern) for each in files)


def _depended(artifacts: Sequence[Artifact], listings: Mapping[int, Listing]) -> list[str]:
    files = (each.source.relative for listing in listings.values() for each in listing.files)
    return sorted({*(each.source for each in artifacts), *files})


def _cycles(edges: Graph, artifacts: Sequence[Artifact]) -> Iterator[Problem]:
    """Every cycle once, in full; found ones are cut to find the next."""
    left = {index: set(others) for index, others in edges.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # graphlib lists each node after one that depends on it, reversed: n+1 depends on n.
            cycle: list[int] = list(reversed(error.args[1]))
            names = " -> ".join(f"'{artifacts[index].source}'" for index in cycle)
            yield Problem(f"depends on itself: {names}", f"artifacts[{cycle[0]}].depends_on")
            left[cycle[0]].discard(cycle[1])
        else:
            return


def _order(edges: Graph, count: int) -> list[int]:
    """Artifacts with those they depend on first, else in the plan's order."""
    done: dict[int, None] = {}
    waiting = [(index, False) for index in reversed(range(count))]
    while waiting:
        index, ready = waiting.pop()
        if ready:
            done.setdefault(index)
        elif index not in done:
            waiting.append((index, True))
            waiting.extend((other, False) for other in sorted(edges[index], reverse=True))
    return list(done)


def _own_order(artifact: Artifact, files: Sequence[PlannedFile]) -> list[PlannedFile]:
    """An artifact's files; those that its own depends_on names come first."""

    def comes_later(file: PlannedFile) -> bool:
        return not any(fnmatchcase(file.source.relative, pattern) for pattern in artifact.depends_on)

    return sorted(files, key=comes_later)
