"""Property 20: environment readiness marking

After any successful validation READY is stored with its facts and listeners are told; it is dropped when the boot, the
kernel or the deployed files change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine import readiness
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.check import CheckStep, EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, ReadinessChanged
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.plan import Plan, Validation
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.ports import Connector, Target
from tests.engine.steps import HookedConnector, HookedTarget, machine, of, over_ssh
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, ports, quick_folder, rehearsal

PATHS = ["/opt/t/one", "/opt/t/two", "/etc/three.conf"]
words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12)
files = st.dictionaries(
    st.sampled_from(PATHS), st.tuples(st.binary(max_size=20), st.sampled_from([0o600, 0o755, 0o4755]))
)


@dataclass(frozen=True)
class Move:
    """Something that happens to a machine, and the word by which the check must name it."""

    word: str
    happen: Callable[[MemoryMachine, str], None]


def facts_moved(word: str, **changed: str) -> Move:
    def happen(board: MemoryMachine, _: str) -> None:
        board.facts = replace(board.facts, **changed)  # type: ignore[arg-type]

    return Move(word, happen)


def file_moved(word: str, change: Callable[[StoredFile], StoredFile | None]) -> Move:
    def happen(board: MemoryMachine, path: str) -> None:
        changed = change(board.files[path])
        if changed is None:
            del board.files[path]
        else:
            board.files[path] = changed

    return Move(word, happen)


MACHINE_MOVES = [
    facts_moved("rebooted", boot_id="another boot"),
    facts_moved("another kernel", kernel_release="9.9-other"),
    facts_moved("another kernel", kernel_build="#2 rebuilt"),
]
FILE_MOVES = [
    file_moved("other content", lambda stored: replace(stored, data=stored.data + b"!")),
    file_moved("mode 0000", lambda stored: replace(stored, mode=0)),
    file_moved("is missing", lambda stored: None),
]
INNOCENT = [
    facts_moved("", load=0.9),  # type: ignore[arg-type]
    facts_moved("", memory_available=1),  # type: ignore[arg-type]
    Move("", lambda board, _: board.files.update({"/tmp/other": StoredFile(b"x", 0o644, "me:me")})),
]


async def look(run: Rehearsal, folder: Path, connector: Connector, content: MemoryContent) -> EnvironmentCheck:
    outside = ports(run.history, folder, connector, content)
    return await readiness.check(outside, memory_plan(["board-a"]).environments[0])


def latest(run: Rehearsal) -> ReadyMark:
    mark = run.history.readiness.latest("board-a")
    assert mark is not None
    return mark


def told(events: list[Event]) -> list[bool]:
    return [each.body.ready for each in of(events, "readiness_changed") if isinstance(each.body, ReadinessChanged)]


def assert_marked(mark: ReadyMark, board: MemoryMachine, plan: Plan, number: int) -> None:
    """The stored mark holds everything that READY rests on."""
    assert mark.ready
    assert mark.run == number
    assert (mark.boot_id, mark.kernel_release) == (board.facts.boot_id, board.facts.kernel_release)
    assert mark.kernel_build == board.facts.kernel_build
    assert {each.path: each.mode for each in mark.manifest} == {each.target: each.mode for each in plan.files}


async def live(folder: Path, board: MemoryMachine, deployed: dict[str, tuple[bytes, int]], moves: list[Move]) -> None:
    """Deploy, look, let things happen, look again, deploy again."""
    content = MemoryContent()
    connector = MemoryConnector({"board-a": board}, content)
    heard: list[Event] = []
    async with rehearsal(folder, {"board-a": board}, content) as run:
        plan = memory_plan(
            ["board-a"], [memory_file(content, path, data, mode) for path, (data, mode) in deployed.items()]
        )
        run.orchestrator.feed.subscribe(heard.extend)
        state, events = await run.run(plan)
        assert state.environments["board-a"].ready
        assert told(events) == told(heard) == [True]
        assert_marked(latest(run), board, plan, state.run)
        first = await look(run, folder, connector, content)
        assert (first.ready, first.failure) == (True, None)

        path = next(iter(deployed), "")
        for move in moves:
            move.happen(board, path)
        before = (dict(board.files), board.facts)
        second = await look(run, folder, connector, content)
        assert (board.files, board.facts) == before, "a look changes nothing there"
        words = {move.word for move in moves} - {""}
        assert second.ready is latest(run).ready is (not words)
        for word in words:
            assert word in "; ".join(second.because)
        if words:
            assert not (await look(run, folder, connector, content)).ready
            assert latest(run).because == "; ".join(second.because)

        state, events = await run.run(plan)
        assert state.environments["board-a"].ready
        assert told(events)[-1] is True
        assert_marked(latest(run), board, plan, state.run)


@settings(max_examples=100)
@given(
    deployed=files,
    kernel=st.tuples(words, words, words),
    machine_moves=st.lists(st.sampled_from(MACHINE_MOVES + INNOCENT), max_size=3),
    file_move=st.none() | st.sampled_from(FILE_MOVES),
)
def test_ready_is_kept_while_its_facts_hold_and_dropped_when_one_moves(
    deployed: dict[str, tuple[bytes, int]],
    kernel: tuple[str, str, str],
    machine_moves: list[Move],
    file_move: Move | None,
) -> None:
    board = machine()
    board.facts = replace(board.facts, boot_id=kernel[0], kernel_release=kernel[1], kernel_build=kernel[2])
    moves = [*machine_moves, *([file_move] if file_move and deployed else [])]
    with quick_folder() as folder:
        asyncio.run(live(Path(folder), board, deployed, moves))


@settings(max_examples=100)
@given(before=files, after=files, fits=st.booleans())
def test_a_run_that_changes_files_drops_the_mark_before_it_touches_them(
    before: dict[str, tuple[bytes, int]], after: dict[str, tuple[bytes, int]], fits: bool
) -> None:
    async def deploy_twice(folder: Path) -> None:
        content, board = MemoryContent(), machine()
        marks: list[bool] = []

        async def watch(environment: str, call: str) -> None:
            mark = run.history.readiness.latest(environment)
            if call == "place" and mark is not None:
                marks.append(mark.ready)

        connector = HookedConnector(MemoryConnector({"board-a": board}, content), watch)
        async with rehearsal(folder, {}, content, connector=connector) as run:
            first = [memory_file(content, path, data, mode) for path, (data, mode) in before.items()]
            await run.run(memory_plan(["board-a"], first))
            second = [memory_file(content, path, data, mode) for path, (data, mode) in after.items()]
            limits = Validation() if fits else Validation(memory=1 << 60)
            state, _ = await run.run(replace(memory_plan(["board-a"], second), validation=limits))
            assert state.environments["board-a"].ready is latest(run).ready is fits
            if fits:
                assert {each.path for each in latest(run).manifest} == set(after)
        changed = any(before.get(path) != wanted for path, wanted in after.items())
        assert marks == ([False] if changed else [])

    with quick_folder() as folder:
        asyncio.run(deploy_twice(Path(folder)))


class OtherBoot:
    """The `Connector` port to a machine that says that it has booted again."""

    def __init__(self, inner: Connector) -> None:
        self._inner = inner

    async def connect(self, environment: Environment) -> Target:
        return _Rebooted(await self._inner.connect(environment))

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        return await self._inner.host_key(environment, algorithm)


class _Rebooted(HookedTarget):
    def __init__(self, inner: Target) -> None:
        super().__init__("", inner, self._nothing, lambda: None)

    async def facts(self, query: FactsQuery) -> Facts:
        return replace(await super().facts(query), boot_id="11111111-2222-4333-8444-555555555555")

    @staticmethod
    async def _nothing(environment: str, call: str) -> None:
        """No hook is needed."""


def plan_for(environment: Environment, content: MemoryContent, home: Path) -> Plan:
    names = [memory_file(content, f"{home}/t/{name}", name.encode(), 0o750) for name in ("one", "two")]
    return replace(memory_plan(["board-a"], names), environments=(environment,))


@pytest.mark.sshd
async def test_a_changed_file_on_a_real_machine_drops_the_mark(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    environment = sshd.environment("board-a")
    connector = over_ssh(content)
    async with rehearsal(tmp_path, {}, content, connector=connector) as run:
        plan = plan_for(environment, content, sshd.home())
        state, _ = await run.run(plan)
        assert state.environments["board-a"].ready
        outside = ports(run.history, tmp_path, connector, content)
        first = await readiness.check(outside, environment, plan=plan)
        assert (first.ready, first.failure) == (True, None)

        (sshd.home() / "t/one").write_bytes(b"somebody was here")
        quick = await readiness.check(outside, environment, files=False)
        assert quick.ready, "who does not look at files finds none changed"
        second = await readiness.check(outside, environment)
        assert second.because == (f"{sshd.home()}/t/one has other content",)
        assert not second.ready
        assert not latest(run).ready

        (sshd.home() / "t/one").write_bytes(b"one")
        assert not (await readiness.check(outside, environment)).ready, "only a run makes it READY again"
        state, events = await run.run(plan)
        assert state.environments["board-a"].ready
        assert told(events) == [True]
        assert (await readiness.check(outside, environment)).ready


@pytest.mark.sshd
async def test_another_boot_of_a_real_machine_drops_the_mark(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    environment = sshd.environment("board-a")
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(plan_for(environment, content, sshd.home()))
        assert state.environments["board-a"].ready
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert latest(run).boot_id == boot
        rebooted = ports(run.history, tmp_path, OtherBoot(over_ssh(content)), content)
        check = await readiness.check(rebooted, environment)
        assert not check.ready
        expected = f"the machine has rebooted (boot id 11111111-2222-4333-8444-555555555555, was {boot})"
        assert check.because == (expected,)
        assert latest(run).because == expected


@pytest.mark.sshd
async def test_a_machine_that_is_gone_is_not_ready_and_keeps_its_mark(tmp_path: Path, sshd: Sshd) -> None:
    content = MemoryContent()
    environment = sshd.environment("board-a")
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        await run.run(plan_for(environment, content, sshd.home()))
        sshd.stop()
        check = await readiness.check(ports(run.history, tmp_path, over_ssh(content), content), environment)
        assert not check.ready
        assert check.failure is not None
        assert check.failure.category is NetworkError.category
        assert latest(run).ready, "nothing is known to have changed"
