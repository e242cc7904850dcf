"""Property 01: automatic script transfer completeness

For any plan, after script deployment every file of the plan is on the target, byte for byte, or the run failed and
none of the new ones is.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui import defaults
from kdeploy_gui.documents import field_types
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.errors import (
    ArtifactError,
    AuthError,
    Category,
    ContentChanged,
    KdeployError,
    NetworkError,
    TargetBusy,
    TargetError,
)
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, FileDone, StageStarted
from kdeploy_gui.model.files import Batch
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.plan import Artifact, ArtifactType, Plan, Policy, Rollback
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ports import Connector, Target
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import (
    INTERPRETERS,
    QUICK,
    LocalMachine,
    deploy,
    leftovers,
    nothing_left,
    plan_of,
    ssh,
    write_files,
)
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

HOME = "/root"
VERBS = ("connect", "facts", "survey", "place")
ERRORS: Sequence[Callable[[], KdeployError]] = (
    lambda: NetworkError("E-LOST", "the connection was lost"),
    lambda: TargetBusy("E-LOCKED", "another deployment is writing"),
    lambda: ContentChanged("E-HASH", "other bytes arrived"),
    lambda: TargetError("E-ROFS", "the file system is read-only"),
    lambda: AuthError("E-AUTH", "the key is refused"),
    lambda: ArtifactError("E-SOURCE-UNREADABLE", "the file cannot be read"),
)


def is_legal(path: str) -> bool:
    """Whether a plan file accepts the path as a target."""
    try:
        field_types.target(path)
    except ValueError:
        return False
    return True


letters = st.characters(codec="utf-8", exclude_characters="/").filter(lambda each: is_visible(each))
components = st.text(letters, min_size=1, max_size=12) | st.sampled_from(["a", "b", "-rf", "~", "*", "x y", "'\"$(id)"])
targets = st.builds(
    lambda root, parts: f"{root}/{'/'.join(parts)}",
    st.sampled_from(["", "~", "/opt/tests"]),
    st.lists(components, min_size=1, max_size=4),
).filter(is_legal)
contents = st.binary(max_size=200) | st.builds(
    lambda size: random.Random(size).randbytes(size), st.integers(0, 100_000)
)


def below_home(target: str) -> str:
    """The same path, below a folder of the home."""
    return f"~/suite/{target.removeprefix('~').removeprefix('/')}"


@dataclass(frozen=True)
class Wanted:
    """One file of a drawn plan."""

    target: str
    data: bytes
    mode: int

    @property
    def path(self) -> str:
        """Where it lies on a memory machine."""
        return HOME + self.target[1:] if self.target.startswith("~") else self.target


def without_clashes(files: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """The files that a plan may have together: no path twice, no file where another one needs a folder."""
    kept: dict[str, Wanted] = {}
    for file in files:
        clash = any(
            file.path == other or file.path.startswith(f"{other}/") or other.startswith(f"{file.path}/")
            for other in kept
        )
        if not clash:
            kept[file.path] = file
    return tuple(kept.values())


wanted_files = st.lists(st.builds(Wanted, targets, contents, st.integers(0, 0o7777)), min_size=1, max_size=8)
errors = st.sampled_from(ERRORS)
failures = st.dictionaries(st.sampled_from(VERBS), st.lists(st.none() | errors, max_size=4), max_size=2)


@dataclass
class Drawn:
    """A machine before the run: which of the plan's files it has already and how, what else, and what goes wrong."""

    had: Mapping[int, tuple[bytes | None, int]]
    others: Mapping[str, bytes]
    failures: Mapping[str, Sequence[Callable[[], KdeployError] | None]]
    answers_lost: int = 0

    def machine(self, files: Sequence[Wanted]) -> MemoryMachine:
        """The memory machine; None as data means: the planned bytes are there already."""
        machine = MemoryMachine()
        for path, data in self.others.items():
            machine.files[path] = StoredFile(data, 0o640, "daemon:daemon")
        for number, (old, mode) in self.had.items():
            file = files[number % len(files)]
            machine.files[file.path] = StoredFile(file.data if old is None else old, mode, "root:root")
        for verb, queue in self.failures.items():
            machine.failures[verb] = [make() if make else None for make in queue]
        return machine


machines = st.builds(
    Drawn,
    had=st.dictionaries(st.integers(0, 7), st.tuples(st.none() | contents, st.integers(0, 0o7777)), max_size=4),
    others=st.dictionaries(targets.filter(lambda path: path.startswith("/")), contents, max_size=3),
    failures=failures,
    answers_lost=st.sampled_from([0, 0, 0, 1, 2, 5]),
)


