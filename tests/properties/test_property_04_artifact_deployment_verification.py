"""Property 04: artifact deployment verification

For any content, a flipped bit, a truncated, replaced or missing file is found and named, and the run is not completed.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import CheckDone, Event, RetryScheduled
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.plan import Artifact, ArtifactType, Plan
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from kdeploy_gui.ports import Connector, Target
from tests.engine.steps import after_the_last
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.sshd import Sshd
from tests.properties.peers import QUICK, deploy, leftovers, plan_of, ssh, write_files
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

Tamper = Callable[[], None]


@dataclass
class Tampering:
    """A connector whose machines are tampered with when the run looks at its files for the last time."""

    inner: Connector
    tamper: Tamper
    times: int = field(default=0)

    async def connect(self, environment: Environment) -> Target:
        return _Tampered(await self.inner.connect(environment), self)

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        return await self.inner.host_key(environment, algorithm)


class _Tampered:
    """A target; only the validation asks for files together with facts."""

    def __init__(self, target: Target, owner: Tampering) -> None:
        self._target = target
        self._owner = owner
        self.survey = target.survey
        self.place = target.place
        self.restore = target.restore
        self.dependencies = target.dependencies
        self.install = target.install
        self.execute = target.execute
        self.follow_kernel_log = target.follow_kernel_log
        self.close = target.close

    async def facts(self, query: FactsQuery) -> Facts:
        if query.files:
            self._owner.times += 1
            self._owner.tamper()
        return await self._target.facts(query)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit turned over."""
    place, number = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ 1 << number]) + data[place + 1 :]


@dataclass(frozen=True)
class Damage:
    """What happens to one file of a memory machine; `bit` is also the length that a truncated file keeps."""

    kind: str
    bit: int

    def apply(self, machine: MemoryMachine, path: str) -> None:
        stored = machine.files[path]
        match self.kind:
            case "flip":
                machine.files[path] = replace(stored, data=flipped(stored.data, self.bit))
            case "truncate":
                machine.files[path] = replace(stored, data=stored.data[: self.bit % len(stored.data)])
            case "append":
                machine.files[path] = replace(stored, data=stored.data + b"\0")
            case "replace":
                machine.files[path] = replace(stored, data=bytes(255 - each for each in stored.data))
            case "chmod":
                machine.files[path] = replace(stored, mode=stored.mode ^ (1 << self.bit % 12))
            case "chown":
                machine.files[path] = replace(stored, owner="mallory:users")
            case "remove":
                del machine.files[path]
            case "folder":
                del machine.files[path]
                machine.files[f"{path}/inside"] = StoredFile(b"", 0o644, "root:root")


damages = st.builds(
    Damage,
    st.sampled_from(["flip", "truncate", "append", "replace", "chmod", "chown", "remove", "folder"]),
    st.integers(0, 1 << 20),
)


@settings(max_examples=100)
@given(
    contents=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=30),
    chosen=st.dictionaries(st.integers(0, 29), damages, max_size=30),
)
def test_damaged_files_are_found_and_named(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], chosen: dict[int, Damage]
) -> None:
    content, machine = MemoryContent(), MemoryMachine()
    files = [
        memory_file(content, f"/opt/{number}/file", data, 0o640, "root:root") for number, data in enumerate(contents)
    ]
    hit = {files[number].target: damage for number, damage in chosen.items() if number < len(files)}

    def tamper() -> None:
        for path, damage in hit.items():
            damage.apply(machine, path)

    async def run() -> tuple[RunState, list[Event], RunState]:
        folder = tmp_path_factory.getbasetemp() / "property-04"
        connector = Tampering(MemoryConnector({"m": machine}, content), tamper)
        async with rehearsal(folder, {}, content, connector=connector) as stage:
            state, events = await stage.run(memory_plan(["m"], files))
        for path in hit:
            machine.files.pop(f"{path}/inside", None)
        async with rehearsal(folder, {"m": machine}, content) as stage:
            mended, _ = await stage.run(memory_plan(["m"], files))
        return state, events, mended

    state, events, mended = asyncio.run(run())
    assert_found(state, events, set(hit), {each.target for each in files})
    assert mended.outcome is Outcome.SUCCEEDED
    assert mended.environments["m"].ready
    assert {path: stored.data for path, stored in machine.files.items()} == {
        each.target: data for each, data in zip(files, contents, strict=True)
    }


def assert_found(state: RunState, events: Sequence[Event], damaged: set[str], paths: set[str]) -> None:
    """The damaged files are named, no others are, and only without any the run is completed."""
    (board,) = state.environments.values()
    (check,) = (each.body for each in events if isinstance(each.body, CheckDone) and each.body.check == "files")
    assert check.ok == (not damaged)
    if not damaged:
        assert (board.status, board.ready) == (Status.COMPLETED, True)
        return
    assert (board.status, board.ready) == (Status.FAILED, False)
    assert board.error is not None
    assert (board.error.category, board.error.where.stage) == (Category.TARGET, Stage.VALIDATING.value)
    for said in (check.value, board.error.message, board.readiness):
        named = {path for path in paths if f"{path} " in said}
        assert named == damaged or (named < damaged and f"and {len(damaged) - len(named)} more" in said)
        assert len(named) >= min(len(damaged), 10)
    assert board.stages[-1].outcome is StageOutcome.FAILED
    assert board.stages[-1].attempts == 1


SIZE = 1_500_000


def suite(environment: Environment, folder: Path) -> Plan:
    """Ten files, one of them large."""
    make = random.Random(4)
    write_files(folder / "suite", {f"file {number}": make.randbytes(100) for number in range(9)})
    write_files(folder / "suite", {"large": make.randbytes(SIZE)})
    artifact = Artifact(source="suite", type=ArtifactType.BINARY, target="~/suite/", mode=0o755)
    return plan_of([environment], [artifact], folder)


