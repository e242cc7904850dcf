"""Property 05: deployment failure handling

For any failure in any stage, the error has code, category, place, remedy and evidence, and the stage is retried exactly
when the error's class says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.errors import (
    ArtifactError,
    AuthError,
    Category,
    ContentChanged,
    Evidence,
    KdeployError,
    LocalError,
    NetworkError,
    PlanError,
    ReadinessError,
    TargetBusy,
    TargetError,
    TrustError,
)
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RetryScheduled
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.plan import Plan, Policy, Rollback
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from tests.engine.steps import Faults, HookedContent, after_the_last, hooked, machine, of, over_ssh, whole_plan
from tests.lab.chaos import Chaos, Direction, Mischief
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal
from tests.strategies import texts

KINDS: dict[type[KdeployError], tuple[Category, str, int]] = {
    NetworkError: (Category.NET, "E-LOST", 99),
    TargetBusy: (Category.TARGET, "E-LOCKED", 99),
    ContentChanged: (Category.ARTIFACT, "E-HASH", 1),
    ArtifactError: (Category.ARTIFACT, "E-SOURCE-MISSING", 0),
    TargetError: (Category.TARGET, "E-NOSPC", 0),
    ReadinessError: (Category.TARGET, "E-CHECK", 0),
    TrustError: (Category.TRUST, "E-HOSTKEY-CHANGED", 0),
    AuthError: (Category.AUTH, "E-AUTH", 0),
    PlanError: (Category.CONFIG, "E-KEX", 0),
    LocalError: (Category.LOCAL, "E-HISTORY-FULL", 0),
}
"""Category, code and retries beyond the first attempt (99: as many as the plan allows), written down by hand."""
BUGS: tuple[Callable[[str], Exception], ...] = (ValueError, RuntimeError, KeyError, OSError, TimeoutError)

known_errors = st.builds(
    lambda kind, message, path, on_target, evidence: kind(
        KINDS[kind][1], message, path=path, on_target=on_target, evidence=evidence
    ),
    st.sampled_from(list(KINDS)),
    texts,
    texts,
    texts,
    st.builds(Evidence, texts, st.none() | st.integers(0, 255), texts),
)
unknown_errors = st.builds(lambda kind, text: kind(text), st.sampled_from(BUGS), texts)
errors = known_errors | unknown_errors


def retries_of(error: Exception, policy: Policy) -> int:
    """Further attempts that this error is worth."""
    return min(KINDS[type(error)][2], policy.retries) if isinstance(error, KdeployError) else 0


def expected_end(raised: list[Exception], policy: Policy) -> tuple[int, Exception | None]:
    """How many attempts the stage gets and what it ends with, None: it succeeds in the end."""
    for attempt, error in enumerate(raised, 1):
        if attempt > retries_of(error, policy):
            return attempt, error
    return len(raised) + 1, None


def assert_told(failure: Failure, error: Exception, environment: str, stage: Stage) -> None:
    """Everything that people need to know about an error is in its failure."""
    assert failure.where.environment == environment
    assert failure.where.stage == stage.value
    assert failure.remedy
    assert "<environment>" not in failure.remedy
    if isinstance(error, KdeployError):
        assert (failure.category, failure.code) == KINDS[type(error)][:2]
        assert (failure.message, failure.on_target) == (error.message, error.on_target)
        assert failure.where.path == error.path
        assert failure.evidence == error.evidence
    else:
        assert (failure.category, failure.code) == (Category.BUG, "E-BUG")
        assert type(error).__name__ in failure.message
        assert "Traceback" in failure.evidence.stderr


def assert_stage_history(events: list[Event], raised: list[Exception], stage: Stage, attempts: int) -> None:
    """Each attempt but the last is followed by a retry that names its error."""
    own = [each for each in events if each.stage is stage]
    assert [each.attempt for each in of(own, "stage_started")] == list(range(1, attempts + 1))
    scheduled = [each.body for each in own if isinstance(each.body, RetryScheduled)]
    assert len(scheduled) == attempts - 1
    for body, error in zip(scheduled, raised, strict=False):
        assert_told(body.because, error, "board-a", stage)
    later = [other for other in Stage if list(Stage).index(other) > list(Stage).index(stage)]
    if attempts <= len(raised):
        assert not [each for each in events if each.stage in later]


async def run_with(stage: Stage, raised: list[Exception], policy: Policy) -> tuple[EnvironmentState, list[Event], bool]:
    """The environment at the end, its events, and whether its files are all there (else none is)."""
    faults = Faults(stage, raised)
    content = HookedContent(before=faults.read)
    machines = {"board-a": machine()}
    plan = replace(whole_plan(["board-a"], content), policy=policy)
    with quick_folder() as folder:
        connector = hooked(machines, content, faults.call)
        async with rehearsal(Path(folder), machines, content, connector=connector) as run:
            state, events = await run.run(plan)
            ready = run.history.readiness.latest("board-a")
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    assert bool(ready and ready.ready) is (state.outcome is Outcome.SUCCEEDED)
    files = set(machines["board-a"].files)
    assert files in (set(), {"/opt/t/one", "/opt/t/two"})
    return state.environments["board-a"], events, bool(files)


@settings(max_examples=100)
@given(
    stage=st.sampled_from(Stage),
    raised=st.lists(errors, min_size=1, max_size=4),
    retries=st.integers(0, 4),
)
def test_every_failure_is_told_whole_and_retried_as_its_class_says(
    stage: Stage, raised: list[Exception], retries: int
) -> None:
    policy = Policy(retries=retries, rollback=Rollback.NONE)
    attempts, last = expected_end(raised, policy)

    state, events, deployed = asyncio.run(run_with(stage, raised, policy))

    assert_stage_history(events, raised, stage, attempts)
    finished = of(events, "environment_finished")
    assert len(finished) == 1
    if last is None:
        assert (state.status, state.error, state.ready) == (Status.COMPLETED, None, True)
    else:
        assert (state.status, state.ready) == (Status.FAILED, False)
        assert state.error is not None
        assert_told(state.error, last, "board-a", stage)
        outcomes = {each.stage: each.outcome for each in state.stages}
        assert outcomes[stage] is StageOutcome.FAILED
    reached_end_of_deployment = last is None or stage in {Stage.INSTRUMENTATION, Stage.VALIDATING}
    assert deployed is reached_end_of_deployment


def big_plan(environment: Environment, content: MemoryContent, home: str, *, retries: int = 3) -> Plan:
    """Half a megabyte in four files."""
    files = [memory_file(content, f"{home}/t/{name}", name.encode() * 131072, 0o755) for name in "abcd"]
    plan = memory_plan(["board-a"], files)
    return replace(plan, environments=(environment,), policy=Policy(retries=retries, rollback=Rollback.NONE))


def on_disk(home: Path) -> dict[str, bytes]:
    """Files at their place; what a lost deployment left in its staging folder is removed at the next contact."""
    return {path.name: path.read_bytes() for path in (home / "t").iterdir() if path.is_file()}


def whole() -> dict[str, bytes]:
    return {name: name.encode() * 131072 for name in "abcd"}


@pytest.mark.sshd
@pytest.mark.parametrize("mischief", [Mischief.CUT, Mischief.FLIP])
async def test_a_lost_connection_is_retried_and_the_files_arrive(
    tmp_path: Path, sshd: Sshd, chaos: Chaos, mischief: Mischief
) -> None:
    content = MemoryContent()
    plan = big_plan(chaos.environment(sshd.environment("board-a")), content, str(sshd.home()))
    chaos.trap(mischief, Direction.TO_SERVER, 200_000)

    async with rehearsal(tmp_path, {}, content, connector=after_the_last(sshd, over_ssh(content))) as run:
        state, events = await run.run(plan)

    scheduled = of(events, "retry_scheduled")
    assert [(each.stage, each.attempt) for each in scheduled] == [(Stage.DEPLOYING, 1)]
    assert isinstance(scheduled[0].body, RetryScheduled)
    because = scheduled[0].body.because
    assert (because.category, because.code) == (Category.NET, "E-LOST")
    assert because.where == Place("board-a", "deploying_scripts")
    assert "board-a" in because.remedy
    assert because.evidence.stderr, "what the library said is kept"
    assert because.on_target
    assert state.environments["board-a"].status is Status.COMPLETED
    assert on_disk(sshd.home()) == whole()
    assert chaos.connections == 2


@pytest.mark.sshd
async def test_a_connection_that_is_lost_every_time_fails_with_the_old_files_in_place(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    content = MemoryContent()
    (sshd.home() / "t").mkdir()
    (sshd.home() / "t/a").write_bytes(b"old")
    plan = big_plan(chaos.environment(sshd.environment("board-a")), content, str(sshd.home()), retries=2)
    for offset in (200_000, 300_000, 400_000):
        chaos.trap(Mischief.CUT, Direction.TO_SERVER, offset)

    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(plan)

    board = state.environments["board-a"]
    assert [each.attempt for each in of(events, "stage_started") if each.stage is Stage.DEPLOYING] == [1, 2, 3]
    assert len(of(events, "retry_scheduled")) == 2
    assert board.status is Status.FAILED
    assert board.error is not None
    assert (board.error.code, board.error.category) == ("E-LOST", Category.NET)
    assert board.error.where.stage == "deploying_scripts"
    assert on_disk(sshd.home()) == {"a": b"old"}


@pytest.mark.sshd
async def test_what_the_target_refuses_is_not_retried_and_its_words_are_kept(
    tmp_path: Path, sshd: Sshd, chaos: Chaos
) -> None:
    content = MemoryContent()
    plan = big_plan(chaos.environment(sshd.environment("board-a")), content, str(sshd.home()))
    plan = replace(plan, files=tuple(replace(each, owner="no-such-user") for each in plan.files))

    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, events = await run.run(plan)

    error = state.environments["board-a"].error
    assert error is not None
    assert (error.category, error.code) == (Category.TARGET, "E-OWNER")
    assert error.where == Place("board-a", "deploying_scripts", f"{sshd.home()}/t")
    assert error.evidence.exit_status == 13
    assert "no-such-user" in error.evidence.stderr
    assert "intact" in error.on_target
    assert error.remedy
    assert not of(events, "retry_scheduled")
    assert chaos.connections == 1
    assert on_disk(sshd.home()) == {}