@dataclass
class Meddler:
    """Memory machines of which some commit without their answer getting through, and sources that change."""

    inner: MemoryConnector
    answers_lost: dict[str, int]
    change_sources: Callable[[], None] = lambda: None
    lost: set[str] = field(default_factory=set)

    async def connect(self, environment: Environment) -> Target:
        self.change_sources()
        target = await self.inner.connect(environment)
        if self.answers_lost[environment.name]:
            return AnswerLost(target, environment.name, self)
        return target

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        return await self.inner.host_key(environment, algorithm)


class AnswerLost:
    """A target whose deployments succeed while the link dies before they can say so."""

    def __init__(self, target: Target, name: str, meddler: Meddler) -> None:
        self._target = target
        self._name = name
        self._meddler = meddler
        self.facts = target.facts
        self.survey = target.survey
        self.restore = target.restore
        self.dependencies = target.dependencies
        self.install = target.install
        self.execute = target.execute
        self.follow_kernel_log = target.follow_kernel_log
        self.close = target.close

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        await self._target.place(batch, progress)
        if self._meddler.answers_lost[self._name]:
            self._meddler.answers_lost[self._name] -= 1
            self._meddler.lost.add(self._name)
            raise NetworkError("E-LOST", "the connection was lost", on_target="Not known.")


def deployment(state: EnvironmentState) -> StageOutcome:
    """How the stage of script deployment ended."""
    return next(each.outcome for each in state.stages if each.stage is Stage.DEPLOYING)


def last_attempt(events: Sequence[Event], name: str) -> list[FileDone]:
    """What the last attempt at the deployment said about files."""
    said: list[FileDone] = []
    for event in events:
        if event.environment == name and event.stage is Stage.DEPLOYING:
            if isinstance(event.body, StageStarted):
                said = []
            elif isinstance(event.body, FileDone):
                said.append(event.body)
    return said


@settings(max_examples=100)
@given(
    files=wanted_files.map(without_clashes),
    drawn=st.lists(machines, min_size=1, max_size=4),
    retries=st.integers(0, 3),
    source_changes=st.sampled_from([False, False, False, True]),
)
def test_all_files_arrive_or_none_does(
    tmp_path_factory: pytest.TempPathFactory,
    files: tuple[Wanted, ...],
    drawn: list[Drawn],
    retries: int,
    source_changes: bool,
) -> None:
    content = MemoryContent()
    planned = [memory_file(content, each.target, each.data, each.mode) for each in files]
    fleet = {f"m{number}": each.machine(files) for number, each in enumerate(drawn)}
    before = {name: dict(machine.files) for name, machine in fleet.items()}
    plan = replace(memory_plan(list(fleet), planned), policy=Policy(retries=retries, rollback=Rollback.NONE))
    meddler = Meddler(
        MemoryConnector(fleet, content), {f"m{number}": each.answers_lost for number, each in enumerate(drawn)}
    )
    if source_changes:
        meddler.change_sources = lambda: content.data.update({planned[0].source.path: files[0].data + b"!"})

    async def run() -> None:
        async with rehearsal(
            tmp_path_factory.getbasetemp() / "property-01", fleet, content, connector=meddler
        ) as stage:
            state, events = await stage.run(plan)
        for name, machine in fleet.items():
            judge(files, before[name], machine, state.environments[name], events, answer_lost=name in meddler.lost)
        everything = all(each.status is Status.COMPLETED for each in state.environments.values())
        assert state.outcome is (Outcome.SUCCEEDED if everything else Outcome.FAILED)

    asyncio.run(run())


def judge(
    files: Sequence[Wanted],
    before: Mapping[str, StoredFile],
    machine: MemoryMachine,
    state: EnvironmentState,
    events: Sequence[Event],
    *,
    answer_lost: bool,
) -> None:
    """All or none, and the events tell which."""
    paths = {each.path for each in files}
    untouched = {path: stored for path, stored in before.items() if path not in paths}
    assert {path: stored for path, stored in machine.files.items() if path not in paths} == untouched
    complete = {path: machine.files.get(path) for path in paths} == {
        each.path: StoredFile(each.data, each.mode, "root:root") for each in files
    }
    if deployment(state) is StageOutcome.SUCCEEDED:
        assert complete
        said = last_attempt(events, state.name)
        assert {each.path: each.sha256 for each in said} == {
            each.path: hashlib.sha256(each.data).hexdigest() for each in files
        }
        assert len(said) == len(files)
    else:
        assert state.status is Status.FAILED
        assert state.error is not None
        assert machine.files == before or (answer_lost and complete)
        assert not last_attempt(events, state.name) or answer_lost