def flip_on_disk(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes(), 12_345))


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def truncate_one_byte(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def replace_by_link(path: Path) -> None:
    """The link leads to the right bytes, but is no file of ours."""
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    """Reading it would wait for ever."""
    path.unlink()
    os.mkfifo(path)


def open_to_all(path: Path) -> None:
    path.chmod(0o777)


@pytest.mark.parametrize(
    "damage",
    [
        flip_on_disk,
        truncate_to_nothing,
        truncate_one_byte,
        Path.unlink,
        replace_by_link,
        replace_by_folder,
        replace_by_pipe,
        open_to_all,
    ],
)
@pytest.mark.parametrize("name", ["large", "file 3"])
async def test_a_file_that_changes_after_its_deployment_is_found(
    sshd: Sshd, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    path = sshd.home() / "suite" / name
    connector = Tampering(ssh(), lambda: damage(path))

    state, events = await deploy(tmp_path / "history", suite(sshd.environment(), tmp_path / "plan"), connector)

    assert connector.times == 1
    assert_found(state, events, {str(path)}, {str(sshd.home() / "suite" / each) for each in ("large", "file 3")})


async def test_many_damaged_files_are_named_or_counted(sshd: Sshd, tmp_path: Path) -> None:
    write_files(tmp_path / "plan/suite", {f"more {number}": b"more" for number in range(20)})
    plan = suite(sshd.environment(), tmp_path / "plan")
    made = sshd.home() / "suite"

    def tamper() -> None:
        for each in made.glob("more *"):
            each.write_bytes(b"less")

    state, events = await deploy(tmp_path / "history", plan, Tampering(ssh(), tamper))

    damaged = {f"{made}/more {number}" for number in range(20)}
    assert_found(state, events, damaged, damaged | {f"{made}/large"})


OFFSETS = [60_000, 300_000, 750_001, 1_200_002, 1_490_003]


@pytest.mark.parametrize("offset", OFFSETS)
async def test_a_bit_flipped_on_the_way_to_the_machine_does_no_harm(
    sshd: Sshd, chaos: Chaos, tmp_path: Path, offset: int
) -> None:
    """SSH notices and ends the connection; the retry brings the right bytes."""
    chaos.trap(Mischief.FLIP, Direction.TO_SERVER, offset)
    plan = suite(chaos.environment(sshd.environment()), tmp_path / "plan")

    state, events = await deploy(tmp_path / "history", plan, after_the_last(sshd, ssh()))

    board = state.environments["host-1"]
    assert board.status is Status.COMPLETED, board.error
    (retry,) = (each for each in events if isinstance(each.body, RetryScheduled))
    assert retry.stage is Stage.DEPLOYING
    assert isinstance(retry.body, RetryScheduled)
    assert retry.body.because.category is Category.NET, retry.body.because
    assert chaos.connections == 2
    assert_same(tmp_path / "plan/suite", sshd.home() / "suite")
    assert leftovers(sshd.home()) == []


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("offset", [60, 800, 1_200])
async def test_a_bit_flipped_in_the_login_is_no_lasting_failure(
    sshd: Sshd, chaos: Chaos, tmp_path: Path, direction: Direction, offset: int
) -> None:
    """The key exchange does not come out even: that is the link's fault, not the machine's or the plan's."""
    chaos.trap(Mischief.FLIP, direction, offset)
    plan = suite(chaos.environment(sshd.environment()), tmp_path / "plan")

    state, events = await deploy(tmp_path / "history", plan)

    board = state.environments["host-1"]
    assert board.status is Status.COMPLETED, board.error
    (retry,) = (each.body.because for each in events if isinstance(each.body, RetryScheduled))
    assert retry.category is Category.NET
    assert_same(tmp_path / "plan/suite", sshd.home() / "suite")


@pytest.mark.parametrize("back", [100, 700, 1_500])
async def test_a_bit_flipped_on_the_way_back_does_no_harm(sshd: Sshd, chaos: Chaos, tmp_path: Path, back: int) -> None:
    environment = chaos.environment(sshd.environment())
    plan = suite(environment, tmp_path / "plan")
    await deploy(tmp_path / "history", plan)
    answers = chaos.passed[Direction.TO_CLIENT]
    (sshd.home() / "suite/large").write_bytes(b"old")
    chaos.trap(Mischief.FLIP, Direction.TO_CLIENT, answers - back)

    state, events = await deploy(tmp_path / "history", plan)

    board = state.environments["host-1"]
    assert board.status is Status.COMPLETED, board.error
    reasons = [each.body.because for each in events if isinstance(each.body, RetryScheduled)]
    assert [each.category for each in reasons] == [Category.NET] * len(reasons), reasons
    assert_same(tmp_path / "plan/suite", sshd.home() / "suite")


async def test_without_retries_a_flipped_bit_is_a_failure_and_no_file(sshd: Sshd, chaos: Chaos, tmp_path: Path) -> None:
    chaos.trap(Mischief.FLIP, Direction.TO_SERVER, OFFSETS[2])
    plan = suite(chaos.environment(sshd.environment()), tmp_path / "plan")

    state, _ = await deploy(tmp_path / "history", replace(plan, policy=replace(QUICK, retries=0)))

    board = state.environments["host-1"]
    assert (board.status, board.ready) == (Status.FAILED, False)
    assert board.error is not None
    assert board.error.category is Category.NET
    assert [each for each in sshd.home().rglob("suite/*") if each.is_file()] == []


def assert_same(source: Path, copy: Path) -> None:
    """Both folders hold the same files."""
    read = [{each.name: each.read_bytes() for each in folder.iterdir()} for folder in (source, copy)]
    assert read[0] == read[1]
