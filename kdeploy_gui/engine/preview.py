"""What a run would do to each machine of a plan. Looks, and changes nothing anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from kdeploy_gui.engine import shortfall
from kdeploy_gui.engine.checks import readiness_checks, refusal, with_remedy, words_of
from kdeploy_gui.engine.context import Ports, facts_query, planned_placement
from kdeploy_gui.engine.gate import about_files, refusals, refused_by
from kdeploy_gui.engine.guest import explained
from kdeploy_gui.engine.kernel_choice import Change, change_due
from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.engine.preview_instruments import InstrumentOutlook
from kdeploy_gui.engine.preview_packages import Outlook
from kdeploy_gui.engine.preview_texts import Sources, Wanted, compare
from kdeploy_gui.engine.stages import dependencies, deploy, instrument
from kdeploy_gui.errors import (
    ArtifactError,
    GuestError,
    KdeployError,
    LocalError,
    NetworkError,
    PlanError,
    TargetError,
)
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.files import FileKind, FileState, Placement, same_owner
from kdeploy_gui.model.instrument import Finding
from kdeploy_gui.model.packages import Offers
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.preview import (
    DependencyChange,
    DependencyPreview,
    DiffLine,
    EnvironmentPreview,
    FileChange,
    FilePreview,
)
from kdeploy_gui.model.requirement import Arrival, Requirement
from kdeploy_gui.ports import Target

PATIENCE = 120.0
"""Seconds for looking at one machine: slow boards hash slowly."""
AT_ONCE = 8
"""Machines looked at at a time."""
NOTHING_SENT = "Nothing was sent."
LASTING = ("kernel", "arch")
"""Checks whose answer no deployment changes."""


async def preview_all(ports: Ports, plan: Plan, tell: Callable[[EnvironmentPreview], None]) -> None:
    """`preview` of every environment of a plan, AT_ONCE at a time; `tell` each as it is known."""
    sources, turn = Sources(ports), asyncio.Semaphore(AT_ONCE)

    async def one(environment: Environment) -> None:
        async with turn:
            tell(await preview(ports, plan, environment, sources))

    try:
        async with asyncio.TaskGroup() as group:
            for each in plan.environments:
                group.create_task(one(each))
    finally:
        sources.digests.close()


async def preview(
    ports: Ports, plan: Plan, environment: Environment, sources: Sources | None = None
) -> EnvironmentPreview:
    """What a run of `plan` would do to one machine now. Never raises for what is wrong there: that is its answer."""
    shared = sources or Sources(ports)
    try:
        return await _Look(ports, plan, environment, shared).look()
    except Exception as error:  # noqa: BLE001 - the environment boundary: a fault here must not disturb another one
        told = await explained(ports.guests, environment, error)
        return EnvironmentPreview(environment=environment.name, refusals=(_failure(ports, environment, told),))
    finally:
        if sources is None:
            shared.digests.close()


def _failure(ports: Ports, environment: Environment, error: Exception) -> Failure:
    return replace(failure_of(error, ports.remedies, environment.name, ""), on_target=NOTHING_SENT)


class _Look:
    """One look at one machine."""

    def __init__(self, ports: Ports, plan: Plan, environment: Environment, sources: Sources) -> None:
        self._ports = ports
        self._plan = plan
        self._environment = environment
        self._sources = sources
        self._refusals: list[Failure] = []
        self._switches: tuple[str, ...] = ()

    async def look(self) -> EnvironmentPreview:
        hashes, requirements = await self._read()
        target = await self._ports.connector.connect(self._environment)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._look(target, hashes, requirements)
        except TimeoutError as error:
            name, address = self._environment.name, self._environment.address
            raise NetworkError(
                "E-STALLED", f"{name} did not finish answering within {PATIENCE:.0f} s", address=address
            ) from error
        finally:
            await target.close()

    async def _read(self) -> tuple[Mapping[str, str], Mapping[str, Requirement]]:
        """Digests and needs by source; a source that cannot be read is a refusal."""
        hashes: dict[str, str] = {}
        needs: dict[str, Requirement] = {}
        for file in self._plan.files:
            try:
                ((digest, need),) = await self._sources.digests.learn([file])
                hashes[file.source.path], needs[file.source.path] = digest, need
            except (ArtifactError, LocalError) as error:
                self._refuse(error)
        return hashes, needs

    def _refuse(self, error: KdeployError) -> Failure:
        failure = _failure(self._ports, self._environment, error)
        self._refusals.append(failure)
        return failure

    async def _look(
        self, target: Target, hashes: Mapping[str, str], requirements: Mapping[str, Requirement]
    ) -> EnvironmentPreview:
        facts = await target.facts(facts_query(self._plan, requirements))
        wanted = await self._survey(target, facts, hashes)
        diffs, notes = await compare(target, wanted, self._sources)
        found = await self._dependencies(target, facts)
        installs = any(each.change is DependencyChange.INSTALL for each in found)
        refused = self._gate(wanted, facts, requirements, installs=installs)
        files = tuple(self._file(each, diffs, notes, refused) for each in wanted)
        chosen = instrument.wanted(self._ports.instruments, self._plan.instrumentation.wants)
        said = await instrument.look(self._ports.instruments, target, chosen)
        change = await self._change(target, said)
        outlook = InstrumentOutlook(self._environment, self._plan.instrumentation, self._ports.instruments, change)
        missing = [] if installs else outlook.missing(chosen, said)
        if missing:
            self._refuse(instrument.missing_error(missing))
        return EnvironmentPreview(
            environment=self._environment.name,
            files=files,
            dependencies=found,
            instruments=tuple(outlook.preview(each, said[each.name]) for each in chosen),
            switches=self._switches,
            reboot=change.words if change else "",
            notices=self._checks(facts),
            refusals=tuple(self._refusals),
        )

    async def _survey(self, target: Target, facts: Facts, hashes: Mapping[str, str]) -> list[Wanted]:
        planned = [each for each in self._plan.files if each.source.path in hashes]
        placed = [planned_placement(each, facts, hashes[each.source.path]) for each in planned]
        try:
            deploy.refuse_duplicates(tuple(placed))
        except KdeployError as error:
            self._refuse(error)
        states = await target.survey(deploy.places_of(tuple(placed)))
        self._switches = tuple(_switches(tuple(placed), states))
        return [
            Wanted(file, placement, states[placement.entry.path])
            for file, placement in zip(planned, placed, strict=True)
        ]

    def _gate(
        self, wanted: Sequence[Wanted], facts: Facts, requirements: Mapping[str, Requirement], *, installs: bool
    ) -> Mapping[str, Failure]:
        """Refusals of the gate by the path that they are about; while packages are to come, interpreters may, too."""
        arrivals = [
            Arrival(each.placement.entry, each.file.type, requirements[each.file.source.path], each.placement.link)
            for each in wanted
        ]
        states = {each.state.path: each.state for each in wanted}
        found = refusals(arrivals, facts, self._environment.roots, states=states, complete=not installs)
        told = {id(each): self._refuse(each) for each in found}
        return {each.path: told[id(each)] for each in reversed(about_files(found))}

    def _file(
        self,
        wanted: Wanted,
        diffs: Mapping[str, tuple[DiffLine, ...]],
        notes: Mapping[str, str],
        refused: Mapping[str, Failure],
    ) -> FilePreview:
        entry, state = wanted.placement.entry, wanted.state
        stands = state.kind is FileKind.FILE
        content = stands and state.sha256 != entry.sha256
        mode = stands and state.mode != entry.mode
        owner = stands and not same_owner(entry.owner, state.owner)
        refusal: Failure | None = None
        try:
            deploy.refuse(wanted.placement, state)
            change = FileChange.CHANGED if content or mode or owner else FileChange.SAME
            if state.kind is FileKind.MISSING:
                change = FileChange.NEW
        except TargetError as error:
            change, refusal = FileChange.REFUSED, self._refuse(error)
        if (by_gate := refused_by(entry.path, refused)) is not None:
            change, refusal = FileChange.REFUSED, by_gate
        return FilePreview(
            source=wanted.file.source.relative,
            target=entry.path,
            change=change,
            size=entry.size,
            old_size=state.size,
            mode=entry.mode,
            old_mode=state.mode,
            owner=entry.owner,
            old_owner=state.owner,
            content_changes=content,
            mode_changes=mode,
            owner_changes=owner,
            diff=diffs.get(entry.path, ()),
            note=notes.get(entry.path, ""),
            refusal=refusal,
            artifact=wanted.file.artifact,
        )

    async def _dependencies(self, target: Target, facts: Facts) -> tuple[DependencyPreview, ...]:
        wanted = self._plan.dependencies
        if not wanted:
            return ()
        found = await dependencies.look(target, facts, wanted, Offers.QUIET)
        outlook = Outlook(facts, found, self._plan.package_files)
        missing = [each for each in wanted if each.required and outlook.change(each) is DependencyChange.MISSING]
        if missing:
            self._refuse(shortfall.missing_error(missing, found, outlook.refusals))
        return tuple(outlook.preview(each) for each in wanted)

    async def _change(self, target: Target, said: Mapping[str, Finding]) -> Change | None:
        try:
            return await change_due(self._ports, self._environment, self._plan.instrumentation, target, said)
        except (PlanError, TargetError, GuestError) as error:
            self._refuse(error)
            return None

    def _checks(self, facts: Facts) -> tuple[str, ...]:
        """Checks that would fail now; those that nothing here can change refuse the environment."""
        checks = readiness_checks(self._plan.validation, facts.boot_id, facts, ())
        remedies, name = self._ports.remedies, self._environment.name
        failed = [with_remedy(each, remedies, name) for each in checks if not each.ok]
        lasting = [each for each in failed if each.check in LASTING]
        if lasting:
            self._refuse(refusal(lasting, "the validation would fail"))
        return tuple(words_of(each) for each in failed if each.check not in LASTING)


def _switches(placed: tuple[Placement, ...], states: Mapping[str, FileState]) -> Iterator[str]:
    """Links that would lead to a new version."""
    for each in deploy.changes(0, placed, states).sets:
        before = states[each.link].leads_to
        files = f"{len(each.send)} files sent, {len(each.linked) + len(each.copied)} taken over"
        how = f"now {before}, switches as a whole" if before else "becomes a link to a version of its own"
        yield f"{each.link}: {how}, {files}"