@settings(max_examples=50)
@given(
    files=st.lists(st.builds(Wanted, targets.map(below_home), contents, st.just(0o640)), min_size=1, max_size=8),
    had=st.dictionaries(st.integers(0, 7), contents, max_size=4),
    interpreter=st.sampled_from(INTERPRETERS),
)
def test_any_names_survive_a_real_shell(
    tmp_path_factory: pytest.TempPathFactory, files: list[Wanted], had: dict[int, bytes], interpreter: list[str]
) -> None:
    folder, content = tmp_path_factory.mktemp("shell"), MemoryContent()
    suite = {each.target.removeprefix("~/suite/"): each.data for each in without_clashes(files)}
    planned = [memory_file(content, f"~/suite/{name}", data) for name, data in suite.items()]
    names = list(suite)
    write_files(folder / "home/suite", {names[number % len(names)]: data for number, data in had.items()})
    machine = LocalMachine(interpreter, folder / "home", content)
    (folder / "home").mkdir(exist_ok=True)

    async def run() -> EnvironmentState:
        async with rehearsal(folder / "history", {}, content, connector=machine) as stage:
            state, _ = await stage.run(memory_plan(["m"], planned))
        return state.environments["m"]

    state = asyncio.run(run())
    assert state.status is Status.COMPLETED, state.error
    assert on_disk(folder / "home/suite") == suite
    assert leftovers(folder) == []
    shutil.rmtree(folder)


NASTY = (
    "with space",
    "  two  spaces  ",
    "-rf",
    "--",
    "quote'\"`",
    "$(touch boom)",
    "${HOME}",
    "back\\slash\\",
    "\\n",
    "*",
    "?[a]",
    "~",
    "#hash",
    "a;b&c|d>e",
    "ünïcode-漢字-🧪",
    "e\u0301 combined",
    ".hidden",
    "=",
    "%s%n",
    "!history",
    "x" * 255,
)


def suite(environments: Sequence[Environment], folder: Path, policy: Policy = QUICK) -> Plan:
    """A plan that brings the folder `suite` to `~/suite/`."""
    artifact = Artifact(source="suite", type=ArtifactType.SCRIPT, target="~/suite/", mode=0o750)
    return plan_of(environments, [artifact], folder, policy)


