"""The gate before the first byte: what cannot work on a machine is refused while nothing is changed there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import dirname
from typing import TypeVar

from kdeploy_gui.engine.gate_places import ROOM, place_refusals, room_refusals
from kdeploy_gui.engine.gate_programs import MODULE_OPTIONS, NARROW_OPTIONS, program_refusals
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import FileState, ManifestEntry, Staged
from kdeploy_gui.model.plan import ArtifactType, PlannedFile
from kdeploy_gui.model.requirement import Arrival, Module, Program, Requirement, Script
from kdeploy_gui.model.versioned import holder
from kdeploy_gui.model.visible import is_visible

T = TypeVar("T")
RUN = (ArtifactType.SCRIPT, ArtifactType.BINARY)
"""Artifacts that are looked into: what is declared as config or data is never run."""


def refusals(
    arrivals: Sequence[Arrival],
    facts: Facts,
    roots: Sequence[str] = (),
    *,
    states: Mapping[str, FileState] | None = None,
    complete: bool = True,
) -> tuple[KdeployError, ...]:
    """Everything that cannot work, programs before places; each with `needed` and `found` among its details.

    Without `states` it is not known what stands there, so that room is not looked at. A machine that is not `complete`
    gets packages first, so that interpreters may still come.
    """
    found = [*program_refusals(arrivals, facts, complete=complete), *place_refusals(arrivals, facts, roots)]
    if states is not None:
        sent = [each.entry for each in arrivals if states[each.entry.path].sha256 != each.entry.sha256]
        found.extend(room_refusals([_missing(each, states[each.path].staged) for each in sent], facts))
    return tuple(found)


def _missing(entry: ManifestEntry, staged: Staged | None) -> ManifestEntry:
    """As much of a file as is not there yet."""
    return entry if staged is None else replace(entry, size=max(0, entry.size - staged.size))


def first_of(found: Sequence[KdeployError]) -> KdeployError:
    """The first refusal, which also tells how many more there are."""
    error, more = found[0], found[1:]
    if more:
        codes = ", ".join(dict.fromkeys(each.code for each in more))
        error.message = f"{error.message} (and {len(more)} more: {codes})"
    return error


def refused_by(path: str, found: Mapping[str, T]) -> T | None:
    """Of refusals by path, the one that is about a file or a folder on the way to it."""
    while path not in found and path != "/":
        path = dirname(path)
    return found.get(path)


def about_files(found: Sequence[KdeployError]) -> tuple[KdeployError, ...]:
    """Refusals that single files are to blame for, not all of them together."""
    return tuple(each for each in found if each.code not in ROOM)


def checks_of(found: Sequence[KdeployError]) -> Iterator[CheckDone]:
    """Refusals as failed checks."""
    for each in found:
        check = f"{each.code.removeprefix('E-').lower()} {each.path}"
        value, limit = each.details["found"], each.details["needed"]
        yield CheckDone(check, False, value, limit, each.evidence.text, each.code)


def query_of(files: Sequence[PlannedFile], requirements: Mapping[str, Requirement]) -> FactsQuery:
    """What facts must tell about for these files; names in them that could steer the question are left out."""
    needs = [requirements.get(each.source.path) for each in files]
    scripts = [each for each in needs if isinstance(each, Script)]
    loaders = [each.loader for each in needs if isinstance(each, Program) and each.loader]
    narrow = any(isinstance(each, Program) and each.abi.bits == 32 for each in needs)
    modules = any(isinstance(each, Module) for each in needs)
    return FactsQuery(
        tools=_askable(each.tool for each in scripts),
        programs=_askable((*(each.interpreter for each in scripts), *loaders)),
        folders=tuple(dict.fromkeys(folder for each in files for folder in _folders(each))),
        options=(*(NARROW_OPTIONS if narrow else ()), *(MODULE_OPTIONS if modules else ())),
    )


def _folders(file: PlannedFile) -> Iterator[str]:
    yield dirname(file.target)
    if file.link:
        yield from (file.link, holder(file.link))


def _askable(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in names if each and is_visible(each)))
