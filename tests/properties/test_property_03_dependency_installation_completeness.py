"""Property 03: dependency installation completeness

For any set of dependencies, after the stage each required one is present in the asked version, or the error names
exactly those that are not; optional ones degrade and are reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_depot import MemoryDepot
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import DependencyDone, Event, RetryScheduled
from kdeploy_gui.model.packages import Installed, Meaning, Presence
from kdeploy_gui.model.plan import Dependency, Plan, SourceFile
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome
from tests.lab import packages
from tests.lab.fixtures import MakeMachine
from tests.properties.peers import QUICK, deploy
from tests.rehearsal import MemoryContent, memory_plan, rehearsal

VERSIONS = ("0.9", "1.0", "1.5", "2.0", "3.1")
RANGES = ("", "", ">=2", "<2", "==1.5", ">=1,<3", "!=2.0", ">9")
STUCK = (Meaning.LOCKED, Meaning.STALE, Meaning.HALF, Meaning.UNREACHABLE, Meaning.FAILED)
versions = st.sampled_from(VERSIONS)


@dataclass(frozen=True)
class Drawn:
    """One dependency and what a machine has of it: a version that is there, those on offer, one in a file."""

    kind: str
    range: str
    required: bool
    there: str | None
    offered: frozenset[str]
    file: str | None
    deaf: bool

    def dependency(self, number: int) -> Dependency:
        name = f"p{number:02}"
        kind = {"package": "name", "command": "tool", "python": "pip"}[self.kind]
        files = (f"{name}.deb",) if self.file and self.kind == "package" else ()
        return Dependency(**{kind: name}, version=self.range, required=self.required, files=files)  # type: ignore[arg-type]


drawn = st.builds(
    Drawn,
    kind=st.sampled_from(["package", "package", "command", "python"]),
    range=st.sampled_from(RANGES),
    required=st.booleans(),
    there=st.none() | versions,
    offered=st.frozensets(versions, max_size=3),
    file=st.none() | st.none() | versions,
    deaf=st.sampled_from([False] * 7 + [True]),
)


@dataclass(frozen=True)
class World:
    """A machine: whether it has a manager and gives root, and how its next installations end (None: well)."""

    manager: str
    uid: int
    absent: Presence
    endings: tuple[Meaning | None, ...]

    @property
    def is_able(self) -> bool:
        """Whether nothing but what is on offer keeps packages from being installed."""
        return self.manager == "apt-get" and self.uid == 0 and not any(self.endings)


worlds = st.builds(
    World,
    manager=st.sampled_from(["apt-get", "apt-get", "apt-get", "apt-get", "", "dpkg"]),
    uid=st.sampled_from([0, 0, 0, 0, 1000]),
    absent=st.sampled_from([Presence.MISSING, Presence.MISSING, Presence.MANAGED, Presence.NO_PIP]),
    endings=st.lists(st.none() | st.sampled_from(STUCK), max_size=3).map(tuple),
)


def parts(version: str) -> list[int]:
    return [int(each) for each in version.split(".")]


def is_older(one: str, other: str) -> bool:
    """Whether `one` comes before `other`; by hand, so that kdeploy's own idea of versions is judged by another."""
    for mine, theirs in zip_longest(parts(one), parts(other), fillvalue=0):
        if mine != theirs:
            return mine < theirs
    return False


def lies_in(version: str, wanted: str) -> bool:
    """Whether a version is one of a range."""
    for clause in filter(None, wanted.split(",")):
        operator = clause.rstrip("0123456789.")
        limit = clause.removeprefix(operator)
        older, newer = is_older(version, limit), is_older(limit, version)
        holds = {"<": older, ">": newer, "==": not older and not newer, ">=": not older, "<=": not newer}
        if not (older or newer if operator == "!=" else holds[operator]):
            return False
    return True


def set_up(world: World, drawn: Sequence[Drawn]) -> tuple[MemoryMachine, MemoryContent, Plan]:
    content, depot = MemoryContent(), MemoryDepot(absent=world.absent)
    machine = MemoryMachine(depot=depot)
    machine.facts = replace(machine.facts, package_manager=world.manager, uid=world.uid, user="somebody")
    depot.endings = [Installed(each, 1, f"E: {each} happened") if each else None for each in world.endings]
    files: dict[Dependency, tuple[SourceFile, ...]] = {}
    wanted = [each.dependency(number) for number, each in enumerate(drawn)]
    for each, dependency in zip(drawn, wanted, strict=True):
        name = dependency.tool or dependency.pip or dependency.name
        there = {"package": depot.installed, "python": depot.python, "command": depot.commands}[each.kind]
        if each.there:
            there[name] = each.there
        sources = depot.index if each.kind == "python" else depot.offered
        sources[name] = tuple(sorted(each.offered))
        if each.deaf:
            depot.deaf.add(name)
        if dependency.files:
            path = f"memory:/{name}_{each.file}_all.deb"
            content.data[path] = f"{name} {each.file}".encode()
            files[dependency] = (SourceFile(path, path, len(content.data[path])),)
    return machine, content, replace(memory_plan(["m"]), dependencies=tuple(wanted), package_files=files)


def version_there(machine: MemoryMachine, dependency: Dependency) -> str:
    depot = machine.depot
    if dependency.tool:
        return depot.commands.get(dependency.tool, "")
    return depot.python.get(dependency.pip, "") or depot.installed.get(dependency.name, "")


def is_good(machine: MemoryMachine, dependency: Dependency) -> bool:
    version = version_there(machine, dependency)
    return bool(version) and lies_in(version, dependency.version)