def on_disk(folder: Path) -> dict[str, bytes]:
    """Files below a folder by their relative name; no folder, no files."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


async def test_300_files_with_any_names_arrive_over_ssh(sshd: Sshd, tmp_path: Path) -> None:
    make = random.Random(1)
    nested = (f"{NASTY[number % 20]} dir/{number} {NASTY[(number * 7) % 20]}" for number in range(300 - len(NASTY)))
    names = [*NASTY, *nested]
    files = {name: make.randbytes(make.choice([0, 1, 511, 512, 513, 4000])) for name in names}
    assert len(files) == 300
    write_files(tmp_path / "plan/suite", files)

    state, _ = await deploy(tmp_path / "history", suite([sshd.environment()], tmp_path / "plan"))

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    assert on_disk(sshd.home() / "suite") == files
    assert state.environments["host-1"].files.sent == 300
    again, _ = await deploy(tmp_path / "history", suite([sshd.environment()], tmp_path / "plan"))
    assert (again.environments["host-1"].files.sent, again.environments["host-1"].files.same) == (0, 300)
    assert leftovers(sshd.home()) == []


SIZE = 2_000_000
OFFSETS = [0, 40, 1_000, 3_000, 6_000, 20_000, 200_000, 1_000_000, 1_990_000]
"""From the first byte of the connection, over the login and the first command, into the transfer, to its last bytes."""


@pytest.fixture
def old_and_new(sshd: Sshd, tmp_path: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Files on the machine, and those of the plan: some replace them, some are new, one is the same."""
    make = random.Random(2)
    old = {"tool": b"old tool", "same": b"same", "mine": b"not of the plan"}
    new = {"tool": make.randbytes(SIZE // 2), "same": b"same", "sub/data": make.randbytes(SIZE // 2), "empty": b""}
    write_files(sshd.home() / "suite", old)
    (sshd.home() / "suite/same").chmod(0o750)
    write_files(tmp_path / "plan/suite", new)
    return old, new


@pytest.mark.parametrize("offset", OFFSETS)
async def test_a_cut_link_leaves_the_old_files(
    sshd: Sshd, chaos: Chaos, tmp_path: Path, old_and_new: tuple[dict[str, bytes], dict[str, bytes]], offset: int
) -> None:
    old, _ = old_and_new
    chaos.trap(Mischief.CUT, Direction.TO_SERVER, offset)
    once = replace(QUICK, retries=0)

    state, _ = await deploy(
        tmp_path / "history", suite([chaos.environment(sshd.environment())], tmp_path / "plan", once)
    )

    board = state.environments["host-1"]
    assert board.status is Status.FAILED
    assert board.error is not None
    assert board.error.category is Category.NET, board.error
    await nothing_left(sshd.home())
    assert on_disk(sshd.home() / "suite") == old


@pytest.mark.parametrize("offset", OFFSETS)
async def test_a_cut_link_is_made_up_for_by_a_retry(
    sshd: Sshd, chaos: Chaos, tmp_path: Path, old_and_new: tuple[dict[str, bytes], dict[str, bytes]], offset: int
) -> None:
    old, new = old_and_new
    chaos.trap(Mischief.CUT, Direction.TO_SERVER, offset)

    state, _ = await deploy(tmp_path / "history", suite([chaos.environment(sshd.environment())], tmp_path / "plan"))

    board = state.environments["host-1"]
    assert board.status is Status.COMPLETED, board.error
    assert board.ready
    assert board.attempts > len(Stage)
    assert on_disk(sshd.home() / "suite") == {**old, **new}
    assert leftovers(sshd.home()) == []


@dataclass
class Rerouted:
    """A connector whose first connection goes through a proxy; later ones are direct."""

    through: Environment
    inner: Connector = field(default_factory=ssh)
    connections: int = 0

    async def connect(self, environment: Environment) -> Target:
        self.connections += 1
        return await self.inner.connect(self.through if self.connections == 1 else environment)

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        return await self.inner.host_key(environment, algorithm)


async def test_a_frozen_link_is_made_up_for_by_a_retry(
    sshd: Sshd,
    chaos: Chaos,
    tmp_path: Path,
    old_and_new: tuple[dict[str, bytes], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine does not know that the link is dead: there the first attempt still waits for its bytes."""
    old, new = old_and_new
    monkeypatch.setattr(defaults, "KEEPALIVE_INTERVAL", 2.0)
    chaos.rate = SIZE
    connector = Rerouted(chaos.environment(sshd.environment()))

    async def freeze() -> None:
        await asyncio.to_thread(wait_until, lambda: chaos.passed[Direction.TO_SERVER] > SIZE // 2, "half has passed")
        chaos.freeze()

    freezing = asyncio.create_task(freeze())
    try:
        state, _ = await deploy(tmp_path / "history", suite([sshd.environment()], tmp_path / "plan"), connector)
        await freezing
    finally:
        chaos.thaw()

    assert state.environments["host-1"].status is Status.COMPLETED, state.environments["host-1"].error
    assert connector.connections == 2
    assert on_disk(sshd.home() / "suite") == {**old, **new}
    await nothing_left(sshd.home())


async def test_a_cut_answer_leaves_all_files_old_or_all_new(sshd: Sshd, chaos: Chaos, tmp_path: Path) -> None:
    """The machine may have committed when the link dies; what is there is whole, and a later run sees it."""
    old, new = {"tool": b"old", "mine": b"not of the plan"}, {"tool": b"new", "sub/data": b"new, too"}
    here, there = tmp_path / "plan", sshd.home() / "suite"
    write_files(here / "suite", new)
    plan = suite([chaos.environment(sshd.environment())], here, replace(QUICK, retries=0, rollback=Rollback.NONE))
    write_files(there, old)
    complete, _ = await deploy(tmp_path / "history", plan)
    assert complete.outcome is Outcome.SUCCEEDED
    answers = chaos.passed[Direction.TO_CLIENT]

    seen = set()
    for offset in range(answers // 3, answers, 200):
        shutil.rmtree(there)
        write_files(there, old)
        chaos.trap(Mischief.CUT, Direction.TO_CLIENT, offset)
        state, _ = await deploy(tmp_path / "history", plan)
        await nothing_left(sshd.home())
        found = on_disk(there)
        assert found in (old, {**old, **new})
        assert found != old or state.environments["host-1"].status is Status.FAILED
        seen.add(found == old)
    assert seen == {True, False}, "the cuts happened before and after the commit"

    again, _ = await deploy(tmp_path / "history", suite([sshd.environment()], here))
    assert again.outcome is Outcome.SUCCEEDED
    assert on_disk(there) == {**old, **new}
