"""Property 07: coverage tool configuration

Where gcov or KCOV is wanted, collection works end to end - a counter was seen to move - or the reason why it does not
is given; a run that requires it and does not get it is not READY. The real peers are a guest with a debug kernel, and
the stock guest, which has neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.errors import Category
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.plan import Instrumentation, Policy, Rollback, Want
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import over_ssh
from tests.instruments.answers import answer
from tests.lab import guest_image, kernels
from tests.lab.client import output_of
from tests.lab.guest import TinyGuest, tiny_guest
from tests.lab.test_debug_kernels import BOOT, STATE, booted
from tests.rehearsal import MemoryContent, memory_plan, quick_folder, rehearsal

DEBUG = "/sys/kernel/debug"
NAMES = ("gcov", "kcov")
PROOFS = {"gcov": "proof of gcov", "kcov": "proof of KCOV"}


@dataclass(frozen=True)
class Coverage:
    """How one instrument is on a machine, and what its counter says before and after something was run."""

    kernel: str
    before: int
    after: int
    ends: bool

    @property
    def works(self) -> bool:
        """Whether collection works end to end."""
        return self.kernel == "there" and self.ends and self.after > self.before

    @property
    def is_on(self) -> bool:
        """Whether it counts as on: nothing speaks against it."""
        return self.kernel == "there" and (not self.ends or self.after > self.before)


def evidence(machine: Mapping[str, Coverage]) -> bytes:
    """What detection finds: built in or not, a file in debugfs or not, nothing instrumented."""
    gcov, kcov = machine["gcov"].kernel, machine["kcov"].kernel
    built = {"GCOV_KERNEL": "n" if gcov == "absent" else "y", "KCOV": "n" if kcov == "absent" else "y"}
    there: dict[str, str] = {}
    if gcov != "absent":
        there |= {
            f"{DEBUG}/gcov": f"{DEBUG}/gcov",
            f"{DEBUG}/gcov/*/": f"{DEBUG}/gcov/root/" if gcov == "there" else "",
        }
    if kcov != "absent":
        there[f"{DEBUG}/kcov"] = f"{DEBUG}/kcov"
    every = {"KCOV_INSTRUMENT_ALL": "n" if kcov == "empty" else "y"}
    return answer(debugfs=True, config={**built, **every}, there=there)


def proof(name: str, coverage: Coverage) -> bytes:
    """What the proof says: kcov counts from zero, gcov's data changes."""
    said = {"restored": "yes"}
    if name == "kcov":
        said["count"] = str(coverage.after - coverage.before)
    else:
        said |= {"data": "open.gcda", "before": f"{coverage.before:08}", "after": f"{coverage.after:08}"}
    lines = [f"{key}\t{value}" for key, value in said.items()]
    return "\n".join([*lines, *(["end\t"] if coverage.ends else []), ""]).encode()


counters = st.integers(0, 5)
coverages = st.builds(
    lambda kernel, before, more, ends: Coverage(kernel, before, before + more, ends),
    st.sampled_from(["there", "empty", "absent"]),
    counters,
    counters,
    st.booleans(),
)


async def deployed(machine: Mapping[str, Coverage], wants: Mapping[str, Want], folder: Path) -> EnvironmentState:
    replies = {"instrument detection": Completed(0, evidence(machine))}
    replies |= {PROOFS[name]: Completed(0, proof(name, each)) for name, each in machine.items()}
    async with rehearsal(folder, {"a": MemoryMachine(replies=replies)}, MemoryContent()) as run:
        state, _ = await run.run(replace(memory_plan(["a"]), instrumentation=Instrumentation(wants)))
    return state.environments["a"]


@settings(max_examples=100)
@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, coverages)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.sampled_from(list(Want)))),
)
def test_a_counter_moved_or_the_reason_is_given(machine: dict[str, Coverage], wants: dict[str, Want]) -> None:
    with quick_folder() as folder:
        state = asyncio.run(deployed(machine, wants, Path(folder)))
    rows = state.instruments
    assert set(rows) == {name for name, want in wants.items() if want is not Want.OFF}
    for name, row in rows.items():
        assert (row.proven == "yes") is (row.state == "proven") is machine[name].works, row
        assert (row.on == "yes") is machine[name].is_on, row
        if not machine[name].works:
            assert row.note, "a reason is given"
        if machine[name].kernel == "absent":
            assert row.remedy.startswith("boot a kernel that"), row
    lacking = [name for name in rows if wants[name] is Want.REQUIRED and not machine[name].is_on]
    assert (state.status is Status.COMPLETED) is state.ready is (not lacking)
    for name in lacking:
        assert state.error is not None
        assert rows[name].note in state.error.message


async def deploy_to(folder: Path, environment: Environment, want: Want) -> EnvironmentState:
    """The end of a run; an emulated machine may need longer for a login than kdeploy waits for one."""
    async with asyncio.timeout(BOOT):
        state = await deploy_once(folder, environment, want)
        while state.error is not None and state.error.category is Category.NET:
            state = await deploy_once(folder, environment, want)
    return state


async def deploy_once(folder: Path, environment: Environment, want: Want) -> EnvironmentState:
    content = MemoryContent()
    plan = replace(
        memory_plan(["vm"]),
        environments=(replace(environment, name="vm"),),
        instrumentation=Instrumentation(dict.fromkeys(NAMES, want)),
        policy=Policy(rollback=Rollback.FAILED, stage_timeout=1200),
    )
    async with rehearsal(folder, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(plan)
        if state.environments["vm"].ready and state.environments["vm"].switched:
            back, _ = await run.run(replace(plan, takes_back=state.run))
            assert back.environments["vm"].status is Status.COMPLETED
    return state.environments["vm"]


@pytest.mark.guest
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(guest_image.unfit()), reason=guest_image.unfit())
async def test_the_stock_guest_has_neither_and_says_what_would_bring_them(tmp_path: Path) -> None:
    with tiny_guest(tmp_path) as guest:
        wished = await deploy_to(tmp_path / "wished", guest.environment(), Want.WANTED)
        needed = await deploy_to(tmp_path / "needed", guest.environment(), Want.REQUIRED)
    assert wished.ready, wished.error
    for name in NAMES:
        row = wished.instruments[name]
        assert (row.state, row.on, row.proven) == ("absent", "no", "no"), row
        assert row.note
        assert row.remedy.startswith("boot a kernel that"), row
    assert not needed.ready
    assert needed.error is not None
    assert needed.error.code == "E-INSTRUMENT"
    assert all(needed.instruments[name].note in needed.error.message for name in NAMES)


@pytest.fixture(scope="module")
def instrumented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyGuest]:
    yield from booted(tmp_path_factory.mktemp("kasan"), "kasan", "acpi=off kunit.filter_glob=none", 1)


@pytest.mark.debugkernel
@pytest.mark.timeout(1800)
@pytest.mark.skipif(bool(kernels.unfit() or guest_image.unfit()), reason=kernels.unfit() or guest_image.unfit())
async def test_a_kernel_that_is_built_for_it_collects(instrumented: TinyGuest, tmp_path: Path) -> None:
    environment = instrumented.environment()
    before = await output_of(environment, STATE)
    state = await deploy_to(tmp_path, environment, Want.REQUIRED)
    assert state.ready, state.error
    for name in NAMES:
        assert state.instruments[name].state == "proven", state.instruments[name]
    counted = {each.path: each.value for each in state.instruments["kcov"].evidence}
    assert int(counted["proof: count"]) > 0
    assert await output_of(environment, STATE) == before