def can_come(each: Drawn) -> bool:
    """Whether a manager has it to bring: from its file, or from the sources and not as a step back."""
    if each.kind == "command":
        return False
    if each.file and each.kind == "package":
        return lies_in(each.file, each.range)
    fit = [version for version in each.offered if lies_in(version, each.range)]
    return any(not each.there or not is_older(version, each.there) for version in fit)


def reported(events: Sequence[Event]) -> dict[str, DependencyDone]:
    """The last word about each dependency."""
    return {each.body.dependency: each.body for each in events if isinstance(each.body, DependencyDone)}


NOWHERE = Drawn("package", "", False, None, frozenset(), None, False)


@settings(max_examples=200, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@example(  # one that no source has keeps its neighbours from being installed
    World("apt-get", 0, Presence.MISSING, ()),
    [NOWHERE, replace(NOWHERE, required=True, deaf=True), replace(NOWHERE, required=True, offered=frozenset({"0.9"}))],
)
@given(world=worlds, drawn=st.lists(drawn, min_size=1, max_size=8))
def test_all_are_there_or_exactly_those_that_are_not_are_named(
    tmp_path_factory: pytest.TempPathFactory, world: World, drawn: list[Drawn]
) -> None:
    machine, content, plan = set_up(world, drawn)
    before = {each: version_there(machine, each) for each in plan.dependencies}
    good_before = {each for each in plan.dependencies if is_good(machine, each)}

    async def run() -> tuple[RunState, list[Event]]:
        folder = tmp_path_factory.getbasetemp() / "property-03"
        async with rehearsal(folder, {"m": machine}, content) as stage:
            return await stage.run(plan)

    state, events = asyncio.run(run())
    missing = [each for each in plan.dependencies if not is_good(machine, each)]
    error = state.environments["m"].error
    if any(each.required for each in missing):
        assert error is not None
        assert (error.where.stage, error.category) == ("installing_dependencies", Category.TARGET)
        assert error.remedy
        named = {each for each in plan.dependencies if f"p{plan.dependencies.index(each):02}" in error.message}
        if error.code != "E-PKG-LOCK":
            assert named == {each for each in missing if each.required}
    else:
        assert state.outcome is Outcome.SUCCEEDED, error
    said = reported(events)
    if error is None or error.code != "E-PKG-LOCK":
        for each in plan.dependencies:
            action = "present" if each in good_before else "missing" if each in missing else "installed"
            assert said[each.label].action == action
            assert said[each.label].required == each.required
    asked = {word.partition(" ")[0] for order in machine.depot.orders for word in order.names}
    assert not asked & {each.name or each.pip for each in good_before}
    for each, old in before.items():
        assert not old or not is_older(version_there(machine, each), old) or each.files
    honest = world.is_able and world.absent is Presence.MISSING
    if honest and all(can_come(each) for each in drawn if each.required):
        required = [each for each, one in zip(plan.dependencies, drawn, strict=True) if one.required and not one.deaf]
        assert all(each in good_before or is_good(machine, each) for each in required)


@pytest.mark.parametrize("required", [True, False])
def test_a_lock_is_waited_for_five_minutes(tmp_path: Path, required: bool) -> None:
    held = Installed(Meaning.LOCKED, 100, "E: Could not get lock", ("4711", "unattended-upgr"))
    machine, content, plan = set_up(World("apt-get", 0, Presence.MISSING, ()), ())
    machine.depot.offered["x"] = ("1.0",)
    machine.depot.endings = [held] * 99
    plan = replace(plan, dependencies=(Dependency(name="x", required=required),))

    async def run() -> tuple[RunState, list[Event]]:
        async with rehearsal(tmp_path, {"m": machine}, content) as stage:
            return await stage.run(plan)

    state, events = asyncio.run(run())
    waits = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert {each.in_s for each in waits} == {10.0}
    assert sum(each.in_s for each in waits) == 300
    assert "process 4711 (unattended-upgr)" in waits[0].because.message
    error = state.environments["m"].error
    if required:
        assert error is not None
        assert error.code == "E-PKG-LOCK"
    else:
        assert state.outcome is Outcome.SUCCEEDED
        assert "process 4711 (unattended-upgr)" in reported(events)["x"].note


@pytest.mark.timeout(600)
async def test_apt_brings_what_is_missing_and_names_what_it_cannot(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    made = [packages.deb(tmp_path / "debs", name, version) for name in ("one", "two") for version in ("1.0", "2.0")]
    packages.apt_source(board.root, made)
    wanted = (
        Dependency(name="one", version=">=1.5"),
        Dependency(name="two", version="<2"),
        Dependency(name="dpkg"),
        Dependency(tool="sh"),
        Dependency(name="absent", required=False),
    )
    plan = Plan(name="real", environments=(board.environment(),), dependencies=wanted, policy=QUICK)

    state, events = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["board"].error
    assert board.run("dpkg-query", "-W", "-f", "${Version}", "one") == "2.0"
    assert board.run("dpkg-query", "-W", "-f", "${Version}", "two") == "1.0"
    actions = {name: done.action for name, done in reported(events).items()}
    assert actions == {"one": "installed", "two": "installed", "dpkg": "present", "sh": "present", "absent": "missing"}
    assert "Unable to locate package absent" in reported(events)["absent"].note

    hopeless = replace(plan, dependencies=(*wanted[:2], Dependency(name="one", version=">=9"), Dependency(tool="perf")))
    state, _ = await deploy(tmp_path / "history", hopeless)

    error = state.environments["board"].error
    assert error is not None
    assert error.message == "one is 2.0, wanted >=9; the package sources offer 2.0; perf is missing"
    assert board.run("dpkg-query", "-W", "-f", "${Version}", "one") == "2.0"
